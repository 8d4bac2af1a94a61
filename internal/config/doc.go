// Package config loads, checks and prints a configuration: any struct whose fields say by their tags what they are. It starts with the
// values that the struct has, its defaults; then come a YAML file, NIGHTSHIFT_* of the environment, and what flags say. Later ones win key by key.
//
// A field is a key, a section (a struct), a list, a list of mappings, or a map of sections by name. Tags: yaml names the key, "-" for a field
// that is none; doc explains it; oneof, min and max bound it, or the items of a list; secret keeps it from being printed. The fields of an
// embedded struct are keys of the struct that embeds it. A section below a map that has the tag inherits begins as a copy of the section of the
// whole configuration that it names. What tags cannot say is said by a method Check of any section.
//
// Invariants: a key that does not exist is an error that names its line and the nearest key that does; every error names the
// key and says what is allowed; YAML prints a file that loads to the same configuration, with the documentation of every key.
// It knows no section, opens nothing but the file and checks nothing in the world: whether a model or a server is there is the doctor's matter.
package config
