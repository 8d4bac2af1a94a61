// Package eval runs graphs of package onnx slowly and plainly, in float64: the reference that tests compare gradient rules
// and ONNX Runtime against. Every operator of the op table is here, written from its specification and not for speed.
//
// Elements of every type are kept as float64, so integers are exact up to 2⁵³. External data is not read. Nothing but tests
// should import it.
package eval

import (
	"fmt"
	"math"

	"nightshift/onnx"
)

// Tensor is a value at run time, row-major.
type Tensor struct {
	Type onnx.DType
	Dims []int64
	Data []float64 // one per element, whatever the type; Bool is 0 or 1
}

// New is a tensor of zeros.
func New(t onnx.DType, dims ...int64) *Tensor {
	return &Tensor{Type: t, Dims: append([]int64{}, dims...), Data: make([]float64, count(dims))}
}

// Of is a tensor of the given elements.
func Of(t onnx.DType, dims []int64, data ...float64) *Tensor {
	return &Tensor{Type: t, Dims: append([]int64{}, dims...), Data: append([]float64{}, data...)}
}

func count(dims []int64) int {
	n := 1
	for _, d := range dims {
		n *= int(d)
	}
	return n
}

// step is one node while it runs.
type step struct {
	n   *onnx.Node
	in  []*Tensor // nil where left out
	out []*Tensor
}

func (s *step) has(i int) bool { return i < len(s.in) && s.in[i] != nil }

// make sets output i to zeros.
func (s *step) make(i int, dims ...int64) *Tensor {
	t := onnx.Float
	if i < len(s.n.Outputs) {
		t = s.n.Outputs[i].Type
	}
	v := New(t, dims...)
	if i < len(s.out) {
		s.out[i] = v
	}
	return v
}

// Run computes every value of a graph from its inputs and returns them by name. It reports inputs that are missing or of
// the wrong type, and results whose shape is not the one the graph inferred.
func Run(g *onnx.Graph, inputs map[string]*Tensor) (values map[string]*Tensor, err error) {
	values, symbols := map[string]*Tensor{}, map[string]int64{}
	for _, v := range g.Inputs {
		t := inputs[v.Name]
		if t == nil || t.Type != v.Type || len(t.Data) != count(t.Dims) {
			return nil, fmt.Errorf("evaluate graph %s: input %s is missing or malformed", g.Name, v)
		}
		if err := conforms(v, t, symbols); err != nil {
			return nil, fmt.Errorf("evaluate graph %s: %w", g.Name, err)
		}
		values[v.Name] = t
	}
	for _, i := range g.Initializers {
		t, err := constant(i.Tensor)
		if err != nil {
			return nil, fmt.Errorf("evaluate graph %s: initializer %s: %w", g.Name, i.Value.Name, err)
		}
		values[i.Value.Name] = t
	}
	for _, n := range g.Nodes {
		if err := node(n, values, symbols); err != nil {
			return nil, fmt.Errorf("evaluate graph %s: %s (%s): %w", g.Name, n.Name, n.Op, err)
		}
	}
	return values, nil
}

func node(n *onnx.Node, values map[string]*Tensor, symbols map[string]int64) (err error) {
	kernel := kernels[n.Op]
	if kernel == nil {
		return fmt.Errorf("operator has no kernel")
	}
	s := &step{n: n, in: make([]*Tensor, len(n.Inputs)), out: make([]*Tensor, len(n.Outputs))}
	for i, v := range n.Inputs {
		if v != nil {
			s.in[i] = values[v.Name]
		}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if err := kernel(s); err != nil {
		return err
	}
	for i, v := range n.Outputs {
		if s.out[i] == nil {
			return fmt.Errorf("output %d was not computed", i)
		}
		if err := conforms(v, s.out[i], symbols); err != nil {
			return err
		}
		values[v.Name] = s.out[i]
	}
	return nil
}

// conforms compares a tensor with the declared shape; a symbol stands for one size everywhere.
func conforms(v *onnx.Value, t *Tensor, symbols map[string]int64) error {
	ok := len(v.Shape) == len(t.Dims)
	for i := 0; ok && i < len(t.Dims); i++ {
		d := v.Shape[i]
		if d.Static() {
			ok = d.Size == t.Dims[i]
		} else if size, seen := symbols[d.Name]; seen {
			ok = size == t.Dims[i]
		} else {
			symbols[d.Name] = t.Dims[i]
		}
	}
	if !ok || v.Type != t.Type {
		return fmt.Errorf("%v came out as %v%v", v, t.Type, t.Dims)
	}
	return nil
}

func constant(t onnx.Tensor) (*Tensor, error) {
	if t.External != nil {
		return nil, fmt.Errorf("external data is not read here")
	}
	out := New(t.Type, t.Dims...)
	switch t.Type {
	case onnx.Float:
		for i, v := range t.Float32s() {
			out.Data[i] = float64(v)
		}
	case onnx.Float16:
		return nil, fmt.Errorf("half precision is not read here")
	default:
		for i, v := range t.Int64s() {
			out.Data[i] = float64(v)
		}
	}
	return out, nil
}

// integer is an element as an int64, saturated.
func integer(v float64) int64 {
	if v >= math.MaxInt64 {
		return math.MaxInt64
	}
	if v <= math.MinInt64 {
		return math.MinInt64
	}
	return int64(v)
}

func integers(t *Tensor) []int64 {
	out := make([]int64, len(t.Data))
	for i, v := range t.Data {
		out[i] = integer(v)
	}
	return out
}

// normal is an axis made non-negative.
func normal(axis int64, rank int) int {
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis)
}

// strides is the distance between neighbours along each axis.
func strides(dims []int64) []int {
	out, n := make([]int, len(dims)), 1
	for i := len(dims) - 1; i >= 0; i-- {
		out[i] = n
		n *= int(dims[i])
	}
	return out
}

// walk calls f with every index into dims, in row-major order, and its flat position.
func walk(dims []int64, f func(at []int64, flat int)) {
	at := make([]int64, len(dims))
	for flat := range count(dims) {
		f(at, flat)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < dims[i] {
				break
			}
			at[i] = 0
		}
	}
}

// flat is the position of index at in t, where t's axes are aligned with the last ones of at and those of length 1 repeat.
func (t *Tensor) flat(at []int64) int {
	off, pos := len(at)-len(t.Dims), 0
	for i, s := range strides(t.Dims) {
		if t.Dims[i] != 1 {
			pos += s * int(at[off+i])
		}
	}
	return pos
}

func broadcast(dims ...[]int64) []int64 {
	var out []int64
	for _, d := range dims {
		if len(d) > len(out) {
			out = append(make([]int64, len(d)-len(out)), out...)
		}
	}
	for i := range out {
		out[i] = 1
	}
	for _, d := range dims {
		off := len(out) - len(d)
		for i, n := range d {
			switch {
			case out[off+i] == 1:
				out[off+i] = n
			case n != 1 && n != out[off+i]:
				panic(fmt.Sprintf("shapes %v do not broadcast", dims))
			}
		}
	}
	return out
}
