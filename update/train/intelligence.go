package train

import (
	"fmt"
	"slices"
)

// SI measures importances as synaptic intelligence does (Zenke et al. 2017, arXiv:1703.04200): an observer that sums, for
// each parameter, how much its moves have lowered the loss, ω_i = −Σ_steps g_i·Δθ_i, by the gradient g of the loss alone. At the end
// of a task the importance is ω_i / (D_i² + ξ), where D_i is the parameter's whole way and ξ > 0 keeps small ways from
// counting without bound: take it of the size of D_i² for parameters that mattered.
//
// A penalty with it is c·Σ Ω_i (θ_i − center_i)² in the article: a Quadratic of strength 2c about the task's end.
type SI struct {
	damping float64
	path    []float64 // ω
	start   []float32
}

// NewSI begins to measure at start.
func NewSI(start []float32, damping float64) (*SI, error) {
	if !(damping > 0) {
		return nil, fmt.Errorf("measure importances: the damping is %g, it must be positive", damping)
	}
	return &SI{damping, make([]float64, len(start)), slices.Clone(start)}, nil
}

// Observe adds a step to the sums.
func (s *SI) Observe(grads, before, after []float32) {
	for i, g := range grads {
		s.path[i] -= float64(g) * (float64(after[i]) - float64(before[i]))
	}
}

// Importance is max(0, old + ω/(D²+ξ)) for a task that ended at end; a nil old is the first task's. A parameter whose moves
// raised the loss is not driven away from where it is: no importance is negative.
func (s *SI) Importance(old, end []float32) ([]float32, error) {
	if len(end) != len(s.path) || old != nil && len(old) != len(s.path) {
		return nil, fmt.Errorf("measure importances: %d parameters at the end and %d old importances, the start has %d", len(end), len(old), len(s.path))
	}
	out := make([]float32, len(end))
	for i, w := range s.path {
		way := float64(end[i]) - float64(s.start[i])
		v := w / (way*way + s.damping)
		if old != nil {
			v += float64(old[i])
		}
		out[i] = float32(max(0, v))
	}
	return out, nil
}

func (s *SI) size() int { return len(s.path) }
