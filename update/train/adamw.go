package train

import "math"

// AdamW is Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2), in the form
// PyTorch gives it: decay is multiplied by the learning rate and applied before the Adam step.
type AdamW struct {
	Beta1, Beta2, Epsilon, Decay float64
	m, v                         []float32
	step                         int
}

// NewAdamW returns the optimizer with β1 0.9, β2 0.999, ε 1e-8 and the given weight decay, for n parameters.
func NewAdamW(n int, decay float64) *AdamW {
	return &AdamW{Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Decay: decay, m: make([]float32, n), v: make([]float32, n)}
}

// Step moves params against grads by one update at learning rate rate.
func (o *AdamW) Step(params, grads []float32, rate float64) {
	o.step++
	c1 := 1 - math.Pow(o.Beta1, float64(o.step))
	c2 := math.Sqrt(1 - math.Pow(o.Beta2, float64(o.step)))
	b1, b2 := float32(o.Beta1), float32(o.Beta2)
	keep := float32(1 - rate*o.Decay)
	size := float32(rate / c1)
	root, eps := float32(1/c2), float32(o.Epsilon)
	for i, g := range grads {
		m := b1*o.m[i] + (1-b1)*g
		v := b2*o.v[i] + (1-b2)*g*g
		o.m[i], o.v[i] = m, v
		params[i] = params[i]*keep - size*m/(float32(math.Sqrt(float64(v)))*root+eps)
	}
}

// ClipNorm scales grads so that their Euclidean norm is at most limit, and returns the norm before. A limit of 0
// leaves them alone.
func ClipNorm(grads []float32, limit float64) float64 {
	var sum float64
	for _, g := range grads {
		sum += float64(g) * float64(g)
	}
	norm := math.Sqrt(sum)
	if limit > 0 && norm > limit {
		scale := float32(limit / (norm + 1e-6))
		for i := range grads {
			grads[i] *= scale
		}
	}
	return norm
}

// Schedule is linear warm-up followed by a cosine decay to Floor·Rate (Loshchilov & Hutter 2017, arXiv:1608.03983).
type Schedule struct {
	Rate   float64 // peak learning rate
	Floor  float64 // share of Rate left at the last step
	Warmup int     // steps of linear warm-up
	Steps  int     // steps in all
}

// At returns the learning rate of a step, counted from 0.
func (s Schedule) At(step int) float64 {
	if step < s.Warmup {
		return s.Rate * float64(step+1) / float64(s.Warmup)
	}
	if s.Steps <= s.Warmup {
		return s.Rate
	}
	progress := min(1, float64(step-s.Warmup)/float64(s.Steps-s.Warmup))
	return s.Rate * (s.Floor + (1-s.Floor)*0.5*(1+math.Cos(math.Pi*progress)))
}
