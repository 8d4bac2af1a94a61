package onnx

import "fmt"

func reduced(x Shape, mask []bool, keep bool) Shape {
	out := Shape{}
	for i, d := range x {
		switch {
		case !mask[i]:
			out = append(out, d)
		case keep:
			out = append(out, N(1))
		}
	}
	return out
}

func shapeReduce(c *call) error {
	mask, err := c.axes(1, len(c.in(0)))
	if err != nil {
		return err
	}
	return c.out(reduced(c.in(0), mask, c.n.Int("keepdims", 1) != 0))
}

func shapeSoftmax(c *call) error {
	if _, err := c.axis(-1, len(c.in(0))); err != nil {
		return err
	}
	return shapeSame(c)
}

func shapeLayerNormalization(c *call) error {
	x := c.in(0)
	axis, err := c.axis(-1, len(x))
	if err != nil {
		return err
	}
	for i := 1; i < len(c.n.Inputs); i++ {
		if !c.has(i) {
			continue
		}
		s := c.in(i)
		if len(s) != len(x)-axis {
			return fmt.Errorf("input %d must be %v", i, x[axis:])
		}
		for j, d := range s {
			if _, ok := unify(x[axis+j], d); !ok {
				return fmt.Errorf("input %d must be %v", i, x[axis:])
			}
		}
	}
	stats := x.clone()
	for i := axis; i < len(x); i++ {
		stats[i] = N(1)
	}
	c.set(1, stats)
	c.set(2, stats.clone())
	return shapeSame(c)
}

// shapeSkipLayerNormalization has inputs x, skip, gamma, beta, bias and outputs y, mean, inverse deviation, x+skip+bias.
func shapeSkipLayerNormalization(c *call) error {
	x, skip := c.in(0), c.in(1)
	if len(x) != 2 && len(x) != 3 {
		return fmt.Errorf("input 0 needs two or three axes")
	}
	s, ok := broadcast(x, skip)
	if !ok || !s.equal(x) {
		return fmt.Errorf("the skip %v does not broadcast to %v", skip, x)
	}
	for i := 2; i < len(c.n.Inputs); i++ {
		if !c.has(i) {
			continue
		}
		if err := c.last(i); err != nil {
			return err
		}
	}
	stats := x.clone()
	stats[len(x)-1] = N(1)
	c.set(1, stats)
	c.set(2, stats.clone())
	c.set(3, x.clone())
	return shapeSame(c)
}
