package eval

import (
	"fmt"
	"math"

	"nightshift/onnx"
)

var kernels = map[string]func(*step) error{}

func init() {
	for op, f := range map[string]func(a, b float64) float64{
		"Add": func(a, b float64) float64 { return a + b }, "Sub": func(a, b float64) float64 { return a - b },
		"Mul": func(a, b float64) float64 { return a * b }, "Div": func(a, b float64) float64 { return a / b },
		"Pow": math.Pow, "Max": math.Max, "Min": math.Min,
		"Equal":   func(a, b float64) float64 { return truth(a == b) },
		"Greater": func(a, b float64) float64 { return truth(a > b) }, "Less": func(a, b float64) float64 { return truth(a < b) },
		"LessOrEqual": func(a, b float64) float64 { return truth(a <= b) },
		"And":         func(a, b float64) float64 { return a * b }, "Or": math.Max,
	} {
		kernels[op] = func(s *step) error { return s.fold(f) }
	}
	for op, f := range map[string]func(float64) float64{
		"Neg": func(x float64) float64 { return -x }, "Abs": math.Abs, "Sqrt": math.Sqrt, "Exp": math.Exp, "Log": math.Log,
		"Tanh": math.Tanh, "Erf": math.Erf, "Relu": func(x float64) float64 { return math.Max(x, 0) }, "Sigmoid": sigmoid,
		"Round": math.RoundToEven, "Identity": func(x float64) float64 { return x }, "Not": func(x float64) float64 { return 1 - x },
	} {
		kernels[op] = func(s *step) error { return s.each(f) }
	}
	kernels["Where"] = where
	kernels["Clip"] = clip
	kernels["Cast"] = cast
	kernels["Gelu"] = func(s *step) error {
		if s.n.Text("approximate", "none") == "tanh" {
			return s.each(geluTanh)
		}
		return s.each(gelu)
	}
	kernels["FastGelu"] = func(s *step) error { return s.biased(geluTanh) }
	kernels["QuickGelu"] = func(s *step) error {
		alpha := float64(s.n.Float("alpha", 1.702))
		return s.each(func(x float64) float64 { return x * sigmoid(alpha*x) })
	}
	kernels["BiasGelu"] = func(s *step) error { return s.biased(gelu) }
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func gelu(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }

func geluTanh(x float64) float64 {
	return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

// narrow drops what an integer type does not hold.
func narrow(t onnx.DType, v float64) float64 {
	switch t {
	case onnx.Float, onnx.Float16:
		return v
	case onnx.Bool:
		return truth(v != 0)
	}
	return math.Trunc(v)
}

func (s *step) fold(f func(a, b float64) float64) error {
	acc := s.in[0]
	if len(s.in) == 1 {
		s.out[0] = acc
	}
	for _, t := range s.in[1:] {
		out := s.make(0, broadcast(acc.Dims, t.Dims)...)
		walk(out.Dims, func(at []int64, i int) {
			out.Data[i] = narrow(out.Type, f(acc.Data[acc.flat(at)], t.Data[t.flat(at)]))
		})
		acc = out
	}
	return nil
}

func (s *step) each(f func(float64) float64) error {
	out := s.make(0, s.in[0].Dims...)
	for i, v := range s.in[0].Data {
		out.Data[i] = f(v)
	}
	return nil
}

func (s *step) biased(f func(float64) float64) error {
	out := s.make(0, s.in[0].Dims...)
	for i, v := range s.in[0].Data {
		if s.has(1) {
			v += s.in[1].Data[i%len(s.in[1].Data)]
		}
		out.Data[i] = f(v)
	}
	return nil
}

func where(s *step) error {
	c, a, b := s.in[0], s.in[1], s.in[2]
	out := s.make(0, broadcast(c.Dims, a.Dims, b.Dims)...)
	walk(out.Dims, func(at []int64, i int) {
		if c.Data[c.flat(at)] != 0 {
			out.Data[i] = a.Data[a.flat(at)]
		} else {
			out.Data[i] = b.Data[b.flat(at)]
		}
	})
	return nil
}

func clip(s *step) error {
	return s.each(func(v float64) float64 {
		if s.has(1) {
			v = math.Max(v, s.in[1].Data[0])
		}
		if s.has(2) {
			v = math.Min(v, s.in[2].Data[0])
		}
		return v
	})
}

func cast(s *step) error {
	t := onnx.DType(s.n.Int("to", 0))
	if t == onnx.Float16 {
		return fmt.Errorf("half precision is not rounded here")
	}
	return s.each(func(v float64) float64 { return narrow(t, v) })
}
