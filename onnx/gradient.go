package onnx

import (
	"errors"
	"fmt"
	"strings"
)

var errStatistics = errors.New("the mean and the deviation of a normalisation have no gradient")

// Gradient appends the backward pass of a scalar to the graph and returns ∂loss/∂v for each v of wrt, each of v's shape.
//
// It is reverse-mode differentiation: nodes between wrt and loss are visited backwards, each one's rule (a column of the op
// table) turns the gradients of its outputs into those of its inputs, and gradients that meet are added. Values that no
// element of wrt influences get no gradient and no nodes. loss must have one element. It is an error if a value of wrt does
// not reach loss, and if a node on the way has no gradient rule; the nodes appended until then stay.
func (g *Graph) Gradient(loss *Value, wrt []*Value) ([]*Value, error) {
	if g.err != nil {
		return nil, g.err
	}
	if loss == nil || loss.graph != g || !loss.Shape.Elements().is(1) || !floats.has(loss.Type) {
		return nil, fmt.Errorf("differentiate graph %s: the loss (%v) must be one floating-point number of this graph", g.Name, loss)
	}
	moves := map[*Value]bool{}
	for _, v := range wrt {
		if v == nil || v.graph != g || !floats.has(v.Type) {
			return nil, fmt.Errorf("differentiate graph %s: cannot differentiate by %v", g.Name, v)
		}
		moves[v] = true
	}
	for _, n := range g.Nodes {
		for _, in := range n.Inputs {
			if in != nil && moves[in] {
				for _, out := range n.Outputs {
					moves[out] = floats.has(out.Type) || moves[out]
				}
			}
		}
	}
	grads := map[*Value]*Value{loss: g.one(loss)}
	forward := len(g.Nodes)
	for i := forward - 1; i >= 0; i-- {
		if err := g.differentiate(g.Nodes[i], moves, grads); err != nil {
			return nil, fmt.Errorf("differentiate graph %s: %w", g.Name, err)
		}
	}
	out := make([]*Value, len(wrt))
	for i, v := range wrt {
		if out[i] = grads[v]; out[i] == nil {
			return nil, fmt.Errorf("differentiate graph %s: %v does not reach the loss", g.Name, v)
		}
	}
	return out, g.err
}

// one is a constant 1 of v's type and shape, whose dimensions are all 1.
func (g *Graph) one(v *Value) *Value {
	dims, _ := v.Shape.Static()
	c := g.Const(Floats(dims, 1))
	if v.Type != Float {
		c = g.Cast(c, v.Type)
	}
	return c
}

// differentiate runs one node's gradient rule and adds what it gives to grads.
func (g *Graph) differentiate(n *Node, moves map[*Value]bool, grads map[*Value]*Value) error {
	b := &backward{g: g, n: n, dy: make([]*Value, len(n.Outputs)), wants: make([]bool, len(n.Inputs))}
	reached, wanted := false, false
	for i, v := range n.Outputs {
		b.dy[i] = grads[v]
		reached = reached || grads[v] != nil
	}
	for i, v := range n.Inputs {
		b.wants[i] = v != nil && moves[v] && floats.has(v.Type)
		wanted = wanted || b.wants[i]
	}
	if !reached || !wanted {
		return nil
	}
	if n.def.grad == nil {
		return fmt.Errorf("%s: %s has no gradient rule", n.Name, n.applied())
	}
	dx := n.def.grad(b)
	if b.err != nil {
		return fmt.Errorf("%s: %s: %w", n.Name, n.applied(), b.err)
	}
	if g.err != nil {
		return fmt.Errorf("%s: %s: %w", n.Name, n.applied(), g.err)
	}
	for i, d := range dx {
		if d == nil || !b.wants[i] {
			continue
		}
		in := n.Inputs[i]
		if d.Type != in.Type || !fits(d.Shape, in.Shape) {
			return fmt.Errorf("%s: %s: the rule made a gradient %v for input %v", n.Name, n.applied(), d.kind(), in)
		}
		if grads[in] != nil {
			d = g.Add(grads[in], d)
		}
		grads[in] = d
	}
	return nil
}

func fits(a, b Shape) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if _, ok := unify(a[i], b[i]); !ok {
			return false
		}
	}
	return true
}

// backward is one node while its gradient rule runs. A rule returns one gradient per input, nil where wants is false or
// where it does not depend on it.
type backward struct {
	g     *Graph
	n     *Node
	dy    []*Value // by output, nil where the loss does not depend on it
	wants []bool   // by input
	err   error
}

func (b *backward) in(i int) *Value {
	if i < len(b.n.Inputs) {
		return b.n.Inputs[i]
	}
	return nil
}

// each returns f's gradients for the wanted inputs, in order.
func (b *backward) each(f ...func() *Value) []*Value {
	out := make([]*Value, len(b.n.Inputs))
	for i := range out {
		if i < len(f) && f[i] != nil && b.wants[i] {
			out[i] = f[i]()
		}
	}
	return out
}

// scalar is a constant of v's element type.
func (b *backward) scalar(v *Value, k float64) *Value {
	c := b.g.Float(float32(k))
	if v.Type != Float {
		c = b.g.Cast(c, v.Type)
	}
	return c
}

// scale is k·v.
func (b *backward) scale(v *Value, k float64) *Value {
	if k == 1 {
		return v
	}
	return b.g.Mul(v, b.scalar(v, k))
}

// sumTo undoes broadcasting: it sums v over the axes that x lacks or has with length 1.
func (b *backward) sumTo(v, x *Value) *Value {
	off := len(v.Shape) - len(x.Shape)
	var lead, inner []int64
	for i, d := range v.Shape {
		if i < off {
			lead = append(lead, int64(i))
		} else if x.Shape[i-off].is(1) && !d.is(1) {
			inner = append(inner, int64(i))
		}
	}
	switch {
	case len(lead)+len(inner) == 0:
		return v
	case len(inner) == 0:
		return b.g.ReduceSum(v, false, lead...)
	case len(lead) == 0:
		return b.g.ReduceSum(v, true, inner...)
	}
	return b.g.Squeeze(b.g.ReduceSum(v, true, append(lead, inner...)...), lead...)
}

// dims is the axes start..end of v's shape as data, a constant where they are known.
func (b *backward) dims(v *Value, start, end int) *Value {
	if sizes, ok := v.Shape[start:end].Static(); ok {
		return b.g.vector(sizes...)
	}
	if start == 0 && end == len(v.Shape) {
		return b.g.ShapeOf(v)
	}
	return b.g.op("Shape", []Attr{Int("start", int64(start)), Int("end", int64(end))}, v)
}

// list joins vectors of dimensions, leaving out empty ones.
func (b *backward) list(parts ...*Value) *Value {
	var rest []*Value
	for _, p := range parts {
		if !p.Shape.Elements().is(0) {
			rest = append(rest, p)
		}
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return b.g.Concat(0, rest...)
}

// shapeOf is the whole shape of v as data.
func (b *backward) shapeOf(v *Value) *Value { return b.dims(v, 0, len(v.Shape)) }

// zeros is zeros of the given dimensions and of x's type.
func (b *backward) zeros(dims, x *Value) *Value {
	zero := Tensor{Type: x.Type, Dims: []int64{1}, Raw: make([]byte, x.Type.Size())}
	return b.g.op("ConstantOfShape", []Attr{TensorAttr("value", zero)}, dims)
}

// like reshapes v to the shape of x.
func (b *backward) like(v, x *Value) *Value {
	if v.Shape.equal(x.Shape) {
		return v
	}
	want, holes := make([]int64, len(x.Shape)), 0
	for i, d := range x.Shape {
		switch {
		case d.Static():
			want[i] = d.Size
		case i < len(v.Shape) && v.Shape[i].equal(d):
			want[i] = 0
		default:
			want[i] = -1
			holes++
		}
	}
	if holes <= 1 {
		return b.g.Reshape(v, want...)
	}
	return b.g.ReshapeTo(v, b.shapeOf(x))
}

// expand broadcasts v to the shape of x.
func (b *backward) expand(v, x *Value) *Value {
	if v.Shape.equal(x.Shape) {
		return v
	}
	return b.g.Expand(v, b.shapeOf(x))
}

// extend gives a node that was built with fewer outputs its optional ones, up to count.
func (g *Graph) extend(n *Node, count int) error {
	c, err := g.infer(n, count)
	if err != nil {
		return err
	}
	for i := len(n.Outputs); i < count; i++ {
		v := g.value(g.auto(strings.ToLower(n.Op)), c.types[i], c.shapes[i])
		v.node = n
		n.Outputs = append(n.Outputs, v)
	}
	return nil
}
