// Package archtest holds the test that packages import only from layers below their own, and certain dependencies only where they are
// meant to. It parses the import clauses of the whole tree; the documentation takes its table of layers and its tree of
// packages from here.
//
// The layers are in layers.go: a new package needs a line there.
package archtest
