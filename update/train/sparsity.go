package train

import "fmt"

// L1 is the proximal operator of strength·‖θ − center‖₁ (ISTA; Beck & Teboulle 2009, SIAM J. Imaging Sci. 2, eq. 1.5): after
// each step every parameter moves towards its center by rate·strength, and stops there. What has too little reason to
// differ is exactly equal, which a gradient never achieves. The threshold is not scaled by Adam's denominator, as AdamW's
// decay is not.
type L1 struct {
	strength float64
	center   []float32
}

// NewL1 makes the operator. A nil center is zero: parameters become 0. With the start as the center the changes are sparse.
func NewL1(strength float64, center []float32) (*L1, error) {
	if !(strength >= 0) {
		return nil, fmt.Errorf("make L1: the strength is %g, it must not be negative", strength)
	}
	return &L1{strength, center}, nil
}

// Apply is the soft threshold of a step of the given learning rate. It returns the share of parameters that are at the center.
func (l *L1) Apply(params []float32, rate float64) float64 {
	limit := float32(rate * l.strength)
	resting := 0
	for i, p := range params {
		var c float32
		if l.center != nil {
			c = l.center[i]
		}
		switch d := p - c; {
		case d > limit:
			params[i] = p - limit
		case d < -limit:
			params[i] = p + limit
		default:
			params[i] = c
			resting++
		}
	}
	return float64(resting) / float64(max(1, len(params)))
}

// Sparsity is the share of parameters that are exactly at their center.
func Sparsity(params, center []float32) float64 {
	resting := 0
	for i, p := range params {
		if p == center[i] {
			resting++
		}
	}
	return float64(resting) / float64(max(1, len(params)))
}

func (l *L1) size() int { return len(l.center) }
