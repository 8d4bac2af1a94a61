package engine

import (
	"encoding/binary"
	"math"
	"unsafe"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// bankTensor is one linear's pair of factor banks: A [rows, 8, in] and B [rows, 8, out].
type bankTensor struct {
	target  arch.Target
	in, out int
	a, b    []float32
	divided []float32 // [in] what the weights divide the linear's inputs by, nil for nothing
}

// rowA is the A of a row, [8, in].
func (t *bankTensor) rowA(row int64) []float32 {
	n := graphs.RankStep * t.in
	return t.a[int(row)*n:][:n]
}

// rowB is the B of a row, [8, out].
func (t *bankTensor) rowB(row int64) []float32 {
	n := graphs.RankStep * t.out
	return t.b[int(row)*n:][:n]
}

// rowsOf is how many bank rows an adapter takes.
func rowsOf(rank int) int { return (rank + graphs.RankStep - 1) / graphs.RankStep }

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
	for _, m := range model.Config.Modules() {
		if in, out, err := model.Config.Dims(m); err == nil {
			row += 4 * graphs.RankStep * (in + out) * model.Config.Layers
		}
	}
	return min(mostRows, max(leastRows, rowsMemory/max(1, row)))
}

// add allocates one linear's rows.
func (b *Bank) add(model *Model, target arch.Target) error {
	in, out, err := model.Config.Dims(target.Module)
	if err != nil {
		return err
	}
	b.tensors = append(b.tensors, bankTensor{target: target, in: in, out: out, divided: model.InputScale(model.Config.Holder(target).String()),
		a: ort.AlignedFloats(b.rows * graphs.RankStep * in), b: ort.AlignedFloats(b.rows * graphs.RankStep * out)})
	return nil
}

// write copies one linear's factors into rows, eight ranks a row, with the adapter's scale folded into B and what the linear's
// inputs are divided by into A; ranks beyond the
// adapter's are zero, and so is a linear without factors.
func (t *bankTensor) write(a *adapter.Adapter, rows []int64) {
	f, ok := a.Factors[t.target]
	rank, scale := a.Config.Rank, float32(a.Config.Scale())
	for n, row := range rows {
		dstA, dstB := t.rowA(row), t.rowB(row)
		clear(dstA)
		clear(dstB)
		if !ok {
			continue
		}
		first, last := n*graphs.RankStep, min(rank, (n+1)*graphs.RankStep)
		for i := range t.in {
			for r, v := range f.A[i*rank+first : i*rank+last] {
				dstA[r*t.in+i] = v
			}
		}
		t.divide(dstA)
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
		dstA, dstB := t.rowA(row), t.rowB(row)
		first, last := n*graphs.RankStep, min(rank, (n+1)*graphs.RankStep)
		if fa == nil || last < first+graphs.RankStep {
			clear(dstA)
			clear(dstB)
		}
		if fa == nil {
			continue
		}
		copy(bytesOf(dstA), fa[4*first*t.in:4*last*t.in])
		t.divide(dstA)
		t.rewriteB(dstB, fb[4*first:], rank, last-first, scale)
	}
}

// divide multiplies the rows of A [8, in] by what the weights divide the linear's inputs by.
func (t *bankTensor) divide(a []float32) {
	if t.divided == nil {
		return
	}
	for ; len(a) > 0; a = a[t.in:] {
		for i, d := range t.divided {
			a[i] *= d
		}
	}
}

// rewriteB transposes ranks columns of B [out, rank] into [8, out], scaled.
func (t *bankTensor) rewriteB(dst []float32, from []byte, rank, ranks int, scale float32) {
	n := t.out
	if rank == graphs.RankStep {
		r0, r1, r2, r3 := dst[:n], dst[n:2*n], dst[2*n:3*n], dst[3*n:4*n]
		r4, r5, r6, r7 := dst[4*n:5*n], dst[5*n:6*n], dst[6*n:7*n], dst[7*n:8*n]
		for o := range n {
			line := from[4*graphs.RankStep*o:][:4*graphs.RankStep]
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

// bytesOf views numbers as the bytes of a file, which are in the order of every processor that the library runs on.
func bytesOf(list []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), 4*len(list))
}
