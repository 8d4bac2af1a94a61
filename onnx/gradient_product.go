package onnx

// product is alpha·op(a)·op(b) over the last two axes, as the cheapest operator that says so.
func (b *backward) product(a, c *Value, transA, transC bool, alpha float32) *Value {
	if !transA && !transC && alpha == 1 {
		return b.g.MatMul(a, c)
	}
	return b.g.FusedMatMul(a, c, transA, transC, alpha)
}

// gradMatMul is for Y = α·op(A)·op(B) of MatMul and FusedMatMul: ∂A = α·∂Y·op(B)ᵀ and ∂B = α·op(A)ᵀ·∂Y, transposed again where
// the factor was, and summed over broadcast batch axes. No transpose is ever written to memory.
func gradMatMul(b *backward) []*Value {
	x, w, dy := b.in(0), b.in(1), b.dy[0]
	transX, transW := b.n.Int("transA", 0) != 0, b.n.Int("transB", 0) != 0
	alpha := b.n.Float("alpha", 1)
	if len(w.Shape) == 1 {
		w, dy = b.g.Unsqueeze(w, 1), b.g.Unsqueeze(dy, -1)
	}
	if len(x.Shape) == 1 {
		x, dy = b.g.Unsqueeze(x, 0), b.g.Unsqueeze(dy, -2)
	}
	return b.each(
		func() *Value { return b.like(b.sumTo(b.leftGrad(w, dy, transX, transW, alpha), x), b.in(0)) },
		func() *Value { return b.like(b.rightGrad(x, w, dy, transX, transW, alpha), b.in(1)) })
}

func (b *backward) leftGrad(w, dy *Value, transX, transW bool, alpha float32) *Value {
	if transX {
		return b.product(w, dy, transW, true, alpha)
	}
	return b.product(dy, w, false, !transW, alpha)
}

// rightGrad flattens the leading axes where the right factor is a plain matrix, so that a weight's gradient is one product
// and not a batch of products to be summed.
func (b *backward) rightGrad(x, w, dy *Value, transX, transW bool, alpha float32) *Value {
	if len(w.Shape) == 2 && len(x.Shape) > 2 && !transX {
		x, dy = b.rows(x), b.rows(dy)
	}
	if transW {
		return b.sumTo(b.product(dy, x, true, transX, alpha), w)
	}
	return b.sumTo(b.product(x, dy, !transX, false, alpha), w)
}

// rows makes a matrix of v, keeping its last axis.
func (b *backward) rows(v *Value) *Value {
	last := v.Shape[len(v.Shape)-1]
	if last.Static() {
		return b.g.Reshape(v, -1, last.Size)
	}
	return b.g.ReshapeTo(v, b.list(b.g.vector(-1), b.dims(v, len(v.Shape)-1, len(v.Shape))))
}

// gradGemm is gradMatMul's for Y = α·op(A)·op(B) + β·C.
func gradGemm(b *backward) []*Value {
	x, w, dy := b.in(0), b.in(1), b.dy[0]
	transX, transW := b.n.Int("transA", 0) != 0, b.n.Int("transB", 0) != 0
	alpha, beta := b.n.Float("alpha", 1), b.n.Float("beta", 1)
	return b.each(
		func() *Value { return b.leftGrad(w, dy, transX, transW, alpha) },
		func() *Value { return b.rightGrad(x, w, dy, transX, transW, alpha) },
		func() *Value { return b.scale(b.sumTo(dy, b.in(2)), float64(beta)) })
}
