package onnx

import (
	"fmt"
	"sort"
	"strings"
)

// opDef is one row of the op table.
//
// types is the signature: one letter an input, a colon, one letter an output. Letters: T the one type that all T's share,
// out of the set t; U a second such type, out of the set u; f Float; x Int32 or Int64; l Int64; i Int32; b Bool; 8 Uint8
// or Int8; * anything; ? (outputs) the rule sets it. A + after the last input letter lets it repeat. need is the number of
// inputs that must be there.
type opDef struct {
	name, domain string
	types        string
	need         int
	t, u         typeSet
	shape        func(*call) error
	grad         func(*backward) []*Value // nil: no gradient; see gradient.go
	attrs        string                   // the attributes it knows, separated by spaces
}

const microsoft = "com.microsoft"

// call is one application of an operator while its shapes are inferred.
type call struct {
	g      *Graph
	n      *Node
	def    *opDef
	types  []DType
	shapes []Shape
}

// in is the shape of input i, nil when it is left out.
func (c *call) in(i int) Shape {
	if !c.has(i) {
		return nil
	}
	return c.n.Inputs[i].Shape
}

func (c *call) has(i int) bool { return i < len(c.n.Inputs) && c.n.Inputs[i] != nil }

// set sets the shape of output i, if the node has one.
func (c *call) set(i int, s Shape) {
	if i < len(c.shapes) {
		c.shapes[i] = s
	}
}

// out sets the shape of the first output, as the end of a shape rule.
func (c *call) out(s Shape) error {
	c.set(0, s)
	return nil
}

// known is the elements of input i where they can be told while building.
func (c *call) known(i int) ([]Dim, bool) {
	if !c.has(i) {
		return nil, false
	}
	return known(c.n.Inputs[i])
}

// numbers is known, where every element is a plain number.
func (c *call) numbers(i int) ([]int64, bool) {
	dims, ok := c.known(i)
	if !ok {
		return nil, false
	}
	return Shape(dims).Static()
}

// axis is the axis attribute made non-negative.
func (c *call) axis(def int64, rank int) (int, error) {
	return normal(c.n.Int("axis", def), rank)
}

func normal(axis int64, rank int) (int, error) {
	if axis < -int64(rank) || axis >= int64(rank) {
		return 0, fmt.Errorf("axis %d is outside rank %d", axis, rank)
	}
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), nil
}

// infer looks the operator up, checks arity and types, and runs the shape rule.
func (g *Graph) infer(n *Node, outputs int) (*call, error) {
	def := opTable[n.Op]
	if def == nil {
		return nil, fmt.Errorf("%s: operator %s is not in the op table", n.Name, n.Op)
	}
	c := &call{g: g, n: n, def: def, types: make([]DType, outputs), shapes: make([]Shape, outputs)}
	err := c.signature()
	if err == nil {
		err = def.shape(c)
	}
	for i := 0; err == nil && i < outputs; i++ {
		if c.types[i].Size() == 0 {
			err = fmt.Errorf("output %d has no type", i)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", n.Name, n.applied(), err)
	}
	return c, nil
}

// applied is the operator with the types and shapes of its inputs: MatMul(float[2,3], float[4,5]).
func (n *Node) applied() string {
	args := make([]string, len(n.Inputs))
	for i, v := range n.Inputs {
		args[i] = v.kind()
	}
	return n.Op + "(" + strings.Join(args, ", ") + ")"
}

func (c *call) signature() error {
	in, out, _ := strings.Cut(c.def.types, ":")
	repeat := strings.HasSuffix(in, "+")
	in = strings.TrimSuffix(in, "+")
	if got := len(c.n.Inputs); got > len(in) && !repeat {
		return fmt.Errorf("%d inputs, at most %d allowed", got, len(in))
	}
	if len(c.types) > len(out) && !strings.HasSuffix(out, "+") {
		return fmt.Errorf("%d outputs, at most %d allowed", len(c.types), len(out))
	}
	bound := map[byte]DType{}
	for i := range max(c.def.need, len(c.n.Inputs)) {
		if !c.has(i) {
			if i < c.def.need {
				return fmt.Errorf("input %d is missing", i)
			}
			continue
		}
		v := c.n.Inputs[i]
		if v.graph != c.g {
			return fmt.Errorf("input %d (%s) is of another graph", i, v.Name)
		}
		if err := c.accepts(in[min(i, len(in)-1)], v.Type, bound); err != nil {
			return fmt.Errorf("input %d (%s): %w", i, v.Name, err)
		}
	}
	for i := range c.types {
		switch l := strings.TrimSuffix(out, "+")[min(i, len(strings.TrimSuffix(out, "+"))-1)]; l {
		case 'T', 'U':
			c.types[i] = bound[l]
		case 'f':
			c.types[i] = Float
		case 'l':
			c.types[i] = Int64
		case 'i':
			c.types[i] = Int32
		case 'b':
			c.types[i] = Bool
		}
	}
	return c.attributes()
}

var letters = map[byte]typeSet{'f': setOf(Float), 'x': ints, 'l': setOf(Int64), 'i': setOf(Int32), 'b': setOf(Bool), '8': bytes8, '*': every}

func (c *call) accepts(letter byte, t DType, bound map[byte]DType) error {
	set := letters[letter]
	switch letter {
	case 'T':
		set = c.def.t
	case 'U':
		set = c.def.u
	}
	if !set.has(t) {
		return fmt.Errorf("element type %v is not allowed here", t)
	}
	if letter == 'T' || letter == 'U' {
		if old, ok := bound[letter]; ok && old != t {
			return fmt.Errorf("element type %v does not agree with %v", t, old)
		}
		bound[letter] = t
	}
	return nil
}

func (c *call) attributes() error {
	for _, a := range c.n.Attrs {
		if a.kind == 0 {
			return fmt.Errorf("attribute %q was not made by an attribute constructor", a.Name)
		}
		found := false
		for _, name := range strings.Fields(c.def.attrs) {
			found = found || name == a.Name
		}
		if !found {
			return fmt.Errorf("attribute %s is not one of %s's", a.Name, c.n.Op)
		}
		if a.kind != attrKinds[a.Name] {
			return fmt.Errorf("attribute %v is of the wrong kind", a)
		}
	}
	return nil
}

// Operator describes a row of the op table.
type Operator struct {
	Name, Domain   string
	Differentiable bool
}

// Operators is the op table, by name.
func Operators() []Operator {
	var out []Operator
	for _, d := range opTable {
		out = append(out, Operator{Name: d.name, Domain: d.domain, Differentiable: d.grad != nil})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}
