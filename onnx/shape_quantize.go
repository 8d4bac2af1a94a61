package onnx

import "fmt"

// shapeQuantizeLinear gives the zero point's type, Uint8 without one.
func shapeQuantizeLinear(c *call) error {
	c.types[0] = Uint8
	if c.has(2) {
		c.types[0] = c.n.Inputs[2].Type
	}
	return c.scaled()
}

func shapeDequantizeLinear(c *call) error { return c.scaled() }

// scaled checks the scale (input 1) and the zero point (input 2) of a quantisation: one element for the whole tensor, a
// vector along the axis attribute, or, with the attribute block_size, one element for so many along the axis. The result has the
// shape of input 0.
func (c *call) scaled() error {
	x, scale := c.in(0), c.in(1)
	if c.has(2) && !c.in(2).equal(scale) {
		return fmt.Errorf("the scale is %v and the zero point %v, they must be alike", scale, c.in(2))
	}
	switch block := c.n.Int("block_size", 0); {
	case block < 0:
		return fmt.Errorf("blocks have %d elements, they must have at least one", block)
	case block > 0:
		if err := c.blocks(block); err != nil {
			return err
		}
	case len(scale) == 0:
	case len(scale) == 1 && scale.Elements().is(1) && len(x) == 0:
	case len(scale) == 1:
		axis, err := c.axis(1, len(x))
		if err != nil {
			return err
		}
		if _, ok := unify(x[axis], scale[0]); !ok {
			return fmt.Errorf("there are %v scales for axis %d of %v", scale[0], axis, x)
		}
	default:
		return fmt.Errorf("the scale must be a scalar or a vector, not %v", scale)
	}
	return shapeSame(c)
}

// blocks checks that there is one scale for each block of an axis, and one for each place on the others.
func (c *call) blocks(block int64) error {
	x, scale := c.in(0), c.in(1)
	axis, err := c.axis(1, len(x))
	if err != nil {
		return err
	}
	fits := len(scale) == len(x)
	for i := 0; fits && i < len(x); i++ {
		want := x[i]
		if i == axis && want.Static() {
			want = N(int((want.Size + block - 1) / block))
		}
		if i != axis || want.Static() {
			_, fits = unify(want, scale[i])
		}
	}
	if !fits {
		return fmt.Errorf("the scale is %v, that is not one for each %d of axis %d of %v", scale, block, axis, x)
	}
	return nil
}
