package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"nightshift/models/adapter"
	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// bankTensor is one linear's pair of factor banks, as they are bound to the graph.
type bankTensor struct {
	target           adapter.Target
	in, out          int
	a, b             []float32
	tensorA, tensorB *ort.Tensor
	divided          []float32 // [in] what the weights divide the linear's inputs by, nil for nothing
}

// rowsOf is how many bank rows an adapter takes.
func rowsOf(rank int) int { return (rank + gpt2.BankRank - 1) / gpt2.BankRank }

// The bounds of BankRows.
const (
	leastRows  = 33
	mostRows   = 129
	rowsMemory = 512 << 20 // bytes
)

// BankRows is how many rows a bank for all linears of a model has when nobody says: as many as 512 MiB hold, between 33 and 129. Rows
// that no version has used yet take address space and no memory.
func BankRows(model *Model) int {
	row := 0
	for _, m := range gpt2.Modules {
		if in, out, err := model.Config.ModuleShape(m); err == nil {
			row += 4 * gpt2.BankRank * (in + out) * model.Config.Layers
		}
	}
	return min(mostRows, max(leastRows, rowsMemory/max(1, row)))
}

// add allocates one linear's rows.
func (b *Bank) add(model *Model, target adapter.Target) error {
	in, out, err := model.Config.ModuleShape(target.Module)
	if err != nil {
		return err
	}
	t := bankTensor{target: target, in: in, out: out, divided: model.InputScale(fmt.Sprintf("h.%d.%s", target.Layer, target.Module)),
		a: ort.AlignedFloats(b.rows * in * gpt2.BankRank), b: ort.AlignedFloats(b.rows * gpt2.BankRank * out)}
	n := int64(b.rows)
	t.tensorA, err = ort.NewTensor([]int64{n, int64(in), gpt2.BankRank}, t.a)
	if err == nil {
		t.tensorB, err = ort.NewTensor([]int64{n, gpt2.BankRank, int64(out)}, t.b)
	}
	b.tensors = append(b.tensors, t)
	return err
}

// write copies one linear's factors into rows, eight ranks a row, with the adapter's scale folded into B and what the linear's
// inputs are divided by into A; ranks beyond the
// adapter's are zero, and so is a linear without factors.
func (t *bankTensor) write(a *adapter.Adapter, rows []int64) {
	f, ok := a.Factors[t.target]
	rank, scale := a.Config.Rank, float32(a.Config.Scale())
	for n, row := range rows {
		dstA := t.a[int(row)*t.in*gpt2.BankRank:][:t.in*gpt2.BankRank]
		dstB := t.b[int(row)*t.out*gpt2.BankRank:][:t.out*gpt2.BankRank]
		clear(dstA)
		clear(dstB)
		if !ok {
			continue
		}
		first, last := n*gpt2.BankRank, min(rank, (n+1)*gpt2.BankRank)
		for i := range t.in {
			row := dstA[i*gpt2.BankRank:]
			copy(row, f.A[i*rank+first:i*rank+last])
			if t.divided != nil {
				for r := range last - first {
					row[r] *= t.divided[i]
				}
			}
		}
		for r := first; r < last; r++ {
			for o, v := range f.B[r*t.out : (r+1)*t.out] {
				dstB[(r-first)*t.out+o] = v * scale
			}
		}
	}
}

// rewrite is write from the bytes of an adapter's file, A [rank, in] and B [out, rank].
func (t *bankTensor) rewrite(l *adapter.Layout, weights []byte, rows []int64) {
	fa, fb := l.Factors(weights, t.target)
	rank, scale := l.Config.Rank, float32(l.Config.Scale())
	for n, row := range rows {
		dstA := t.a[int(row)*t.in*gpt2.BankRank:][:t.in*gpt2.BankRank]
		dstB := t.b[int(row)*t.out*gpt2.BankRank:][:t.out*gpt2.BankRank]
		first, last := n*gpt2.BankRank, min(rank, (n+1)*gpt2.BankRank)
		if fa == nil || last < first+gpt2.BankRank {
			clear(dstA)
			clear(dstB)
		}
		if fa == nil {
			continue
		}
		t.rewriteA(dstA, fa[4*first*t.in:4*last*t.in])
		t.rewriteB(dstB, fb[4*first:], rank, last-first, scale)
	}
}

// rewriteA transposes A [ranks, in] into [in, 8], a block of inputs at a time that stays in the nearest cache.
func (t *bankTensor) rewriteA(dst []float32, from []byte) {
	const block = 512
	for low := 0; low < t.in; low += block {
		high := min(low+block, t.in)
		for r := 0; 4*r*t.in < len(from); r++ {
			source := from[4*(r*t.in+low) : 4*(r*t.in+high)]
			to := dst[low*gpt2.BankRank : high*gpt2.BankRank]
			for len(source) >= 4 {
				to[r] = number(source)
				source, to = source[4:], to[gpt2.BankRank:]
			}
		}
		if t.divided != nil {
			for i := low; i < high; i++ {
				row := dst[i*gpt2.BankRank : (i+1)*gpt2.BankRank]
				for r := range row {
					row[r] *= t.divided[i]
				}
			}
		}
	}
}

// rewriteB transposes ranks columns of B [out, rank] into [8, out], scaled.
func (t *bankTensor) rewriteB(dst []float32, from []byte, rank, ranks int, scale float32) {
	const block = 512
	for low := 0; low < t.out; low += block {
		high := min(low+block, t.out)
		for r := range ranks {
			to, at := dst[r*t.out+low:r*t.out+high], 4*(low*rank+r)
			for o := range to {
				to[o] = number(from[at:]) * scale
				at += 4 * rank
			}
		}
	}
}

// number reads a little-endian float32.
func number(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
