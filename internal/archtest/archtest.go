// Package archtest holds the test that packages import only from layers below their own, and certain dependencies only where they are
// meant to. It parses the import clauses of the whole tree; there is nothing here to import.
//
// The layers are in layers_test.go: a new package needs a line there.
package archtest
