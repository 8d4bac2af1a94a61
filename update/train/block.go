package train

// Block is the columns From…To of every A and the rows From…To of every B of a flat parameter vector: adapters of a smaller rank side
// by side in one, whose products add up. In a run whose options name a block nothing outside of it changes.
type Block struct {
	Pairs    []Pair
	From, To int
}

// Only clears the gradients outside the block.
func (b Block) Only(grads []float32) {
	b.outside(func(from, to int) { clear(grads[from:to]) })
}

// Restore takes what lies outside the block from another vector.
func (b Block) Restore(params, from []float32) {
	b.outside(func(at, to int) { copy(params[at:to], from[at:to]) })
}

// outside visits the spans that are not the block's.
func (b Block) outside(visit func(from, to int)) {
	for _, p := range b.Pairs {
		for i := range p.In {
			row := p.A + i*p.Rank
			visit(row, row+b.From)
			visit(row+b.To, row+p.Rank)
		}
		visit(p.B, p.B+b.From*p.Out)
		visit(p.B+b.To*p.Out, p.B+p.Rank*p.Out)
	}
}

// A copies the block's A [in,To−From] of each linear.
func (b Block) A(params []float32) [][]float32 {
	list := make([][]float32, len(b.Pairs))
	for n, p := range b.Pairs {
		for i := range p.In {
			list[n] = append(list[n], params[p.A+i*p.Rank:][b.From:b.To]...)
		}
	}
	return list
}

func (b Block) size() int {
	n, _ := sizes(b.Pairs)
	return n
}
