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

// rewriteA transposes A [ranks, in] into [in, 8].
func (t *bankTensor) rewriteA(dst []float32, from []byte) {
	n := 4 * t.in
	if len(from) == gpt2.BankRank*n && t.divided == nil { // the usual adapter: each number is read once and each line written once
		r0, r1, r2, r3 := from[:n], from[n:2*n], from[2*n:3*n], from[3*n:4*n]
		r4, r5, r6, r7 := from[4*n:5*n], from[5*n:6*n], from[6*n:7*n], from[7*n:8*n]
		for i := range t.in {
			at, to := 4*i, dst[i*gpt2.BankRank:][:gpt2.BankRank]
			to[0], to[1], to[2], to[3] = number(r0[at:]), number(r1[at:]), number(r2[at:]), number(r3[at:])
			to[4], to[5], to[6], to[7] = number(r4[at:]), number(r5[at:]), number(r6[at:]), number(r7[at:])
		}
		return
	}
	for r := 0; r*n < len(from); r++ {
		source := from[r*n : (r+1)*n]
		for i := range t.in {
			v := number(source[4*i:])
			if t.divided != nil {
				v *= t.divided[i]
			}
			dst[i*gpt2.BankRank+r] = v
		}
	}
}

// rewriteB transposes ranks columns of B [out, rank] into [8, out], scaled.
func (t *bankTensor) rewriteB(dst []float32, from []byte, rank, ranks int, scale float32) {
	n := t.out
	if rank == gpt2.BankRank {
		r0, r1, r2, r3 := dst[:n], dst[n:2*n], dst[2*n:3*n], dst[3*n:4*n]
		r4, r5, r6, r7 := dst[4*n:5*n], dst[5*n:6*n], dst[6*n:7*n], dst[7*n:8*n]
		for o := range n {
			line := from[4*gpt2.BankRank*o:][:4*gpt2.BankRank]
			r0[o], r1[o], r2[o], r3[o] = number(line)*scale, number(line[4:])*scale, number(line[8:])*scale, number(line[12:])*scale
			r4[o], r5[o], r6[o], r7[o] = number(line[16:])*scale, number(line[20:])*scale, number(line[24:])*scale, number(line[28:])*scale
		}
		return
	}
	for r := range ranks {
		to := dst[r*n : (r+1)*n]
		for o := range to {
			to[o] = number(from[4*(o*rank+r):]) * scale
		}
	}
}

// number reads a little-endian float32.
func number(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
