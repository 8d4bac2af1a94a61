package onnx

// reducedAxes is the axes that a reduction removes.
func (b *backward) reducedAxes() []int64 {
	rank := len(b.in(0).Shape)
	mask, err := (&call{g: b.g, n: b.n}).axes(1, rank)
	if err != nil {
		b.err = err
	}
	var axes []int64
	for i, on := range mask {
		if on {
			axes = append(axes, int64(i))
		}
	}
	return axes
}

// kept is v, an output of the reduction or its gradient, with the reduced axes put back with length 1.
func (b *backward) kept(v *Value) *Value {
	if b.n.Int("keepdims", 1) != 0 {
		return v
	}
	axes := b.reducedAxes()
	if len(axes) == 0 {
		return v
	}
	return b.g.Unsqueeze(v, axes...)
}

func gradReduceSum(b *backward) []*Value {
	return b.each(func() *Value { return b.expand(b.kept(b.dy[0]), b.in(0)) })
}

// gradReduceMean divides by the number of elements that a mean is over, computed in the graph where it is not known.
func gradReduceMean(b *backward) []*Value {
	return b.each(func() *Value { return b.expand(b.mean(b.kept(b.dy[0]), b.in(0), b.reducedAxes()), b.in(0)) })
}

// mean is v divided by the product of x's axes.
func (b *backward) mean(v, x *Value, axes []int64) *Value {
	g, known, rest := b.g, int64(1), (*Value)(nil)
	for _, a := range axes {
		if d := x.Shape[a]; d.Static() {
			known *= d.Size
		} else if n := b.dims(x, int(a), int(a)+1); rest == nil {
			rest = n
		} else {
			rest = g.Mul(rest, n)
		}
	}
	if rest != nil {
		v = g.Div(v, g.Cast(g.Squeeze(rest, 0), v.Type))
	}
	return b.scale(v, 1/float64(known))
}

// gradReduceLogSumExp: ∂/∂x = e^(x − y), which is the softmax where one axis is reduced.
func gradReduceLogSumExp(b *backward) []*Value {
	g, x := b.g, b.in(0)
	return b.each(func() *Value {
		axes := b.reducedAxes()
		var p *Value
		if len(axes) == 1 && int(axes[0]) == len(x.Shape)-1 {
			p = g.Softmax(x, -1)
		} else {
			p = g.Exp(g.Sub(x, b.kept(b.n.Outputs[0])))
		}
		return g.Mul(b.kept(b.dy[0]), p)
	})
}

// gradSoftmax: ∂x = y·(∂y − Σ ∂y·y).
func gradSoftmax(b *backward) []*Value {
	g, y, axis := b.g, b.n.Outputs[0], b.n.Int("axis", -1)
	return b.each(func() *Value {
		return g.Mul(y, g.Sub(b.dy[0], g.ReduceSum(g.Mul(b.dy[0], y), true, axis)))
	})
}

// gradLogSoftmax: ∂x = ∂y − e^y·Σ ∂y.
func gradLogSoftmax(b *backward) []*Value {
	g, axis := b.g, b.n.Int("axis", -1)
	return b.each(func() *Value {
		return g.Sub(b.dy[0], g.Mul(g.Exp(b.n.Outputs[0]), g.ReduceSum(b.dy[0], true, axis)))
	})
}

// gradLayerNormalization, with x̂ = (x − mean)·inv and h = ∂y·scale: ∂x = inv·(h − mean(h) − x̂·mean(h·x̂)), ∂scale = Σ ∂y·x̂,
// ∂bias = Σ ∂y (Ba, Kiros, Hinton: Layer Normalization, 2016). The forward node is asked for mean and inv.
func gradLayerNormalization(b *backward) []*Value {
	g, x, dy := b.g, b.in(0), b.dy[0]
	if len(b.dy) > 1 && (b.dy[1] != nil || len(b.dy) > 2 && b.dy[2] != nil) {
		b.err = errStatistics
		return nil
	}
	if b.err = g.extend(b.n, 3); b.err != nil {
		return nil
	}
	axes, err := b.normalizedAxes()
	if err != nil {
		b.err = err
		return nil
	}
	inv := b.n.Outputs[2]
	var hat *Value
	if b.wants[0] || b.wants[1] {
		hat = g.Mul(g.Sub(x, b.n.Outputs[1]), inv)
	}
	return b.each(
		func() *Value {
			h := g.Mul(dy, b.in(1))
			centred := g.Sub(h, g.ReduceMean(h, true, axes...))
			return g.Mul(inv, g.Sub(centred, g.Mul(hat, g.ReduceMean(g.Mul(h, hat), true, axes...))))
		},
		func() *Value { return b.sumTo(g.Mul(dy, hat), b.in(1)) },
		func() *Value { return b.sumTo(dy, b.in(2)) })
}

// gradSimplifiedLayerNormalization, with x̂ = x·inv and h = ∂y·scale: ∂x = inv·(h − x̂·mean(h·x̂)), ∂scale = Σ ∂y·x̂ (Zhang, Sennrich:
// Root Mean Square Layer Normalization, 2019). The forward node is asked for inv.
func gradSimplifiedLayerNormalization(b *backward) []*Value {
	g, x, dy := b.g, b.in(0), b.dy[0]
	if len(b.dy) > 1 && b.dy[1] != nil {
		b.err = errStatistics
		return nil
	}
	if b.err = g.extend(b.n, 2); b.err != nil {
		return nil
	}
	axes, err := b.normalizedAxes()
	if err != nil {
		b.err = err
		return nil
	}
	inv := b.n.Outputs[1]
	hat := g.Mul(x, inv)
	return b.each(
		func() *Value {
			h := g.Mul(dy, b.in(1))
			return g.Mul(inv, g.Sub(h, g.Mul(hat, g.ReduceMean(g.Mul(h, hat), true, axes...))))
		},
		func() *Value { return b.sumTo(g.Mul(dy, hat), b.in(1)) })
}

// normalizedAxes are those that a normalisation goes over: its axis and all after it.
func (b *backward) normalizedAxes() (axes []int64, err error) {
	rank := len(b.in(0).Shape)
	axis, err := normal(b.n.Int("axis", -1), rank)
	for i := axis; i < rank; i++ {
		axes = append(axes, int64(i))
	}
	return axes, err
}
