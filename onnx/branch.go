package onnx

import "fmt"

// If is one of two lists of values, chosen when the graph runs: then's results where condition (bool, one element) is true, else
// otherwise's. Only the chosen branch is computed.
//
// A branch builds its nodes in a graph of its own. It sees the outer values that are captured, in that order, as in, and
// nothing else of the outer graph. Both branches must give so many results, of the same types and of shapes that agree. Every
// result must come from an operator of the branch; to hand a captured value on, apply Identity. There is no gradient through an If.
func (g *Graph) If(condition *Value, captured []*Value, results int, then, otherwise func(branch *Graph, in []*Value) []*Value) []*Value {
	if g.err != nil {
		return g.OpN("If", results, nil)
	}
	name := g.auto("If")
	attrs := make([]Attr, 0, 2)
	for _, b := range []struct {
		attr  string
		build func(*Graph, []*Value) []*Value
	}{{"then_branch", then}, {"else_branch", otherwise}} {
		branch, err := g.branch(name+"."+b.attr, captured, b.build)
		if err != nil {
			g.fail("%s: %w", name, err)
			break
		}
		attrs = append(attrs, Attr{Name: b.attr, G: branch, kind: kindGraph})
	}
	return g.OpN("If", results, append([]*Value{condition}, captured...), attrs...)
}

// branch builds one branch. Its inputs carry the names of what they capture, and all its other names begin with its own, so
// that no name means two things in the encoded model, where a branch sees the outer names.
func (g *Graph) branch(name string, captured []*Value, build func(*Graph, []*Value) []*Value) (*Graph, error) {
	branch := NewGraph(name)
	branch.scope = name + "/"
	in := make([]*Value, len(captured))
	for i, v := range captured {
		if v == nil || v.graph != g {
			return nil, fmt.Errorf("captured value %d is not one of graph %s", i, g.Name)
		}
		if in[i] = branch.names[v.Name]; in[i] == nil {
			in[i] = branch.Input(v.Name, v.Type, v.Shape...)
		}
	}
	results := build(branch, in)
	if branch.err != nil {
		return nil, branch.err
	}
	for _, out := range results {
		if out == nil || out.graph != branch || out.node == nil {
			return nil, fmt.Errorf("%s: a result must come from a node of the branch", name)
		}
	}
	branch.Outputs = results
	return branch, nil
}

// shapeIf takes types and shapes from the first branch and compares them with the other's.
func shapeIf(c *call) error {
	then, otherwise := c.n.Graph("then_branch"), c.n.Graph("else_branch")
	if then == nil || otherwise == nil {
		return fmt.Errorf("a branch is missing; use Graph.If")
	}
	for _, branch := range []*Graph{then, otherwise} {
		if err := branch.Check(); err != nil {
			return err
		}
		if len(branch.Outputs) != len(c.types) {
			return fmt.Errorf("%s has %d outputs, it must have %d", branch.Name, len(branch.Outputs), len(c.types))
		}
	}
	if condition := c.in(0); !condition.Elements().is(1) {
		return fmt.Errorf("the condition has the shape %v, it must have one element", condition)
	}
	for i := range c.types {
		a, b := then.Outputs[i], otherwise.Outputs[i]
		if a.Type != b.Type || len(a.Shape) != len(b.Shape) {
			return fmt.Errorf("the branches give %s and %s", a.kind(), b.kind())
		}
		shape := make(Shape, len(a.Shape))
		for k := range shape {
			d, ok := unify(a.Shape[k], b.Shape[k])
			if !ok {
				return fmt.Errorf("the branches give %s and %s", a.kind(), b.kind())
			}
			shape[k] = d
		}
		c.types[i] = a.Type
		c.set(i, shape)
	}
	return nil
}
