package onnx

import "errors"

// scatter is zeros of x's shape with d added at the indices along axis. ScatterElements is used, and not ScatterND, because
// its additions are made one after the other: repeated indices are summed, in the same order every time.
func (b *backward) scatter(x, index, d *Value, axis int64) *Value {
	return b.g.ScatterElements(b.zeros(b.shapeOf(x), x), index, d, axis, "add")
}

// gradGather adds each gradient row back to the row it was taken from.
func gradGather(b *backward) []*Value {
	g, x, index := b.g, b.in(0), b.in(1)
	axis, err := normal(b.n.Int("axis", 0), len(x.Shape))
	if err != nil {
		b.err = err
		return nil
	}
	return b.each(func() *Value {
		d := b.dy[0]
		if len(index.Shape) != 1 {
			d = g.ReshapeTo(d, b.constant([]*Value{b.dims(x, 0, axis), g.vector(-1), b.dims(x, axis+1, len(x.Shape))}))
		}
		shape := make([]int64, len(x.Shape))
		for i := range shape {
			shape[i] = 1
		}
		shape[axis] = -1
		rows := g.Reshape(index, shape...)
		return b.scatter(x, b.expand(rows, d), d, int64(axis))
	})
}

func gradGatherElements(b *backward) []*Value {
	return b.each(func() *Value { return b.scatter(b.in(0), b.in(1), b.dy[0], b.n.Int("axis", 0)) })
}

// gradScatterElements is that of additions alone: what an element is added to and what is added to it have its gradient.
func gradScatterElements(b *backward) []*Value {
	if b.n.Text("reduction", "none") != "add" {
		b.err = errors.New("only a reduction of add can be differentiated")
		return nil
	}
	return b.each(
		func() *Value { return b.dy[0] },
		nil,
		func() *Value { return b.g.GatherElements(b.dy[0], b.in(1), b.n.Int("axis", 0)) })
}
