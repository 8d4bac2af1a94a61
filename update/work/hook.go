package work

import (
	"context"
	"errors"

	"nightshift/models/adapter"
	"nightshift/onnx/graphs"
)

// Hook makes a candidate's parameters in training's place. Nights have none: what tries the gate spoils candidates through it, and what it
// returns is what the work then writes, measures and hands to the gate.
type Hook func(ctx context.Context, c Candidate) ([]float32, error)

// Candidate is what a hook can make a candidate with. Parameters are flat vectors in the order of the graphs' trainable inputs.
type Candidate struct {
	w         *worker
	lessons   lessons
	trainable graphs.Trainable
}

// Train trains and returns the parameters and the number of steps that it took; last, if it is not 0, is the step after which it breaks off.
func (c Candidate) Train(ctx context.Context, last int) (params []float32, steps int, err error) {
	c.w.last = last
	params, err = c.w.train(ctx, c.lessons)
	return params, c.w.ended.Steps, err
}

// Scale is what was trained, times a factor.
func (c Candidate) Scale(params []float32, by float32) []float32 {
	return c.w.toward(c.trainable, params, by)
}

// Read reads the parameters of an adapter directory.
func (c Candidate) Read(dir string) ([]float32, error) {
	a, err := adapter.Read(dir)
	if err != nil {
		return nil, err
	}
	return c.w.flat(a, c.trainable), nil
}

// errLast ends training early.
var errLast = errors.New("training was broken off by a hook")

// make trains the candidate's parameters, or has the hook make them.
func (w *worker) make(ctx context.Context, l lessons) ([]float32, error) {
	if w.hook == nil {
		return w.train(ctx, l)
	}
	trainable, err := w.trainable()
	if err != nil {
		return nil, err
	}
	return w.hook(ctx, Candidate{w, l, trainable})
}
