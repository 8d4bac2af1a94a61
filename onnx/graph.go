package onnx

import (
	"fmt"
	"strconv"
	"strings"
)

// Value is one tensor of a graph: an input, an initializer, or an output of a node.
type Value struct {
	Name  string
	Type  DType
	Shape Shape

	graph *Graph
	node  *Node        // the producer, nil for inputs and initializers
	init  *Initializer // nil unless an initializer
}

// String is the print form of a value's declaration: name float[B,S].
func (v *Value) String() string {
	if v == nil {
		return "_"
	}
	return v.Name + " " + v.kind()
}

// kind is the type and shape alone, for error messages.
func (v *Value) kind() string {
	if v == nil {
		return "_"
	}
	return v.Type.String() + v.Shape.String()
}

// Node applies one operator. A nil input is an optional one that is left out.
type Node struct {
	Op, Domain, Name string
	Inputs, Outputs  []*Value
	Attrs            []Attr

	def *opDef
}

// Initializer is constant data with a name.
type Initializer struct {
	Value  *Value
	Tensor Tensor
}

// Graph is a graph under construction. The zero value is not usable; see [NewGraph].
type Graph struct {
	Name            string
	Inputs, Outputs []*Value
	Initializers    []*Initializer
	Nodes           []*Node

	err    error
	names  map[string]*Value
	consts map[string]*Value // by content
	counts map[string]int    // for automatic names
	fresh  int               // derived symbols so far
}

// NewGraph is an empty graph.
func NewGraph(name string) *Graph {
	return &Graph{Name: name, names: map[string]*Value{}, consts: map[string]*Value{}, counts: map[string]int{}}
}

// Err is the first mistake made while building, nil if there is none.
func (g *Graph) Err() error { return g.err }

func (g *Graph) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("build graph %s: "+format, append([]any{g.Name}, args...)...)
	}
}

// placeholder stands for the result of a failed call.
func (g *Graph) placeholder() *Value { return &Value{Name: "?", Type: Float, graph: g} }

func (g *Graph) freshSym() Dim {
	g.fresh++
	return Sym("?" + strconv.Itoa(g.fresh))
}

// auto is an unused name that begins with prefix.
func (g *Graph) auto(prefix string) string {
	for {
		g.counts[prefix]++
		name := prefix + "_" + strconv.Itoa(g.counts[prefix])
		if g.names[name] == nil {
			return name
		}
	}
}

// value registers a new value under an unused name.
func (g *Graph) value(name string, t DType, s Shape) *Value {
	v := &Value{Name: name, Type: t, Shape: s, graph: g}
	g.names[name] = v
	return v
}

// Value is the value of that name, nil if there is none.
func (g *Graph) Value(name string) *Value { return g.names[name] }

// Input declares a graph input.
func (g *Graph) Input(name string, t DType, dims ...Dim) *Value {
	if name == "" || g.names[name] != nil {
		g.fail("input %q: the name is empty or taken", name)
		return g.placeholder()
	}
	if t.Size() == 0 {
		g.fail("input %s: element type %v is not supported", name, t)
	}
	v := g.value(name, t, append(Shape{}, dims...))
	g.Inputs = append(g.Inputs, v)
	return v
}

// Initializer is the constant of that name, declared by the first call. A second call with the same name returns the same
// value, and is an error if the type or the dimensions differ.
func (g *Graph) Initializer(name string, t Tensor) *Value {
	if old := g.names[name]; old != nil && old.init != nil && old.Type == t.Type && old.Shape.equal(t.Shape()) {
		return old
	}
	if name == "" || g.names[name] != nil {
		g.fail("initializer %q: the name is empty or taken by a different value", name)
		return g.placeholder()
	}
	if err := t.check(); err != nil {
		g.fail("initializer %s: %w", name, err)
		return g.placeholder()
	}
	v := g.value(name, t.Type, t.Shape())
	v.init = &Initializer{Value: v, Tensor: t}
	g.Initializers = append(g.Initializers, v.init)
	return v
}

// Const is an unnamed constant; equal ones are one.
func (g *Graph) Const(t Tensor) *Value {
	if t.External != nil {
		g.fail("constant: external data needs a name, use Initializer")
		return g.placeholder()
	}
	key := fmt.Sprint(t.Type, t.Dims, " ") + string(t.Raw)
	if v := g.consts[key]; v != nil {
		return v
	}
	v := g.Initializer(g.auto("const"), t)
	if v.init != nil {
		g.consts[key] = v
	}
	return v
}

// Op appends a node and returns its first output.
func (g *Graph) Op(op string, in []*Value, attrs ...Attr) *Value {
	return g.OpN(op, 1, in, attrs...)[0]
}

// OpN appends a node with the given number of outputs. On a mistake, and ever after one, the results are placeholders.
func (g *Graph) OpN(op string, outputs int, in []*Value, attrs ...Attr) []*Value {
	if outputs < 1 {
		g.fail("%s: %d outputs", op, outputs)
		outputs = 1
	}
	if g.err == nil {
		for len(in) > 0 && in[len(in)-1] == nil {
			in = in[:len(in)-1]
		}
		n := &Node{Op: op, Inputs: append([]*Value(nil), in...), Attrs: attrs}
		if err := g.append(n, outputs); err != nil {
			g.fail("%w", err)
		} else {
			return append([]*Value(nil), n.Outputs...)
		}
	}
	out := make([]*Value, outputs)
	for i := range out {
		out[i] = g.placeholder()
	}
	return out
}

func (g *Graph) append(n *Node, outputs int) error {
	n.Name = g.auto(n.Op)
	c, err := g.infer(n, outputs)
	if err != nil {
		return err
	}
	n.def, n.Domain = c.def, c.def.domain
	for i := range outputs {
		v := g.value(g.auto(strings.ToLower(n.Op)), c.types[i], c.shapes[i])
		v.node = n
		n.Outputs = append(n.Outputs, v)
	}
	g.Nodes = append(g.Nodes, n)
	return nil
}

// Rename gives a value another name, which must be free.
func (g *Graph) Rename(v *Value, name string) {
	if g.err != nil {
		return
	}
	if v == nil || v.graph != g || name == "" || (g.names[name] != nil && g.names[name] != v) {
		g.fail("rename %v to %q: the name is empty or taken, or the value is of another graph", v, name)
		return
	}
	delete(g.names, v.Name)
	v.Name = name
	g.names[name] = v
}

// Output makes v a graph output under that name. An Identity is inserted where v is itself an input, an initializer or
// an output already.
func (g *Graph) Output(name string, v *Value) {
	if g.err != nil {
		return
	}
	if v == nil || v.graph != g {
		g.fail("output %s: no such value in this graph", name)
		return
	}
	taken := v.node == nil
	for _, o := range g.Outputs {
		taken = taken || o == v
	}
	if taken {
		v = g.Op("Identity", []*Value{v})
	}
	g.Rename(v, name)
	g.Outputs = append(g.Outputs, v)
}
