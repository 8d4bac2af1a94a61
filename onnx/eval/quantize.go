package eval

import (
	"math"

	"nightshift/onnx"
)

func init() {
	kernels["QuantizeLinear"] = quantizeLinear
	kernels["DequantizeLinear"] = dequantizeLinear
	kernels["MatMulIntegerToFloat"] = matMulIntegerToFloat
}

// byScale calls f with every element's index and that of its scale: 0 for a scalar, the place on the axis attribute for a vector,
// that of the block with block_size.
func (s *step) byScale(f func(i, scale int)) {
	x, scale := s.in[0], s.in[1]
	axis, block := -1, s.n.Int("block_size", 0)
	if block > 0 || len(scale.Dims) == 1 && len(x.Dims) > 0 {
		axis = normal(s.n.Int("axis", 1), len(x.Dims))
	}
	walk(x.Dims, func(at []int64, i int) {
		switch {
		case axis < 0:
			f(i, 0)
		case block == 0:
			f(i, int(at[axis]))
		default:
			k := int64(0)
			for d, place := range at {
				if d == axis {
					place /= block
				}
				k = k*scale.Dims[d] + place
			}
			f(i, int(k))
		}
	})
}

// quantizeLinear is saturate(round(x/scale) + zero), halves rounded to even. The division is in float32, as in a runtime:
// what float64 sees next to a half would round differently.
func quantizeLinear(s *step) error {
	out := s.make(0, s.in[0].Dims...)
	low, high := 0.0, 255.0
	if out.Type == onnx.Int8 {
		low, high = -128, 127
	}
	s.byScale(func(i, k int) {
		q := math.RoundToEven(float64(float32(s.in[0].Data[i]) / float32(s.in[1].Data[k])))
		if s.has(2) {
			q += s.in[2].Data[k]
		}
		out.Data[i] = math.Max(low, math.Min(high, q))
	})
	return nil
}

// dequantizeLinear is (x − zero)·scale.
func dequantizeLinear(s *step) error {
	out := s.make(0, s.in[0].Dims...)
	s.byScale(func(i, k int) {
		v := s.in[0].Data[i]
		if s.has(2) {
			v -= s.in[2].Data[k]
		}
		out.Data[i] = v * s.in[1].Data[k]
	})
	return nil
}

// matMulIntegerToFloat is MatMulInteger times the scale of A and the scale of B or of its columns, plus a bias.
func matMulIntegerToFloat(s *step) error {
	scaleA, scaleB, bias, given := s.in[2], s.in[3], (*Tensor)(nil), s.in
	if s.has(6) {
		bias = s.in[6]
	}
	s.in = append([]*Tensor{}, s.in[:2]...)
	for _, i := range []int{4, 5} {
		if i < len(given) {
			s.in = append(s.in, given[i])
		}
	}
	if err := matMulInteger(s); err != nil {
		return err
	}
	y := s.out[0]
	columns := int(y.Dims[len(y.Dims)-1])
	for i := range y.Data {
		y.Data[i] *= scaleA.Data[0] * scaleB.Data[i%columns%len(scaleB.Data)]
		if bias != nil {
			y.Data[i] += bias.Data[i%columns]
		}
	}
	return nil
}
