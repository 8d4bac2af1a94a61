package onnx

import "fmt"

func shapeTranspose(c *call) error {
	x := c.in(0)
	perm, err := permutation(c.n, len(x))
	if err != nil {
		return err
	}
	out := make(Shape, len(x))
	for i, p := range perm {
		out[i] = x[p]
	}
	return c.out(out)
}

// permutation is the perm attribute of a Transpose, or the reversal that stands for none.
func permutation(n *Node, rank int) ([]int64, error) {
	perm, ok := n.Ints("perm")
	if !ok {
		for i := range rank {
			perm = append(perm, int64(rank-1-i))
		}
		return perm, nil
	}
	seen := make([]bool, rank)
	for _, p := range perm {
		if p < 0 || p >= int64(rank) || seen[p] {
			return nil, fmt.Errorf("perm %v is not a permutation of %d axes", perm, rank)
		}
		seen[p] = true
	}
	if len(perm) != rank {
		return nil, fmt.Errorf("perm %v is not a permutation of %d axes", perm, rank)
	}
	return perm, nil
}

func shapeReshape(c *call) error {
	x := c.in(0)
	want, ok := c.known(1)
	if !ok {
		s, err := c.unknownShape(1)
		if err != nil {
			return err
		}
		return c.out(s)
	}
	out, hole := make(Shape, len(want)), -1
	for i, d := range want {
		switch {
		case d.is(-1) && hole >= 0:
			return fmt.Errorf("the new shape %v has two -1", Shape(want))
		case d.is(-1):
			hole, out[i] = i, N(1)
		case d.is(0) && i >= len(x):
			return fmt.Errorf("the new shape %v copies axis %d of %v", Shape(want), i, x)
		case d.is(0):
			out[i] = x[i]
		case d.Static() && d.Size < 0:
			return fmt.Errorf("the new shape %v is negative", Shape(want))
		default:
			out[i] = d
		}
	}
	have, need := product(x), product(out)
	if hole >= 0 {
		q, ok := quotient(have, need)
		if !ok {
			if have.Static() && need.Static() {
				return fmt.Errorf("%v elements do not fill %v", have, Shape(want))
			}
			q = c.g.freshSym()
		}
		out[hole] = q
	} else if _, ok := unify(have, need); !ok && (have.Static() && need.Static() || named(have, need)) {
		return fmt.Errorf("%v elements do not fill %v", have, Shape(want))
	}
	return c.out(out)
}

// named reports that both are products of the same kind: all symbols declared by the author, so that a difference is a
// mistake and not ignorance.
func named(a, b Dim) bool { return !a.Static() && !b.Static() && !a.derived() && !b.derived() }

// unknownShape is the shape that input i holds as data, when only the number of axes is known.
func (c *call) unknownShape(i int) (Shape, error) {
	s := c.in(i)
	if len(s) != 1 || !s[0].Static() {
		return nil, fmt.Errorf("input %d must be a vector of known length", i)
	}
	out := make(Shape, s[0].Size)
	for j := range out {
		out[j] = c.g.freshSym()
	}
	return out, nil
}

func shapeUnsqueeze(c *call) error {
	x := c.in(0)
	axes, ok := c.numbers(1)
	if !ok {
		return fmt.Errorf("the axes must be constant")
	}
	rank := len(x) + len(axes)
	at := make([]bool, rank)
	for _, a := range axes {
		i, err := normal(a, rank)
		if err != nil {
			return err
		}
		if at[i] {
			return fmt.Errorf("axis %d appears twice", a)
		}
		at[i] = true
	}
	out := make(Shape, 0, rank)
	for i := range rank {
		if at[i] {
			out = append(out, N(1))
		} else {
			out = append(out, x[0])
			x = x[1:]
		}
	}
	return c.out(out)
}

func shapeSqueeze(c *call) error {
	x := c.in(0)
	drop, err := c.axes(1, len(x))
	if err != nil {
		return err
	}
	out := Shape{}
	for i, d := range x {
		switch {
		case !c.has(1) && d.is(1):
		case !c.has(1) || !drop[i]:
			out = append(out, d)
		case d.Static() && d.Size != 1:
			return fmt.Errorf("axis %d has %v elements, cannot be squeezed", i, d)
		}
	}
	return c.out(out)
}

// axes is the constant axes of input i as a mask over rank axes; all of them when the input is left out or empty.
func (c *call) axes(i, rank int) ([]bool, error) {
	mask := make([]bool, rank)
	axes, ok := c.numbers(i)
	if c.has(i) && !ok {
		return nil, fmt.Errorf("the axes must be constant")
	}
	for _, a := range axes {
		k, err := normal(a, rank)
		if err != nil {
			return nil, err
		}
		mask[k] = true
	}
	for k := range mask {
		mask[k] = mask[k] || len(axes) == 0
	}
	return mask, nil
}

func shapeExpand(c *call) error {
	target, ok := c.known(1)
	if !ok {
		s, err := c.unknownShape(1)
		if err != nil {
			return err
		}
		target = s
	}
	out, ok := broadcast(c.in(0), target)
	if !ok {
		return fmt.Errorf("%v does not broadcast to %v", c.in(0), Shape(target))
	}
	return c.out(out)
}

func shapeConcat(c *call) error {
	out := c.in(0).clone()
	axis, err := c.axis(0, len(out))
	if err != nil {
		return err
	}
	if c.n.attr("axis", kindInt) == nil {
		return fmt.Errorf("attribute axis is missing")
	}
	for i := 1; i < len(c.n.Inputs); i++ {
		if !c.has(i) || len(c.in(i)) != len(out) {
			return fmt.Errorf("input %d has another number of axes", i)
		}
		for j, d := range c.in(i) {
			if j == axis {
				out[j] = sum(c, out[j], d)
			} else if u, ok := unify(out[j], d); ok {
				out[j] = u
			} else {
				return fmt.Errorf("axis %d of input %d is %v, not %v", j, i, d, out[j])
			}
		}
	}
	return c.out(out)
}

func sum(c *call, a, b Dim) Dim {
	if a.Static() && b.Static() {
		return Dim{Size: a.Size + b.Size}
	}
	return c.g.freshSym()
}

func shapeSplit(c *call) error {
	x := c.in(0)
	axis, err := c.axis(0, len(x))
	if err != nil {
		return err
	}
	sizes, ok := c.known(1)
	switch {
	case c.has(1) && !ok:
		return fmt.Errorf("the sizes must be constant or dimensions")
	case !c.has(1):
		n := c.n.Int("num_outputs", 0)
		if n != int64(len(c.shapes)) || !x[axis].Static() || x[axis].Size%n != 0 {
			return fmt.Errorf("axis %d (%v) does not split into %d equal outputs (attribute num_outputs=%d)", axis, x[axis], len(c.shapes), n)
		}
		for range n {
			sizes = append(sizes, Dim{Size: x[axis].Size / n})
		}
	}
	total, static := int64(0), x[axis].Static()
	for _, s := range sizes {
		if s.Size < 0 {
			return fmt.Errorf("sizes %v are negative", Shape(sizes))
		}
		total, static = total+s.Size, static && s.Static()
	}
	if len(sizes) != len(c.shapes) || (static && x[axis].Size != total) {
		return fmt.Errorf("sizes %v do not split axis %d (%v) into %d outputs", Shape(sizes), axis, x[axis], len(c.shapes))
	}
	for i, s := range sizes {
		c.shapes[i] = x.clone()
		c.shapes[i][axis] = s
	}
	return nil
}

func shapeSlice(c *call) error {
	out := c.in(0).clone()
	starts, ok1 := c.numbers(1)
	ends, ok2 := c.known(2)
	axes, ok3 := c.numbers(3)
	steps, ok4 := c.numbers(4)
	if !c.has(3) {
		for i := range starts {
			axes = append(axes, int64(i))
		}
		ok3 = ok1
	}
	if !ok3 {
		return fmt.Errorf("the axes must be constant")
	}
	for i, a := range axes {
		axis, err := normal(a, len(out))
		if err != nil {
			return err
		}
		step := int64(1)
		if c.has(4) && ok4 && i < len(steps) {
			step = steps[i]
		}
		if !ok1 || !ok2 || (c.has(4) && !ok4) {
			out[axis] = c.g.freshSym()
			continue
		}
		if i >= len(starts) || i >= len(ends) || step == 0 {
			return fmt.Errorf("starts, ends, axes and steps must be equally long, and steps not 0")
		}
		out[axis] = sliced(c, out[axis], starts[i], ends[i], step)
	}
	return c.out(out)
}

// sliced is the length of start:end:step of an axis of size d.
func sliced(c *call, d Dim, start int64, end Dim, step int64) Dim {
	if start == 0 && step == 1 && !end.Static() && !d.Static() && d.equal(end) {
		return d
	}
	if !d.Static() {
		switch {
		case start == 0 && step == 1 && end.Static() && end.Size >= 1<<31-1:
			return d
		case start >= 0 && step == 1 && end.Static() && start == 0 && end.Size == 1, start == -1 && step == 1 && end.Static() && end.Size >= 1<<31-1:
			return N(1)
		}
		return c.g.freshSym()
	}
	if !end.Static() {
		if start == 0 && step == 1 {
			return end // a symbolic end that is not longer than the axis, such as the first S of 1024 positions
		}
		return c.g.freshSym()
	}
	_, n := SliceRange(d.Size, start, end.Size, step)
	return Dim{Size: n}
}

// SliceRange is the first index and the number of elements of start:end:step over an axis of n elements, by the rules of
// the Slice operator: negative bounds count from the end, bounds outside are clamped. step is not 0.
func SliceRange(n, start, end, step int64) (first, count int64) {
	if start < 0 {
		start += n
	}
	if end < 0 {
		end += n
	}
	if step > 0 {
		start, end = min(max(start, 0), n), min(max(end, 0), n)
		return start, max(0, (end-start+step-1)/step)
	}
	start, end = min(max(start, 0), n-1), min(max(end, -1), n-1)
	return start, max(0, (start-end-step-1)/-step)
}
