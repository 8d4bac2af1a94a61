package seasons

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"nightshift/update/work"
)

// Tampering spoils a candidate on purpose, to find out whether the gate notices. What is zero spoils nothing.
type Tampering struct {
	Share   float64 // of the steps that training takes, after which it breaks off, at least one step
	Scale   float64 // times what was trained
	NaN     bool    // one weight is no number
	Trained string  // directory of a candidate that takes the place of a trained one
}

// Hook is the hook that spoils a night's work.
func (t Tampering) Hook(ctx context.Context, c work.Candidate) ([]float32, error) {
	params, err := t.train(ctx, c)
	if err != nil {
		return nil, err
	}
	if t.Scale != 0 {
		params = c.Scale(params, float32(t.Scale))
	}
	if t.NaN {
		params[len(params)-1] = float32(math.NaN())
	}
	return params, nil
}

// train trains, or reads what takes the place of it.
func (t Tampering) train(ctx context.Context, c work.Candidate) ([]float32, error) {
	if t.Trained != "" {
		path, err := filepath.Abs(t.Trained)
		if err != nil {
			return nil, fmt.Errorf("read candidate: %w", err)
		}
		return c.Read(path)
	}
	params, steps, err := c.Train(ctx, 0)
	if err == nil && t.Share > 0 { // it is known now how long training takes
		params, _, err = c.Train(ctx, max(1, int(math.Round(t.Share*float64(steps)))))
	}
	return params, err
}
