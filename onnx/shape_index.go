package onnx

import "fmt"

func shapeGather(c *call) error {
	x, index := c.in(0), c.in(1)
	axis, err := c.axis(0, len(x))
	if err != nil {
		return err
	}
	out := x[:axis:axis].clone()
	out = append(append(out, index...), x[axis+1:]...)
	return c.out(out)
}

func shapeGatherElements(c *call) error {
	x, index := c.in(0), c.in(1)
	if _, err := c.axis(0, len(x)); err != nil {
		return err
	}
	if len(x) != len(index) {
		return fmt.Errorf("data and indices need the same number of axes")
	}
	return c.out(index.clone())
}

var reductions = map[string]bool{"none": true, "add": true, "mul": true, "max": true, "min": true}

func shapeScatterElements(c *call) error {
	x, index, updates := c.in(0), c.in(1), c.in(2)
	if _, err := c.axis(0, len(x)); err != nil {
		return err
	}
	if len(x) != len(index) {
		return fmt.Errorf("data and indices need the same number of axes")
	}
	if len(index) != len(updates) {
		return fmt.Errorf("indices and updates need the same shape")
	}
	for i := range index {
		if _, ok := unify(index[i], updates[i]); !ok {
			return fmt.Errorf("indices and updates need the same shape")
		}
	}
	if r := c.n.Text("reduction", "none"); !reductions[r] {
		return fmt.Errorf("reduction %q is unknown", r)
	}
	return shapeSame(c)
}

func shapeScatterND(c *call) error {
	x, index, updates := c.in(0), c.in(1), c.in(2)
	if len(index) == 0 || !index[len(index)-1].Static() || index[len(index)-1].Size > int64(len(x)) {
		return fmt.Errorf("the last axis of the indices must be known and at most the number of axes of the data")
	}
	want := append(index[:len(index)-1].clone(), x[index[len(index)-1].Size:]...)
	if len(want) != len(updates) {
		return fmt.Errorf("the updates must be %v", want)
	}
	for i := range want {
		if _, ok := unify(want[i], updates[i]); !ok {
			return fmt.Errorf("the updates must be %v", want)
		}
	}
	if r := c.n.Text("reduction", "none"); !reductions[r] {
		return fmt.Errorf("reduction %q is unknown", r)
	}
	return shapeSame(c)
}

func shapeOneHot(c *call) error {
	index := c.in(0)
	axis, err := c.axis(-1, len(index)+1)
	if err != nil {
		return err
	}
	depth := c.g.freshSym()
	if d, ok := c.known(1); ok && len(d) == 1 {
		depth = d[0]
	}
	if len(c.in(2)) != 1 {
		return fmt.Errorf("the values must be a vector [off, on]")
	}
	out := index[:axis:axis].clone()
	out = append(append(out, depth), index[axis:]...)
	return c.out(out)
}

func shapeTopK(c *call) error {
	out := c.in(0).clone()
	axis, err := c.axis(-1, len(out))
	if err != nil {
		return err
	}
	if k, ok := c.known(1); !ok || len(k) != 1 {
		out[axis] = c.g.freshSym()
	} else if out[axis].Static() && k[0].Static() && k[0].Size > out[axis].Size {
		return fmt.Errorf("k is %v, axis %d has %v elements", k[0], axis, out[axis])
	} else {
		out[axis] = k[0]
	}
	if len(c.in(1)) != 1 {
		return fmt.Errorf("k must be a vector of one element")
	}
	c.set(1, out.clone())
	return c.out(out)
}

func shapeArgMax(c *call) error {
	x := c.in(0)
	axis, err := c.axis(0, len(x))
	if err != nil {
		return err
	}
	mask := make([]bool, len(x))
	mask[axis] = true
	return c.out(reduced(x, mask, c.n.Int("keepdims", 1) != 0))
}

func shapeShape(c *call) error {
	start, end := shapeSpan(c.n)
	return c.out(Shape{N(end - start)})
}

// shapeSpan is the axes start..end that a Shape node reports.
func shapeSpan(n *Node) (start, end int) {
	rank := int64(len(n.Inputs[0].Shape))
	first, count := SliceRange(rank, n.Int("start", 0), n.Int("end", rank), 1)
	return int(first), int(first + count)
}

func shapeConstantOfShape(c *call) error {
	c.types[0] = Float
	if t := c.n.Tensor("value"); t != nil {
		if err := t.check(); err != nil || t.Elements() != 1 {
			return fmt.Errorf("attribute value must be a tensor of one element")
		}
		c.types[0] = t.Type
	}
	s, ok := c.known(0)
	if !ok {
		u, err := c.unknownShape(0)
		if err != nil {
			return err
		}
		s = u
	}
	return c.out(append(Shape{}, s...))
}

func shapeRange(c *call) error {
	start, ok1 := c.known(0)
	limit, ok2 := c.known(1)
	delta, ok3 := c.known(2)
	for i := range 3 {
		if len(c.in(i)) != 0 {
			return fmt.Errorf("start, limit and delta must be scalars")
		}
	}
	out := c.g.freshSym()
	if ok1 && ok2 && ok3 && start[0].Static() && delta[0].Static() {
		if delta[0].Size == 0 {
			return fmt.Errorf("delta is 0")
		}
		if limit[0].Static() {
			d := delta[0].Size
			n := (limit[0].Size - start[0].Size) / d
			if (limit[0].Size-start[0].Size)%d != 0 && n*d+start[0].Size < limit[0].Size == (d > 0) {
				n++
			}
			out = Dim{Size: max(0, n)}
		} else if start[0].is(0) && delta[0].is(1) {
			out = limit[0]
		}
	}
	return c.out(Shape{out})
}
