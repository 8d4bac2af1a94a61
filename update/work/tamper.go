package work

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"nightshift/models/adapter"
)

// Tampering spoils a run on purpose, to find out whether the gate notices. What is zero spoils nothing; no night uses it.
type Tampering struct {
	Share   float64 // of the steps that training takes, after which it breaks off, at least one step
	Scale   float64 // times what was trained
	NaN     bool    // one weight is no number
	Trained string  // directory of a candidate that takes the place of a trained one
}

// Tamper is Run with a spoiled candidate: what is spoiled is what Run would write, measure and hand to the gate.
func Tamper(ctx context.Context, dir string, t Tampering, out io.Writer) error {
	return run(ctx, dir, t, out)
}

// errBroken ends training early.
var errBroken = errors.New("training was broken off on purpose")

// make trains the candidate's parameters, or reads them, and spoils them.
func (w *worker) make(ctx context.Context, l lessons) ([]float32, error) {
	t := w.tampering
	params, err := w.trained()
	if params == nil && err == nil {
		params, err = w.train(ctx, l)
	}
	if err == nil && t.Share > 0 { // it is known now how long training takes
		w.breakAt = max(1, int(math.Round(t.Share*float64(w.ended.Steps))))
		params, err = w.train(ctx, l)
	}
	if err != nil || t.Scale == 0 && !t.NaN {
		return params, err
	}
	trainable, err := w.trainable()
	if err != nil {
		return nil, err
	}
	if t.Scale != 0 {
		params = w.toward(trainable, params, float32(t.Scale))
	}
	if t.NaN {
		params[len(params)-1] = float32(math.NaN())
	}
	return params, nil
}

// trained are the parameters of the candidate that takes the place of a trained one, nil for none.
func (w *worker) trained() ([]float32, error) {
	if w.tampering.Trained == "" {
		return nil, nil
	}
	path, err := filepath.Abs(w.tampering.Trained)
	if err != nil {
		return nil, fmt.Errorf("read candidate: %w", err)
	}
	a, err := adapter.Read(path)
	if err != nil {
		return nil, err
	}
	trainable, err := w.trainable()
	if err != nil {
		return nil, err
	}
	return w.flat(a, trainable), nil
}
