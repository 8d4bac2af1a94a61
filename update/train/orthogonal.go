package train

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// Orthogonal keeps the inputs that an adapter reads apart from those of earlier ones, as O-LoRA does (Wang et al. 2023,
// arXiv:2310.14152): strength·Σ_earlier ‖Eᵀ·A‖² in the Frobenius norm, for each adapted linear, where E [in,r'] is an earlier
// adapter's A, and A [in,r] the columns of a block. Its gradient by A is 2·strength·E·Eᵀ·A; B has none.
type Orthogonal struct {
	strength float64
	block    Block
	earlier  [][]earlierFactor // of each pair
}

// earlierFactor is one earlier A [in,rank].
type earlierFactor struct {
	rank   int
	values []float32
}

// NewOrthogonal makes the penalty for the linears of trainable. Earlier holds for each earlier adapter its A [in,r'] of each
// linear, in the order of trainable's targets; an adapter's rank may differ, and a linear that it leaves out is nil. Of a parameter vector
// that holds several adapters side by side, block is the one that is kept apart; it is of trainable's pairs.
func NewOrthogonal(cfg arch.Shape, trainable graphs.Trainable, strength float64, earlier [][][]float32, block Block) (*Orthogonal, error) {
	if !(strength >= 0) {
		return nil, fmt.Errorf("make orthogonality penalty: the strength is %g, it must not be negative", strength)
	}
	pairs, err := Pairs(cfg, trainable)
	if err != nil {
		return nil, err
	}
	if block.From < 0 || block.To > trainable.Rank || block.From >= block.To {
		return nil, fmt.Errorf("make orthogonality penalty: the block from %d to %d does not lie within rank %d", block.From, block.To, trainable.Rank)
	}
	block.Pairs = pairs
	o := &Orthogonal{strength, block, make([][]earlierFactor, len(pairs))}
	for n, factors := range earlier {
		if len(factors) != len(pairs) {
			return nil, fmt.Errorf("make orthogonality penalty: earlier adapter %d has %d linears, the session %d", n, len(factors), len(pairs))
		}
		for i, a := range factors {
			if len(a)%pairs[i].In != 0 {
				return nil, fmt.Errorf("make orthogonality penalty: A of linear %d of earlier adapter %d has %d values, not a multiple of its %d inputs", i, n, len(a), pairs[i].In)
			}
			if len(a) > 0 {
				o.earlier[i] = append(o.earlier[i], earlierFactor{len(a) / pairs[i].In, a})
			}
		}
	}
	return o, nil
}

// Add adds the gradients of every A.
func (o *Orthogonal) Add(params, grads []float32) float64 {
	var value float64
	for i, p := range o.block.Pairs {
		a, da := params[p.A:p.A+p.In*p.Rank], grads[p.A:p.A+p.In*p.Rank]
		for _, e := range o.earlier[i] {
			value += o.add(p, e, a, da)
		}
	}
	return value
}

// add does one pair of factors.
func (o *Orthogonal) add(p Pair, e earlierFactor, a, da []float32) float64 {
	from, to := o.block.From, o.block.To
	width := to - from
	overlap := make([]float64, e.rank*width) // Eᵀ·A
	for i := range p.In {
		for x, v := range e.values[i*e.rank:][:e.rank] {
			for k, w := range a[i*p.Rank:][from:to] {
				overlap[x*width+k] += float64(v) * float64(w)
			}
		}
	}
	var square float64
	for _, v := range overlap {
		square += v * v
	}
	for i := range p.In {
		for k := range width {
			var pull float64
			for x, v := range e.values[i*e.rank:][:e.rank] {
				pull += float64(v) * overlap[x*width+k]
			}
			da[i*p.Rank+from+k] += float32(2 * o.strength * pull)
		}
	}
	return o.strength * square
}

func (o *Orthogonal) size() int { return o.block.size() }
