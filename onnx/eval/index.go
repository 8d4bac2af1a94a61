package eval

import (
	"math"
	"sort"
)

func init() {
	kernels["Gather"] = gather
	kernels["GatherElements"] = gatherElements
	kernels["ScatterElements"] = scatterElements
	kernels["ScatterND"] = scatterND
	kernels["OneHot"] = oneHot
	kernels["TopK"] = topK
	kernels["ArgMax"] = argMax
}

// position is an index value made non-negative.
func position(v float64, size int64) int64 {
	if v < 0 {
		v += float64(size)
	}
	return integer(v)
}

func gather(s *step) error {
	x, index := s.in[0], s.in[1]
	axis, q := normal(s.n.Int("axis", 0), len(x.Dims)), len(index.Dims)
	dims := append(append(append([]int64{}, x.Dims[:axis]...), index.Dims...), x.Dims[axis+1:]...)
	out := s.make(0, dims...)
	walk(dims, func(at []int64, i int) {
		k := position(index.Data[index.flat1(at[axis:axis+q])], x.Dims[axis])
		from := append(append(append([]int64{}, at[:axis]...), k), at[axis+q:]...)
		out.Data[i] = x.Data[x.flat1(from)]
	})
	return nil
}

func gatherElements(s *step) error {
	x, index := s.in[0], s.in[1]
	axis := normal(s.n.Int("axis", 0), len(x.Dims))
	out := s.make(0, index.Dims...)
	walk(index.Dims, func(at []int64, i int) {
		from := append([]int64{}, at...)
		from[axis] = position(index.Data[i], x.Dims[axis])
		out.Data[i] = x.Data[x.flat1(from)]
	})
	return nil
}

func merge(reduction string, old, v float64) float64 {
	switch reduction {
	case "add":
		return old + v
	case "mul":
		return old * v
	case "max":
		return math.Max(old, v)
	case "min":
		return math.Min(old, v)
	}
	return v
}

func scatterElements(s *step) error {
	x, index, updates := s.in[0], s.in[1], s.in[2]
	axis := normal(s.n.Int("axis", 0), len(x.Dims))
	out := s.make(0, x.Dims...)
	copy(out.Data, x.Data)
	walk(index.Dims, func(at []int64, i int) {
		to := append([]int64{}, at...)
		to[axis] = position(index.Data[i], x.Dims[axis])
		p := out.flat1(to)
		out.Data[p] = merge(s.n.Text("reduction", "none"), out.Data[p], updates.Data[i])
	})
	return nil
}

func scatterND(s *step) error {
	x, index, updates := s.in[0], s.in[1], s.in[2]
	out := s.make(0, x.Dims...)
	copy(out.Data, x.Data)
	last := int(index.Dims[len(index.Dims)-1])
	size := count(x.Dims[last:])
	for i := range len(index.Data) / max(last, 1) {
		pos := 0
		for j, st := range strides(x.Dims)[:last] {
			pos += st * int(position(index.Data[i*last+j], x.Dims[j]))
		}
		for j := range size {
			out.Data[pos+j] = merge(s.n.Text("reduction", "none"), out.Data[pos+j], updates.Data[i*size+j])
		}
	}
	return nil
}

func oneHot(s *step) error {
	index, depth, values := s.in[0], integer(s.in[1].Data[0]), s.in[2]
	axis := normal(s.n.Int("axis", -1), len(index.Dims)+1)
	dims := append(append(append([]int64{}, index.Dims[:axis]...), depth), index.Dims[axis:]...)
	out := s.make(0, dims...)
	walk(dims, func(at []int64, i int) {
		from := append(append([]int64{}, at[:axis]...), at[axis+1:]...)
		out.Data[i] = values.Data[0]
		if position(index.Data[index.flat1(from)], depth) == at[axis] {
			out.Data[i] = values.Data[1]
		}
	})
	return nil
}

// lines calls f with the positions of every line of x along an axis.
func lines(x *Tensor, axis int, f func(at []int64, line []int)) {
	dims := append([]int64{}, x.Dims...)
	dims[axis] = 1
	walk(dims, func(at []int64, _ int) {
		line, start, st := make([]int, x.Dims[axis]), x.flat1(at), strides(x.Dims)[axis]
		for i := range line {
			line[i] = start + i*st
		}
		f(at, line)
	})
}

func topK(s *step) error {
	x, k := s.in[0], integer(s.in[1].Data[0])
	axis, sign := normal(s.n.Int("axis", -1), len(x.Dims)), 1.0
	if s.n.Int("largest", 1) == 0 {
		sign = -1
	}
	dims := append([]int64{}, x.Dims...)
	dims[axis] = k
	values, indices := s.make(0, dims...), s.make(1, dims...)
	lines(x, axis, func(at []int64, line []int) {
		order := make([]int, len(line))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(i, j int) bool {
			return sign*x.Data[line[order[i]]] > sign*x.Data[line[order[j]]]
		})
		to := append([]int64{}, at...)
		for i, o := range order[:k] {
			to[axis] = int64(i)
			values.Data[values.flat1(to)] = x.Data[line[o]]
			indices.Data[indices.flat1(to)] = float64(o)
		}
	})
	return nil
}

func argMax(s *step) error {
	x := s.in[0]
	axis := normal(s.n.Int("axis", 0), len(x.Dims))
	dims := append([]int64{}, x.Dims[:axis]...)
	if s.n.Int("keepdims", 1) != 0 {
		dims = append(dims, 1)
	}
	out, i := s.make(0, append(dims, x.Dims[axis+1:]...)...), 0
	lines(x, axis, func(_ []int64, line []int) {
		best := 0
		for j := range line {
			v, b := x.Data[line[j]], x.Data[line[best]]
			if v > b || (v == b && s.n.Int("select_last_index", 0) != 0) {
				best = j
			}
		}
		out.Data[i] = float64(best)
		i++
	})
	return nil
}
