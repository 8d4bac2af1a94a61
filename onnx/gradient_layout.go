package onnx

import "fmt"

func gradTranspose(b *backward) []*Value {
	perm, err := permutation(b.n, len(b.in(0).Shape))
	if err != nil {
		b.err = err
		return nil
	}
	inverse := make([]int64, len(perm))
	for i, p := range perm {
		inverse[p] = int64(i)
	}
	return b.each(func() *Value { return b.g.Transpose(b.dy[0], inverse...) })
}

// gradReshape serves Reshape, Squeeze and Unsqueeze.
func gradReshape(b *backward) []*Value {
	return b.each(func() *Value { return b.like(b.dy[0], b.in(0)) })
}

func gradExpand(b *backward) []*Value {
	return b.each(func() *Value { return b.sumTo(b.dy[0], b.in(0)) })
}

func gradConcat(b *backward) []*Value {
	axis, err := normal(b.n.Int("axis", 0), len(b.n.Outputs[0].Shape))
	if err != nil {
		b.err = err
		return nil
	}
	if len(b.n.Inputs) == 1 {
		return gradIdentity(b)
	}
	sizes := make([]*Value, len(b.n.Inputs))
	for i, x := range b.n.Inputs {
		sizes[i] = b.dims(x, axis, axis+1)
	}
	list := b.constant(sizes)
	return b.g.OpN("Split", len(sizes), []*Value{b.dy[0], list}, Int("axis", int64(axis)))
}

// constant joins vectors like Concat, into one constant where all are constants.
func (b *backward) constant(parts []*Value) *Value {
	var data []int64
	for _, p := range parts {
		if p.init == nil {
			return b.list(parts...)
		}
		data = append(data, p.init.Tensor.Int64s()...)
	}
	return b.g.vector(data...)
}

func gradSplit(b *backward) []*Value {
	axis := b.n.Int("axis", 0)
	return b.each(func() *Value {
		parts := make([]*Value, len(b.dy))
		for i, d := range b.dy {
			if parts[i] = d; d == nil {
				parts[i] = b.zeros(b.shapeOf(b.n.Outputs[i]), b.in(0))
			}
		}
		return b.g.Concat(axis, parts...)
	})
}

// gradSlice puts the gradient back in place, one axis after the other, with zeros around it.
func gradSlice(b *backward) []*Value {
	x := b.in(0)
	starts, ok := known(b.in(1))
	var axes, steps []Dim
	if b.in(3) != nil {
		axes, _ = known(b.in(3))
	} else {
		for i := range starts {
			axes = append(axes, N(i))
		}
	}
	if b.in(4) != nil {
		steps, _ = known(b.in(4))
	}
	if !ok || len(axes) != len(starts) || (b.in(4) != nil && len(steps) != len(starts)) {
		b.err = fmt.Errorf("starts, axes and steps must be constant")
		return nil
	}
	return b.each(func() *Value {
		d := b.dy[0]
		for i := range axes {
			axis, err := normal(axes[i].Size, len(x.Shape))
			if err != nil || (i < len(steps) && !steps[i].is(1)) {
				b.err = fmt.Errorf("only steps of 1 can be differentiated")
				return nil
			}
			d = b.unslice(d, x, axis, starts[i].Size)
		}
		return d
	})
}

// unslice pads d with zeros to x's length along one axis, where it began at start.
func (b *backward) unslice(d, x *Value, axis int, start int64) *Value {
	g, full, part := b.g, b.dims(x, axis, axis+1), b.dims(d, axis, axis+1)
	if x.Shape[axis].equal(d.Shape[axis]) {
		return d
	}
	var before, after *Value
	if x.Shape[axis].Static() && d.Shape[axis].Static() {
		first, _ := SliceRange(x.Shape[axis].Size, start, x.Shape[axis].Size, 1)
		before = g.vector(first)
		after = g.vector(x.Shape[axis].Size - first - d.Shape[axis].Size)
	} else {
		if before = g.vector(start); start < 0 {
			before = g.op("Max", nil, g.vector(0), g.Add(full, before))
		}
		after = g.Sub(g.Sub(full, before), part)
	}
	pad := func(n *Value) *Value {
		return b.zeros(b.list(b.dims(d, 0, axis), n, b.dims(d, axis+1, len(d.Shape))), x)
	}
	parts := []*Value{d}
	if c, ok := known(before); !ok || !c[0].is(0) {
		parts = append([]*Value{pad(before)}, parts...)
	}
	if c, ok := known(after); !ok || !c[0].is(0) {
		parts = append(parts, pad(after))
	}
	return g.Concat(int64(axis), parts...)
}
