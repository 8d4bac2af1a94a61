package train

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// ProductEWC is elastic weight consolidation on what an adapter adds to its weights rather than on its factors (Zheng et
// al. 2026, arXiv:2602.17559): ½·strength·Σ F_ij (ΔW − ΔW*)²_ij with ΔW = scale·A·B. Factors may turn freely as long as their
// product stays, and the product's Fisher is not zero where B is. With G = strength·F∘(ΔW − ΔW*) the gradients are
// ∂A = scale·G·Bᵀ and ∂B = scale·Aᵀ·G.
//
// It keeps the Fisher, 4 bytes for each element of each adapted weight (226 MB for the MLP of GPT-2 124M), and the center's
// factors; one row of a product exists at a time. A step costs 4·rank multiplications for each element, 0.6 s of one core there.
type ProductEWC struct {
	strength       float64
	scale          float32
	pairs          []Pair
	fisher, center []float32
}

// NewProductEWC makes the penalty for the linears of trainable. Fisher holds their products' importances, as Fisher gives them
// with graphs.Products; center is a parameter vector. Both are kept, not copied.
func NewProductEWC(cfg arch.Shape, trainable graphs.Trainable, strength float64, fisher, center []float32) (*ProductEWC, error) {
	pairs, err := Pairs(cfg, trainable)
	if err != nil {
		return nil, err
	}
	parameters, products := sizes(pairs)
	switch {
	case !(strength >= 0):
		return nil, fmt.Errorf("make EWC on products: the strength is %g, it must not be negative", strength)
	case len(fisher) != products || len(center) != parameters || parameters == 0:
		return nil, fmt.Errorf("make EWC on products: %d importances and %d parameters were given, the %d linears have %d and %d",
			len(fisher), len(center), len(pairs), products, parameters)
	}
	return &ProductEWC{strength, float32(trainable.Scale), pairs, fisher, center}, nil
}

// Add adds the gradients of A and B.
func (e *ProductEWC) Add(params, grads []float32) float64 {
	var value float64
	for _, p := range e.pairs {
		value += e.add(p, params, grads)
	}
	return value / 2
}

// add does one linear and returns twice its value.
func (e *ProductEWC) add(p Pair, params, grads []float32) float64 {
	now, then := make([]float32, p.Out), make([]float32, p.Out)
	var value float64
	for i := range p.In {
		p.row(params, i, now)
		p.row(e.center, i, then)
		for j, f := range e.fisher[p.Product+i*p.Out:][:p.Out] {
			d := float64(e.scale) * float64(now[j]-then[j])
			pull := e.strength * float64(f) * d
			value += pull * d
			now[j] = float32(pull) * e.scale
		}
		for k := range p.Rank {
			at := p.B + k*p.Out
			addScaled(grads[at:at+p.Out], params[p.A+i*p.Rank+k], now)
			grads[p.A+i*p.Rank+k] += dot(now, params[at:at+p.Out])
		}
	}
	return value
}

func (e *ProductEWC) size() int { return len(e.center) }
