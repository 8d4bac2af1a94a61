// Package method is the table of methods of continual learning that a night can be told to use beside its objective: how each changes a run
// before it begins, what becomes of its parameters when it ends, and what it hands to the next night. Nights and the comparison of methods run
// this table and nothing else, so that what is measured is what is run.
//
// A file is a method; its functions are short, because what computes is in package train: see there for the papers. The table's order is part
// of what a night computes: penalties and observers are added in it.
//
// The package opens no session of its own, except where a method measures importances; it reads and writes no files.
package method

import (
	"context"

	"nightshift/update/train"
)

// Families of methods: the four that continual learning is told apart by.
const (
	Memory         = "memory"
	Regularization = "regularization"
	Modular        = "modular"
	Meta           = "meta-learning"
)

// Method is an entry of the table.
type Method struct {
	Key    string // of Settings, which is what turns it on
	Family string
	on     func(Settings) bool
	// check reports what no run could work with and the tags of Settings do not say; nil for nothing.
	check func(s Settings, report report)
	// prepare changes a run before it begins; nil for nothing.
	prepare func(ctx context.Context, r *Run) error
	// result is what becomes of the parameters after the last step; nil for themselves.
	result func(r *Run, params []float32) []float32
	// carry adds what the next night is to know; nil for nothing.
	carry func(ctx context.Context, r *Run, params []float32, next *train.Importances) error
}

// report is told of a key of Settings whose value is not allowed, and what is.
type report = func(key, format string, args ...any)
