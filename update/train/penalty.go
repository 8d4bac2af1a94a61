package train

import "fmt"

// Quadratic is a penalty ½·strength·Σ_i importance_i (θ_i − center_i)² on the parameters θ. The importance says which
// method it is:
//
//	none, all 1   L2-SP about the start (Li et al. 2018, arXiv:1802.01483; all parameters have a start here)
//	Fisher        EWC (Kirkpatrick et al. 2017, arXiv:1612.00796), or online EWC with a Fisher that Consolidate made
//	SI            synaptic intelligence, see SI
type Quadratic struct {
	strength           float64
	importance, center []float32
}

// NewQuadratic makes the penalty of a strength, in nats per token for a squared distance of 2 at importance 1. A nil
// importance is 1 everywhere. The vectors are kept, not copied.
func NewQuadratic(strength float64, importance, center []float32) (*Quadratic, error) {
	if !(strength >= 0) {
		return nil, fmt.Errorf("make penalty: the strength is %g, it must not be negative", strength)
	}
	if importance != nil && len(importance) != len(center) {
		return nil, fmt.Errorf("make penalty: %d importances for a center of %d parameters", len(importance), len(center))
	}
	return &Quadratic{strength, importance, center}, nil
}

// Add adds strength·importance·(θ − center) to grads.
func (q *Quadratic) Add(params, grads []float32) float64 {
	var value float64
	for i, c := range q.center {
		d := float64(params[i]) - float64(c)
		pull := q.strength * d
		if q.importance != nil {
			pull *= float64(q.importance[i])
		}
		value += pull * d
		grads[i] += float32(pull)
	}
	return value / 2
}

func (q *Quadratic) size() int { return len(q.center) }

// Consolidate is the importance that online EWC carries on (Schwarz et al. 2018, arXiv:1805.06370): γ·old + fresh, with the
// newest parameters as the one center. A nil old is the first task's. γ is in [0,1]; 1 forgets nothing.
func Consolidate(old, fresh []float32, gamma float64) ([]float32, error) {
	if !(gamma >= 0 && gamma <= 1) {
		return nil, fmt.Errorf("consolidate importances: γ is %g, it must be in [0,1]", gamma)
	}
	if old != nil && len(old) != len(fresh) {
		return nil, fmt.Errorf("consolidate importances: %d old ones and %d fresh ones", len(old), len(fresh))
	}
	out := make([]float32, len(fresh))
	for i, f := range fresh {
		out[i] = f
		if old != nil {
			out[i] = float32(gamma*float64(old[i]) + float64(f))
		}
	}
	return out, nil
}

// Normalize divides importances by their mean, so that a strength means the same whatever their scale: that of L2-SP with the
// same strength, distributed by importance. All zeros stay. It is done to each task's Fisher before Consolidate, so that
// tasks count alike (Schwarz et al. 2018, §3.2).
func Normalize(importance []float32) {
	var sum float64
	for _, v := range importance {
		sum += float64(v)
	}
	if sum == 0 {
		return
	}
	scale := float64(len(importance)) / sum
	for i, v := range importance {
		importance[i] = float32(float64(v) * scale)
	}
}
