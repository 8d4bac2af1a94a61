package onnx

import "fmt"

// Check validates the whole graph again, from the nodes alone: topological order, unique names, arity, types, shapes
// recomputed, outputs produced. It reports building errors too.
func (g *Graph) Check() error {
	if g.err != nil {
		return g.err
	}
	seen, names := map[*Value]bool{}, map[string]bool{}
	declare := func(v *Value, what string) error {
		switch {
		case v == nil || v.Name == "":
			return fmt.Errorf("check graph %s: %s has no name", g.Name, what)
		case names[v.Name]:
			return fmt.Errorf("check graph %s: two values are named %s", g.Name, v.Name)
		case v.graph != g:
			return fmt.Errorf("check graph %s: %s %s is of another graph", g.Name, what, v.Name)
		}
		names[v.Name], seen[v] = true, true
		return nil
	}
	for _, v := range g.Inputs {
		if err := declare(v, "input"); err != nil {
			return err
		}
	}
	for _, i := range g.Initializers {
		if err := declare(i.Value, "initializer"); err != nil {
			return err
		}
		if err := i.Tensor.check(); err != nil {
			return fmt.Errorf("check graph %s: initializer %s: %w", g.Name, i.Value.Name, err)
		}
	}
	for _, n := range g.Nodes {
		if err := g.checkNode(n, seen); err != nil {
			return fmt.Errorf("check graph %s: %w", g.Name, err)
		}
		for _, v := range n.Outputs {
			if err := declare(v, "output of "+n.Name); err != nil {
				return err
			}
		}
	}
	for _, v := range g.Outputs {
		if v == nil || !seen[v] || v.node == nil {
			return fmt.Errorf("check graph %s: output %v is not produced by a node", g.Name, v)
		}
	}
	return nil
}

func (g *Graph) checkNode(n *Node, seen map[*Value]bool) error {
	for i, v := range n.Inputs {
		if v != nil && !seen[v] {
			return fmt.Errorf("%s: input %d (%s) is not produced before it", n.Name, i, v.Name)
		}
	}
	fresh := g.fresh
	c, err := g.infer(n, len(n.Outputs))
	g.fresh = fresh
	if err != nil {
		return err
	}
	if n.Domain != c.def.domain {
		return fmt.Errorf("%s: %s is of domain %q, not %q", n.Name, n.Op, c.def.domain, n.Domain)
	}
	for i, v := range n.Outputs {
		if v.Type != c.types[i] || !agrees(v.Shape, c.shapes[i]) {
			return fmt.Errorf("%s: %s: output %d (%s) should be %v%v", n.Name, n.applied(), i, v, c.types[i], c.shapes[i])
		}
	}
	return nil
}

// agrees reports whether two inferred shapes differ at most in made-up names.
func agrees(a, b Shape) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].equal(b[i]) && !(a[i].derived() && b[i].derived()) {
			return false
		}
	}
	return true
}
