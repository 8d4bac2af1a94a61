package eval

import (
	"fmt"

	"nightshift/onnx"
)

func init() {
	kernels["Transpose"] = transpose
	kernels["Reshape"] = reshape
	kernels["Unsqueeze"] = relabel
	kernels["Squeeze"] = relabel
	kernels["Expand"] = expand
	kernels["Concat"] = concat
	kernels["Split"] = split
	kernels["Slice"] = slice
	kernels["Trilu"] = trilu
	kernels["Shape"] = shape
	kernels["ConstantOfShape"] = constantOfShape
	kernels["Range"] = span
}

func transpose(s *step) error {
	x := s.in[0]
	perm, ok := s.n.Ints("perm")
	if !ok {
		for i := range x.Dims {
			perm = append(perm, int64(len(x.Dims)-1-i))
		}
	}
	dims := make([]int64, len(perm))
	for i, p := range perm {
		dims[i] = x.Dims[p]
	}
	out := s.make(0, dims...)
	from := make([]int64, len(perm))
	walk(dims, func(at []int64, i int) {
		for j, p := range perm {
			from[p] = at[j]
		}
		out.Data[i] = x.Data[x.flat(from)]
	})
	return nil
}

func (s *step) copied(dims []int64) error {
	if count(dims) != len(s.in[0].Data) {
		return fmt.Errorf("%v elements do not fill %v", s.in[0].Dims, dims)
	}
	copy(s.make(0, dims...).Data, s.in[0].Data)
	return nil
}

func reshape(s *step) error {
	dims, hole, rest := integers(s.in[1]), -1, 1
	for i, d := range dims {
		if d == 0 {
			dims[i] = s.in[0].Dims[i]
		}
		if d == -1 {
			hole = i
		} else {
			rest *= int(dims[i])
		}
	}
	if hole >= 0 {
		dims[hole] = int64(len(s.in[0].Data) / rest)
	}
	return s.copied(dims)
}

// relabel serves Squeeze and Unsqueeze.
func relabel(s *step) error {
	x, insert := s.in[0].Dims, s.n.Op == "Unsqueeze"
	mark, rank := map[int]bool{}, len(x)
	if s.has(1) && insert {
		rank += len(s.in[1].Data)
	}
	if s.has(1) {
		for _, a := range integers(s.in[1]) {
			mark[normal(a, rank)] = true
		}
	}
	var dims []int64
	for i := range rank {
		switch {
		case insert && mark[i]:
			dims = append(dims, 1)
		case insert:
			dims, x = append(dims, x[0]), x[1:]
		case !(mark[i] || !s.has(1) && x[i] == 1):
			dims = append(dims, x[i])
		}
	}
	return s.copied(dims)
}

func expand(s *step) error {
	x := s.in[0]
	out := s.make(0, broadcast(x.Dims, integers(s.in[1]))...)
	walk(out.Dims, func(at []int64, i int) { out.Data[i] = x.Data[x.flat(at)] })
	return nil
}

func concat(s *step) error {
	axis := normal(s.n.Int("axis", 0), len(s.in[0].Dims))
	dims := append([]int64{}, s.in[0].Dims...)
	dims[axis] = 0
	for _, t := range s.in {
		dims[axis] += t.Dims[axis]
	}
	out, off := s.make(0, dims...), int64(0)
	for _, t := range s.in {
		walk(t.Dims, func(at []int64, i int) {
			to := append([]int64{}, at...)
			to[axis] += off
			out.Data[out.flat1(to)] = t.Data[i]
		})
		off += t.Dims[axis]
	}
	return nil
}

// flat1 is the position of an exact index, nothing repeated.
func (t *Tensor) flat1(at []int64) (pos int) {
	for i, s := range strides(t.Dims) {
		pos += s * int(at[i])
	}
	return pos
}

func split(s *step) error {
	x := s.in[0]
	axis, off := normal(s.n.Int("axis", 0), len(x.Dims)), int64(0)
	for k := range s.out {
		dims := append([]int64{}, x.Dims...)
		dims[axis] = x.Dims[axis] / int64(len(s.out))
		if s.has(1) {
			dims[axis] = integer(s.in[1].Data[k])
		}
		out := s.make(k, dims...)
		walk(dims, func(at []int64, i int) {
			from := append([]int64{}, at...)
			from[axis] += off
			out.Data[i] = x.Data[x.flat1(from)]
		})
		off += dims[axis]
	}
	return nil
}

func slice(s *step) error {
	x := s.in[0]
	dims, first, step := append([]int64{}, x.Dims...), make([]int64, len(x.Dims)), make([]int64, len(x.Dims))
	for i := range step {
		step[i] = 1
	}
	starts, ends := integers(s.in[1]), integers(s.in[2])
	for i := range starts {
		axis, by := i, int64(1)
		if s.has(3) {
			axis = normal(integer(s.in[3].Data[i]), len(dims))
		}
		if s.has(4) {
			by = integer(s.in[4].Data[i])
		}
		step[axis] = by
		first[axis], dims[axis] = onnx.SliceRange(x.Dims[axis], starts[i], ends[i], by)
	}
	out := s.make(0, dims...)
	walk(dims, func(at []int64, i int) {
		from := append([]int64{}, at...)
		for j := range from {
			from[j] = first[j] + step[j]*at[j]
		}
		out.Data[i] = x.Data[x.flat1(from)]
	})
	return nil
}

func trilu(s *step) error {
	k := int64(0)
	if s.has(1) {
		k = integer(s.in[1].Data[0])
	}
	out, n := s.make(0, s.in[0].Dims...), len(s.in[0].Dims)
	walk(out.Dims, func(at []int64, i int) {
		above := at[n-1] - at[n-2] - k
		if (s.n.Int("upper", 1) != 0 && above >= 0) || (s.n.Int("upper", 1) == 0 && above <= 0) {
			out.Data[i] = s.in[0].Data[i]
		}
	})
	return nil
}

func shape(s *step) error {
	rank := int64(len(s.in[0].Dims))
	first, n := onnx.SliceRange(rank, s.n.Int("start", 0), s.n.Int("end", rank), 1)
	out := s.make(0, n)
	for i := range out.Data {
		out.Data[i] = float64(s.in[0].Dims[int(first)+i])
	}
	return nil
}

func constantOfShape(s *step) error {
	out := s.make(0, integers(s.in[0])...)
	if t := s.n.Tensor("value"); t != nil {
		v, err := constant(*t)
		if err != nil {
			return err
		}
		for i := range out.Data {
			out.Data[i] = v.Data[0]
		}
	}
	return nil
}

func span(s *step) error {
	start, limit, delta := s.in[0].Data[0], s.in[1].Data[0], s.in[2].Data[0]
	var data []float64
	for v := start; (delta > 0 && v < limit) || (delta < 0 && v > limit); v += delta {
		data = append(data, v)
	}
	copy(s.make(0, int64(len(data))).Data, data)
	return nil
}
