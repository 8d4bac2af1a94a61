package onnx

import "fmt"

// shapeMatMul is numpy's matmul, after transposing the last two axes of A or B where the attributes say so.
func shapeMatMul(c *call) error {
	a, b := c.in(0).clone(), c.in(1).clone()
	transA, transB := c.n.Int("transA", 0) != 0, c.n.Int("transB", 0) != 0
	if len(a) == 0 || len(b) == 0 {
		return fmt.Errorf("both inputs need at least one axis")
	}
	if (transA && len(a) < 2) || (transB && len(b) < 2) {
		return fmt.Errorf("a transposed input needs at least two axes")
	}
	vectorA, vectorB := len(a) == 1, len(b) == 1
	if vectorA {
		a = Shape{N(1), a[0]}
	}
	if vectorB {
		b = Shape{b[0], N(1)}
	}
	if transA {
		swapLast(a)
	}
	if transB {
		swapLast(b)
	}
	m, k := a[len(a)-2], a[len(a)-1]
	k2, n := b[len(b)-2], b[len(b)-1]
	if _, ok := unify(k, k2); !ok {
		return fmt.Errorf("inner dimensions %v and %v differ", k, k2)
	}
	out, ok := broadcast(a[:len(a)-2], b[:len(b)-2])
	if !ok {
		return fmt.Errorf("batch dimensions %v and %v do not broadcast", a[:len(a)-2], b[:len(b)-2])
	}
	if !vectorA {
		out = append(out, m)
	}
	if !vectorB {
		out = append(out, n)
	}
	return c.out(out)
}

func swapLast(s Shape) {
	n := len(s)
	s[n-1], s[n-2] = s[n-2], s[n-1]
}

func shapeGemm(c *call) error {
	a, b := c.in(0).clone(), c.in(1).clone()
	if len(a) != 2 || len(b) != 2 {
		return fmt.Errorf("both factors need two axes")
	}
	if c.n.Int("transA", 0) != 0 {
		swapLast(a)
	}
	if c.n.Int("transB", 0) != 0 {
		swapLast(b)
	}
	if _, ok := unify(a[1], b[0]); !ok {
		return fmt.Errorf("inner dimensions %v and %v differ", a[1], b[0])
	}
	out := Shape{a[0], b[1]}
	if c.has(2) {
		s, ok := broadcast(out, c.in(2))
		if !ok || !s.equal(out) {
			return fmt.Errorf("summand %v does not broadcast to %v", c.in(2), out)
		}
	}
	return c.out(out)
}

// shapeMatMulNBits is x [...,K] times a packed weight [N, blocks, block_size·bits/8] with scales [N·blocks] or [N, blocks].
func shapeMatMulNBits(c *call) error {
	x := c.in(0).clone()
	k, n := c.n.Int("K", 0), c.n.Int("N", 0)
	bits, block := c.n.Int("bits", 4), c.n.Int("block_size", 0)
	if k <= 0 || n <= 0 || block < 16 || (bits != 2 && bits != 4 && bits != 8) {
		return fmt.Errorf("attributes K and N must be positive, block_size at least 16 and bits 2, 4 or 8")
	}
	if len(x) == 0 {
		return fmt.Errorf("input 0 needs at least one axis")
	}
	if _, ok := unify(x[len(x)-1], Dim{Size: k}); !ok {
		return fmt.Errorf("the last axis of input 0 is %v, K is %d", x[len(x)-1], k)
	}
	blocks := (k + block - 1) / block
	if want := (Shape{{Size: n}, {Size: blocks}, {Size: block * bits / 8}}); !c.in(1).equal(want) {
		return fmt.Errorf("the packed weight must be %v", want)
	}
	if s := c.in(2).Elements(); !s.is(n * blocks) {
		return fmt.Errorf("there are %v scales, need %d", s, n*blocks)
	}
	x[len(x)-1] = Dim{Size: n}
	return c.out(x)
}

// shapeMatMulIntegerToFloat is matmul with one scale for A, and one scale and one zero point for B or for each of its
// columns.
func shapeMatMulIntegerToFloat(c *call) error {
	b := c.in(1)
	if len(c.in(0)) == 0 || len(b) < 2 {
		return fmt.Errorf("input 0 needs at least one axis and input 1 two")
	}
	for _, i := range []int{2, 4} {
		if c.has(i) && !c.in(i).Elements().is(1) {
			return fmt.Errorf("input %d must have one element, not %v", i, c.in(i))
		}
	}
	columns := b[len(b)-1]
	for _, i := range []int{3, 5} {
		if c.has(i) && !c.in(i).Elements().is(1) && !c.in(i).equal(Shape{columns}) {
			return fmt.Errorf("input %d must have one element or one for each of %v columns, not %v", i, columns, c.in(i))
		}
	}
	if c.has(6) && !c.in(6).equal(Shape{columns}) {
		return fmt.Errorf("the bias must be a vector of %v, not %v", columns, c.in(6))
	}
	return shapeMatMul(c)
}
