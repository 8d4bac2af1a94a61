package train

import (
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// Pair is where the factors of one adapted linear lie in a flat parameter vector, and its product in a vector of products
// (one [in,out] matrix after the other). The linear adds scale·A·B to its weight.
type Pair struct {
	In, Rank, Out int
	A, B, Product int // offsets of A [in,rank], B [rank,out] and A·B [in,out]
}

// Pairs lists the adapted linears of a trainable set in the order of its parameters.
func Pairs(cfg arch.Shape, trainable graphs.Trainable) ([]Pair, error) {
	if _, err := trainable.Parameters(cfg); err != nil {
		return nil, err
	}
	list := make([]Pair, len(trainable.Targets))
	at, product := 0, 0
	for i, t := range trainable.Targets {
		in, out, err := cfg.Dims(t.Module)
		if err != nil {
			return nil, err
		}
		list[i] = Pair{In: in, Rank: trainable.Rank, Out: out, A: at, B: at + in*trainable.Rank, Product: product}
		at += (in + out) * trainable.Rank
		product += in * out
	}
	return list, nil
}

// parameters is the length of the flat parameter vector of pairs, and products that of their products.
func sizes(pairs []Pair) (parameters, products int) {
	for _, p := range pairs {
		parameters += (p.In + p.Out) * p.Rank
		products += p.In * p.Out
	}
	return parameters, products
}

// row writes row i of A·B to out, without the scale.
func (p Pair) row(params []float32, i int, out []float32) {
	clear(out)
	for k, a := range params[p.A+i*p.Rank:][:p.Rank] {
		addScaled(out, a, params[p.B+k*p.Out:][:p.Out])
	}
}

// addScaled adds a·x to y.
func addScaled(y []float32, a float32, x []float32) {
	x = x[:len(y)]
	j := 0
	for ; j+4 <= len(y); j += 4 {
		v, w := x[j:j+4:j+4], y[j:j+4:j+4]
		w[0] += a * v[0]
		w[1] += a * v[1]
		w[2] += a * v[2]
		w[3] += a * v[3]
	}
	for ; j < len(y); j++ {
		y[j] += a * x[j]
	}
}

// dot is Σ x·y, in four sums that do not wait for each other.
func dot(x, y []float32) float32 {
	x = x[:len(y)]
	var a, b, c, d float32
	j := 0
	for ; j+4 <= len(y); j += 4 {
		v, w := x[j:j+4:j+4], y[j:j+4:j+4]
		a += v[0] * w[0]
		b += v[1] * w[1]
		c += v[2] * w[2]
		d += v[3] * w[3]
	}
	for ; j < len(y); j++ {
		a += x[j] * y[j]
	}
	return (a + b) + (c + d)
}
