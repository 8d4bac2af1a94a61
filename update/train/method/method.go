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

	"nightshift/onnx/graphs"
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

// Table lists the methods, in the order in which they change a run.
var Table = []Method{sparsity, rounds, project, average, orthogonal, anchor, si, ewc, slow}

// report is told of a key of Settings whose value is not allowed, and what is.
type report = func(key, format string, args ...any)

// Check implements config.Checker.
func (s Settings) Check(report func(key, format string, args ...any)) {
	for _, m := range Table {
		if m.check != nil {
			m.check(s, report)
		}
	}
}

// On lists the keys of the methods that settings turn on.
func (s Settings) On() []string {
	var keys []string
	for _, m := range Table {
		if m.on(s) {
			keys = append(keys, m.Key)
		}
	}
	return keys
}

// Examples are what a run imitates.
type Examples struct {
	Fresh []train.Sequence
	// Rehearsed are examples of earlier nights, Again those of them that steps hold: all, or those that say nothing of what is new.
	Rehearsed, Again []train.Sequence
	// Ratio is how many rehearsed examples a step holds for each new one; 0 for none.
	Ratio float64
}

// Rehearsal is how many rehearsed examples a step may hold for each new one, of so many as are wanted: none where a method has steps hold new
// ones alone.
func (s Settings) Rehearsal(wanted float64) float64 {
	if s.Project {
		return 0
	}
	return wanted
}

// Run is one training run with its methods. What is exported above Options is set by whoever trains; Prepare completes the rest.
type Run struct {
	Settings
	Examples
	Base      train.Base
	Trainable graphs.Trainable
	Start     []float32 // the parameters that training begins with: the champion's
	// Rank is that of what the run learns: all of Trainable's, or a block beside the first Kept of it, which stay as they are.
	Rank, Kept int
	Earlier    train.Importances // that the champion's run left behind; empty for none
	// Fisher opens what measures importances; done gives it back.
	Fisher func(by graphs.By) (f *train.Fisher, done func(), err error)

	Options train.Options
	Source  train.Source // nil where there is nothing to imitate
	Minimum int          // steps that the passes over the new examples take

	average *train.Average
	si      *train.SI
}

// Prepare completes a run's options and source. Importances are measured here, before the session of the run is made, so that two graphs never
// hold memory at a time.
func (r *Run) Prepare(ctx context.Context) error {
	r.Source = r.mixture()
	for _, m := range Table {
		if !m.on(r.Settings) || m.prepare == nil {
			continue
		}
		if err := m.prepare(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// mixture is the source of a run without methods.
func (r *Run) mixture() train.Source {
	switch {
	case r.Ratio == 0 && len(r.Fresh) > 0:
		return train.Shuffled(r.Fresh)
	case r.Ratio == 0:
		return nil
	case len(r.Fresh) == 0:
		return train.Shuffled(r.Again)
	}
	return train.Mixed(r.Fresh, r.Again, r.Ratio)
}

// Result is what becomes of the parameters after the last step.
func (r *Run) Result(params []float32) []float32 {
	for _, m := range Table {
		if m.on(r.Settings) && m.result != nil {
			params = m.result(r, params)
		}
	}
	return params
}

// Carry is what the next night is to know of parameters that were trained; ok is false where no method hands anything on.
func (r *Run) Carry(ctx context.Context, params []float32) (next train.Importances, ok bool, err error) {
	if !r.Carries() {
		return next, false, nil
	}
	next.Nights = r.Earlier.Nights + 1
	for _, m := range Table {
		if m.on(r.Settings) && m.carry != nil {
			if err := m.carry(ctx, r, params, &next); err != nil {
				return next, false, err
			}
		}
	}
	return next, true, nil
}

// Gradients is how many gradients of a batch's size a step computes.
func (r *Run) Gradients() int {
	if r.Options.Projection != nil {
		return 2
	}
	return 1
}

// quadratic pulls parameters back to those that training begins with.
func (r *Run) quadratic(strength float64, importance []float32) error {
	p, err := train.NewQuadratic(strength, importance, r.Start)
	if err == nil {
		r.Options.Penalties = append(r.Options.Penalties, p)
	}
	return err
}
