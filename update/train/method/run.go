package method

import (
	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

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
