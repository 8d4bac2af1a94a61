package train

import "nightshift/onnx/gpt2"

// Pair is where the factors of one adapted linear lie in a flat parameter vector, and its product in a vector of products
// (one [in,out] matrix after the other). The linear adds scale·A·B to its weight.
type Pair struct {
	In, Rank, Out int
	A, B, Product int // offsets of A [in,rank], B [rank,out] and A·B [in,out]
}

// Pairs lists the adapted linears of a trainable set in the order of its parameters.
func Pairs(cfg gpt2.Config, trainable gpt2.Trainable) ([]Pair, error) {
	if _, err := trainable.Parameters(cfg); err != nil {
		return nil, err
	}
	list := make([]Pair, len(trainable.Targets))
	at, product := 0, 0
	for i, t := range trainable.Targets {
		in, out, err := cfg.ModuleShape(t.Module)
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
		for j, b := range params[p.B+k*p.Out:][:p.Out] {
			out[j] += a * b
		}
	}
}
