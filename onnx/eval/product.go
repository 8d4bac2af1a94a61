package eval

import "fmt"

func init() {
	kernels["MatMul"] = matMul
	kernels["FusedMatMul"] = matMul
	kernels["MatMulInteger"] = matMulInteger
	kernels["Gemm"] = gemm
	kernels["MatMulNBits"] = matMulNBits
}

// swapped is t with its last two axes exchanged.
func swapped(t *Tensor) *Tensor {
	n := len(t.Dims)
	dims := append([]int64{}, t.Dims...)
	dims[n-1], dims[n-2] = dims[n-2], dims[n-1]
	out := New(t.Type, dims...)
	rows, cols := int(t.Dims[n-2]), int(t.Dims[n-1])
	for i, v := range t.Data {
		m, r, c := i/(rows*cols), i/cols%rows, i%cols
		out.Data[m*rows*cols+c*rows+r] = v
	}
	return out
}

func reshaped(t *Tensor, dims ...int64) *Tensor {
	return &Tensor{Type: t.Type, Dims: dims, Data: t.Data}
}

func (s *step) operands() (a, b *Tensor) {
	a, b = s.in[0], s.in[1]
	if len(a.Dims) == 1 {
		a = reshaped(a, 1, a.Dims[0])
	}
	if len(b.Dims) == 1 {
		b = reshaped(b, b.Dims[0], 1)
	}
	if s.n.Int("transA", 0) != 0 {
		a = swapped(a)
	}
	if s.n.Int("transB", 0) != 0 {
		b = swapped(b)
	}
	return a, b
}

// times multiplies stacks of matrices in the shape [batch..., m, n].
func times(a, b *Tensor) *Tensor {
	ra, rb := len(a.Dims), len(b.Dims)
	batch := broadcast(a.Dims[:ra-2], b.Dims[:rb-2])
	m, k, n := a.Dims[ra-2], a.Dims[ra-1], b.Dims[rb-1]
	if k != b.Dims[rb-2] {
		panic(fmt.Sprintf("inner dimensions of %v and %v differ", a.Dims, b.Dims))
	}
	out := New(a.Type, append(append([]int64{}, batch...), m, n)...)
	walk(out.Dims, func(at []int64, i int) {
		atA, atB := append([]int64{}, at...), append([]int64{}, at...)
		for j := range k {
			atA[len(at)-1], atB[len(at)-2] = j, j
			out.Data[i] += a.Data[a.flat(atA)] * b.Data[b.flat(atB)]
		}
	})
	return out
}

func matMul(s *step) error {
	a, b := s.operands()
	y := times(a, b)
	alpha := float64(s.n.Float("alpha", 1))
	n := len(y.Dims)
	dims := append([]int64{}, y.Dims[:n-2]...)
	if len(s.in[0].Dims) > 1 {
		dims = append(dims, y.Dims[n-2])
	}
	if len(s.in[1].Dims) > 1 {
		dims = append(dims, y.Dims[n-1])
	}
	out := s.make(0, dims...)
	for i, v := range y.Data {
		out.Data[i] = alpha * v
	}
	return nil
}

// matMulInteger subtracts zero points (a scalar, one per row of A, one per column of B) and multiplies.
func matMulInteger(s *step) error {
	shift := func(i int, rows bool) {
		if !s.has(i + 2) {
			return
		}
		x, zero := s.in[i], s.in[i+2]
		out := New(x.Type, x.Dims...)
		last := int(x.Dims[len(x.Dims)-1])
		for j, v := range x.Data {
			at := j % last
			if rows {
				at = j / last
			}
			out.Data[j] = v - zero.Data[at%len(zero.Data)]
		}
		s.in[i] = out
	}
	s.in = append([]*Tensor{}, s.in...)
	shift(0, true)
	shift(1, false)
	return matMul(s)
}

func gemm(s *step) error {
	a, b := s.operands()
	y := times(a, b)
	alpha, beta := float64(s.n.Float("alpha", 1)), float64(s.n.Float("beta", 1))
	out := s.make(0, y.Dims...)
	walk(y.Dims, func(at []int64, i int) {
		out.Data[i] = alpha * y.Data[i]
		if s.has(2) {
			out.Data[i] += beta * s.in[2].Data[s.in[2].flat(at)]
		}
	})
	return nil
}

// matMulNBits unpacks B [N, blocks, bytes], values of 2, 4 or 8 bits from the low end of each byte, and multiplies x by
// (q − zero)·scale; zero is half the range unless given, packed the same way per row.
func matMulNBits(s *step) error {
	k, n := s.n.Int("K", 0), s.n.Int("N", 0)
	bits, block := s.n.Int("bits", 4), s.n.Int("block_size", 0)
	if s.has(4) {
		return fmt.Errorf("the group index is not supported here")
	}
	blocks, per := (k+block-1)/block, 8/bits
	unpack := func(t *Tensor, row, rowBytes, i int64) float64 {
		return float64(int64(t.Data[row*rowBytes+i/per]) >> (bits * (i % per)) & (1<<bits - 1))
	}
	w := New(s.in[0].Type, k, n)
	for col := range n {
		for i := range k {
			zero := float64(int64(1) << (bits - 1))
			if s.has(3) {
				zero = unpack(s.in[3], col, (blocks+per-1)/per, i/block)
			}
			q := unpack(s.in[1], col, blocks*block*bits/8, i)
			w.Data[i*n+col] = (q - zero) * s.in[2].Data[col*blocks+i/block]
		}
	}
	x := s.in[0]
	y := times(reshaped(x, int64(len(x.Data))/k, k), w)
	out := s.make(0, append(append([]int64{}, x.Dims[:len(x.Dims)-1]...), n)...)
	for i, v := range y.Data {
		out.Data[i] = v
		if s.has(5) {
			out.Data[i] += s.in[5].Data[int64(i)%n]
		}
	}
	return nil
}
