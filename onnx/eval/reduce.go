package eval

import "math"

func init() {
	kernels["ReduceSum"] = func(s *step) error { return s.reduce(total) }
	kernels["ReduceMean"] = func(s *step) error {
		return s.reduce(func(v []float64) float64 { return total(v) / float64(len(v)) })
	}
	kernels["ReduceMax"] = func(s *step) error { return s.reduce(largest) }
	kernels["ReduceLogSumExp"] = func(s *step) error { return s.reduce(logSumExp) }
	kernels["Softmax"] = func(s *step) error {
		return s.along(func(v, lse float64) float64 { return math.Exp(v - lse) })
	}
	kernels["LogSoftmax"] = func(s *step) error {
		return s.along(func(v, lse float64) float64 { return v - lse })
	}
	kernels["LayerNormalization"] = layerNormalization
	kernels["SkipLayerNormalization"] = skipLayerNormalization
	kernels["SimplifiedLayerNormalization"] = simplifiedLayerNormalization
	kernels["SkipSimplifiedLayerNormalization"] = skipSimplifiedLayerNormalization
}

func total(v []float64) (sum float64) {
	for _, x := range v {
		sum += x
	}
	return sum
}

func largest(v []float64) float64 {
	m := math.Inf(-1)
	for _, x := range v {
		m = math.Max(m, x)
	}
	return m
}

func logSumExp(v []float64) float64 {
	m, sum := largest(v), 0.0
	for _, x := range v {
		sum += math.Exp(x - m)
	}
	return m + math.Log(sum)
}

func (s *step) reduce(f func([]float64) float64) error {
	x, mask := s.in[0], map[int]bool{}
	if s.has(1) {
		for _, a := range integers(s.in[1]) {
			mask[normal(a, len(x.Dims))] = true
		}
	}
	kept, dims := append([]int64{}, x.Dims...), []int64{}
	for i, d := range x.Dims {
		if len(mask) == 0 || mask[i] {
			kept[i] = 1
		} else {
			dims = append(dims, d)
		}
	}
	groups, full := make([][]float64, count(kept)), &Tensor{Dims: kept}
	walk(x.Dims, func(at []int64, i int) {
		g := full.flat(at)
		groups[g] = append(groups[g], x.Data[i])
	})
	if s.n.Int("keepdims", 1) != 0 {
		dims = kept
	}
	out := s.make(0, dims...)
	for i, g := range groups {
		out.Data[i] = f(g)
	}
	return nil
}

// along applies f to every element and the log-sum-exp of its line.
func (s *step) along(f func(v, lse float64) float64) error {
	x := s.in[0]
	out := s.make(0, x.Dims...)
	lines(x, normal(s.n.Int("axis", -1), len(x.Dims)), func(_ []int64, line []int) {
		v := make([]float64, len(line))
		for i, p := range line {
			v[i] = x.Data[p]
		}
		lse := logSumExp(v)
		for i, p := range line {
			out.Data[p] = f(v[i], lse)
		}
	})
	return nil
}

// normalise fills y, mean and inverse deviation over runs of n elements.
func normalise(x, scale, bias, y, mean, inv *Tensor, n int, epsilon float64) {
	for start := 0; start < len(x.Data); start += n {
		v, squares := x.Data[start:start+n], 0.0
		m := total(v) / float64(n)
		for _, e := range v {
			squares += (e - m) * (e - m)
		}
		r := 1 / math.Sqrt(squares/float64(n)+epsilon)
		mean.Data[start/n], inv.Data[start/n] = m, r
		for i, e := range v {
			y.Data[start+i] = (e - m) * r * scale.Data[i]
			if bias != nil {
				y.Data[start+i] += bias.Data[i]
			}
		}
	}
}

func layerNormalization(s *step) error {
	x := s.in[0]
	axis := normal(s.n.Int("axis", -1), len(x.Dims))
	stats := append([]int64{}, x.Dims...)
	for i := axis; i < len(stats); i++ {
		stats[i] = 1
	}
	var bias *Tensor
	if s.has(2) {
		bias = s.in[2]
	}
	normalise(x, s.in[1], bias, s.make(0, x.Dims...), s.make(1, stats...), s.make(2, stats...), count(x.Dims[axis:]),
		float64(s.n.Float("epsilon", 1e-5)))
	return nil
}

func skipLayerNormalization(s *step) error {
	x, skip := s.in[0], s.in[1]
	n := int(x.Dims[len(x.Dims)-1])
	sum := s.make(3, x.Dims...)
	walk(x.Dims, func(at []int64, i int) {
		sum.Data[i] = x.Data[i] + skip.Data[skip.flat(at)]
		if s.has(4) {
			sum.Data[i] += s.in[4].Data[i%n]
		}
	})
	stats := append([]int64{}, x.Dims...)
	stats[len(stats)-1] = 1
	var bias *Tensor
	if s.has(3) {
		bias = s.in[3]
	}
	normalise(sum, s.in[2], bias, s.make(0, x.Dims...), s.make(1, stats...), s.make(2, stats...), n,
		float64(s.n.Float("epsilon", 1e-12)))
	return nil
}

// rootMeanSquare fills y and the inverse root mean square over runs of n elements.
func rootMeanSquare(x, scale, y, inv *Tensor, n int, epsilon float64) {
	for start := 0; start < len(x.Data); start += n {
		v, squares := x.Data[start:start+n], 0.0
		for _, e := range v {
			squares += e * e
		}
		r := 1 / math.Sqrt(squares/float64(n)+epsilon)
		inv.Data[start/n] = r
		for i, e := range v {
			y.Data[start+i] = e * r * scale.Data[i]
		}
	}
}

func simplifiedLayerNormalization(s *step) error {
	x := s.in[0]
	axis := normal(s.n.Int("axis", -1), len(x.Dims))
	stats := append([]int64{}, x.Dims...)
	for i := axis; i < len(stats); i++ {
		stats[i] = 1
	}
	rootMeanSquare(x, s.in[1], s.make(0, x.Dims...), s.make(1, stats...), count(x.Dims[axis:]), float64(s.n.Float("epsilon", 1e-5)))
	return nil
}

func skipSimplifiedLayerNormalization(s *step) error {
	x, skip := s.in[0], s.in[1]
	n := int(x.Dims[len(x.Dims)-1])
	sum := s.make(3, x.Dims...)
	walk(x.Dims, func(at []int64, i int) {
		sum.Data[i] = x.Data[i] + skip.Data[skip.flat(at)]
		if s.has(3) {
			sum.Data[i] += s.in[3].Data[i%n]
		}
	})
	stats := append([]int64{}, x.Dims...)
	stats[len(stats)-1] = 1
	s.make(1, stats...)
	rootMeanSquare(sum, s.in[2], s.make(0, x.Dims...), s.make(2, stats...), n, float64(s.n.Float("epsilon", 1e-12)))
	return nil
}
