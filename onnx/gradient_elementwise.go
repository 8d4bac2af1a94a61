package onnx

import (
	"fmt"
	"math"
)

func gradIdentity(b *backward) []*Value { return b.each(func() *Value { return b.dy[0] }) }

func gradAdd(b *backward) []*Value {
	return b.each(
		func() *Value { return b.sumTo(b.dy[0], b.in(0)) },
		func() *Value { return b.sumTo(b.dy[0], b.in(1)) })
}

func gradSub(b *backward) []*Value {
	return b.each(
		func() *Value { return b.sumTo(b.dy[0], b.in(0)) },
		func() *Value { return b.g.Neg(b.sumTo(b.dy[0], b.in(1))) })
}

func gradMul(b *backward) []*Value {
	return b.each(
		func() *Value { return b.sumTo(b.g.Mul(b.dy[0], b.in(1)), b.in(0)) },
		func() *Value { return b.sumTo(b.g.Mul(b.dy[0], b.in(0)), b.in(1)) })
}

func gradDiv(b *backward) []*Value {
	g := b.g
	return b.each(
		func() *Value { return b.sumTo(g.Div(b.dy[0], b.in(1)), b.in(0)) },
		func() *Value {
			return b.sumTo(g.Neg(g.Div(g.Mul(b.dy[0], b.n.Outputs[0]), b.in(1))), b.in(1))
		})
}

// gradPow: ∂xᵉ/∂x = e·xᵉ⁻¹.
func gradPow(b *backward) []*Value {
	g, x, e := b.g, b.in(0), b.in(1)
	if len(b.wants) > 1 && b.wants[1] {
		b.err = fmt.Errorf("the exponent must not depend on what is differentiated by")
		return nil
	}
	if e.Type != x.Type {
		e = g.Cast(e, x.Type)
	}
	return b.each(func() *Value {
		lower := g.Pow(x, g.Sub(e, b.scalar(x, 1)))
		if e.init != nil && len(e.Shape) == 0 && e.Type == Float && e.init.Tensor.External == nil && e.init.Tensor.Float32s()[0] == 2 {
			lower = x
		}
		return b.sumTo(g.Mul(b.dy[0], g.Mul(e, lower)), x)
	})
}

func gradNeg(b *backward) []*Value { return b.each(func() *Value { return b.g.Neg(b.dy[0]) }) }

// gradSqrt: ∂√x/∂x = 1/(2√x).
func gradSqrt(b *backward) []*Value {
	return b.each(func() *Value { return b.g.Div(b.scale(b.dy[0], 0.5), b.n.Outputs[0]) })
}

func gradExp(b *backward) []*Value {
	return b.each(func() *Value { return b.g.Mul(b.dy[0], b.n.Outputs[0]) })
}

func gradLog(b *backward) []*Value {
	return b.each(func() *Value { return b.g.Div(b.dy[0], b.in(0)) })
}

// gradTanh: 1 − y².
func gradTanh(b *backward) []*Value {
	g, y := b.g, b.n.Outputs[0]
	return b.each(func() *Value { return g.Mul(b.dy[0], g.Sub(b.scalar(y, 1), g.Mul(y, y))) })
}

// gradErf: 2/√π·e^(−x²).
func gradErf(b *backward) []*Value {
	g, x := b.g, b.in(0)
	return b.each(func() *Value {
		return g.Mul(b.dy[0], b.scale(g.Exp(g.Neg(g.Mul(x, x))), 2/math.Sqrt(math.Pi)))
	})
}

func gradRelu(b *backward) []*Value {
	g, x := b.g, b.in(0)
	return b.each(func() *Value {
		zero := b.scalar(x, 0)
		return g.Where(g.Greater(x, zero), b.dy[0], zero)
	})
}

// gradSigmoid: y·(1 − y).
func gradSigmoid(b *backward) []*Value {
	g, y := b.g, b.n.Outputs[0]
	return b.each(func() *Value { return g.Mul(b.dy[0], g.Mul(y, g.Sub(b.scalar(y, 1), y))) })
}

func gradWhere(b *backward) []*Value {
	g, cond := b.g, b.in(0)
	return b.each(nil,
		func() *Value { return b.sumTo(g.Where(cond, b.dy[0], b.scalar(b.dy[0], 0)), b.in(1)) },
		func() *Value { return b.sumTo(g.Where(cond, b.scalar(b.dy[0], 0), b.dy[0]), b.in(2)) })
}

func gradCast(b *backward) []*Value {
	return b.each(func() *Value { return b.g.Cast(b.dy[0], b.in(0).Type) })
}

func gradGelu(b *backward) []*Value {
	return b.each(func() *Value {
		if b.n.Text("approximate", "none") == "tanh" {
			return b.geluTanh(b.in(0))
		}
		return b.geluExact(b.in(0))
	})
}

// geluExact: Φ(x) + x·φ(x), with the distribution function and density of the normal distribution.
func (b *backward) geluExact(x *Value) *Value {
	g := b.g
	cdf := b.scale(g.Add(g.op("Erf", nil, b.scale(x, 1/math.Sqrt2)), b.scalar(x, 1)), 0.5)
	density := b.scale(g.Exp(b.scale(g.Mul(x, x), -0.5)), 1/math.Sqrt(2*math.Pi))
	return g.Mul(b.dy[0], g.Add(cdf, g.Mul(x, density)))
}

// geluTanh is for y = ½u·(1 + tanh(c·(u + 0.044715u³))), c = √(2/π). Since ½(1 + tanh z) is the sigmoid σ(2z), y = u·s with
// s = σ(u·(2c + 2c·0.044715u²)), and ∂y/∂u = s + y·(1 − s)·(2c + 6c·0.044715u²).
func (b *backward) geluTanh(u *Value) *Value {
	const k = 0.044715
	c := math.Sqrt(2 / math.Pi)
	g, y := b.g, b.n.Outputs[0]
	square := b.scale(g.Mul(u, u), 2*c*k)
	s := g.Sigmoid(g.Mul(u, g.Add(square, b.scalar(u, 2*c))))
	inner := g.Add(b.scale(square, 3), b.scalar(u, 2*c))
	return g.Mul(b.dy[0], g.Add(s, g.Mul(g.Mul(y, g.Sub(b.scalar(u, 1), s)), inner)))
}

// gradFastGelu is Gelu's by tanh at u = x + bias.
func gradFastGelu(b *backward) []*Value {
	u := b.in(0)
	if b.in(1) != nil {
		u = b.g.Add(u, b.in(1))
	}
	du := b.geluTanh(u)
	return b.each(
		func() *Value { return du },
		func() *Value { return b.sumTo(du, b.in(1)) })
}

// gradQuickGelu is for y = x·s with s = σ(αx): ∂y/∂x = s + α·y·(1 − s).
func gradQuickGelu(b *backward) []*Value {
	g, x, y, alpha := b.g, b.in(0), b.n.Outputs[0], float64(b.n.Float("alpha", 1.702))
	return b.each(func() *Value {
		s := g.Sigmoid(b.scale(x, alpha))
		return g.Mul(b.dy[0], g.Add(s, b.scale(g.Mul(y, g.Sub(b.scalar(x, 1), s)), alpha)))
	})
}
