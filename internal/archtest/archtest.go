// Package archtest holds the test that packages import only from layers below their own, and that a dependency has one
// importer. It parses the import clauses of the whole tree. The documentation takes its table of layers and its tree of packages from here.
//
// The layers are in layers.go: a new package needs a line there.
package archtest
