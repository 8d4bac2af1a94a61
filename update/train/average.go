package train

import "fmt"

// Average is the slow learner beside the fast one that Fit trains (Hazard et al. 2025, arXiv:2511.22367): an observer that
// keeps an exponential moving average of the parameters, slow ← decay·slow + (1−decay)·fast after every step. It begins at the
// start, not at zero, and so needs no correction for its beginning. After n steps 1−decayⁿ of it has been learned since: a
// run of 60 steps with 0.95 has all but 5 %, with 0.995 a quarter.
//
// The average of factors A and B is not the factors of the average product, and the average of sparse vectors is sparse only
// where all of them are.
type Average struct {
	decay float64
	slow  []float64
}

// NewAverage begins an average at start. Decay is in [0,1): 0 is the last step's parameters.
func NewAverage(start []float32, decay float64) (*Average, error) {
	if !(decay >= 0 && decay < 1) {
		return nil, fmt.Errorf("average parameters: the decay is %g, it must be at least 0 and below 1", decay)
	}
	a := &Average{decay, make([]float64, len(start))}
	for i, v := range start {
		a.slow[i] = float64(v)
	}
	return a, nil
}

// Observe moves the average towards the parameters after a step.
func (a *Average) Observe(_, _, after []float32) {
	for i, v := range after {
		a.slow[i] = a.decay*a.slow[i] + (1-a.decay)*float64(v)
	}
}

// Slow is the average so far.
func (a *Average) Slow() []float32 {
	out := make([]float32, len(a.slow))
	for i, v := range a.slow {
		out[i] = float32(v)
	}
	return out
}

func (a *Average) size() int { return len(a.slow) }
