package onnx

import "fmt"

func shapeSame(c *call) error { return c.out(c.in(0).clone()) }

func shapeBroadcast(c *call) error {
	out := c.in(0).clone()
	for i := 1; i < len(c.n.Inputs); i++ {
		if !c.has(i) {
			return fmt.Errorf("input %d is missing", i)
		}
		s, ok := broadcast(out, c.in(i))
		if !ok {
			return fmt.Errorf("shapes %v and %v do not broadcast", out, c.in(i))
		}
		out = s
	}
	return c.out(out)
}

func shapeClip(c *call) error {
	if len(c.in(1)) > 0 || len(c.in(2)) > 0 {
		return fmt.Errorf("the bounds must be scalars")
	}
	return shapeSame(c)
}

// shapeBiased is for activations with a bias [n] over the last axis of x [...,n].
func shapeBiased(c *call) error {
	if c.has(1) {
		if err := c.last(1); err != nil {
			return err
		}
	}
	return shapeSame(c)
}

// last checks that input i is a vector as long as the last axis of input 0.
func (c *call) last(i int) error {
	x, b := c.in(0), c.in(i)
	if len(x) == 0 || len(b) != 1 {
		return fmt.Errorf("input %d must be a vector over the last axis of input 0", i)
	}
	if _, ok := unify(x[len(x)-1], b[0]); !ok {
		return fmt.Errorf("input %d has %v elements, the last axis of input 0 has %v", i, b[0], x[len(x)-1])
	}
	return nil
}

func shapeCast(c *call) error {
	c.types[0] = DType(c.n.Int("to", 0))
	return shapeSame(c)
}
