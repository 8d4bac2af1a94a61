package onnx

// gradRotaryEmbedding turns the gradient back: a rotation's inverse is its transpose, which has the sines' signs changed.
func gradRotaryEmbedding(b *backward) []*Value {
	g := b.g
	return b.each(func() *Value {
		return g.Op("RotaryEmbedding", []*Value{b.dy[0], b.in(1), b.in(2), g.Neg(b.in(3))}, Int("interleaved", b.n.Int("interleaved", 0)))
	})
}
