package kv

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"unsafe"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// AdapterBank is the memory of the resident adapters: for every adapted linear rows of rank-8 factors, from which [AdapterSlots] are
// filled. An adapter of rank R takes ⌈R/8⌉ rows. Rows that nothing has been written to take address space and no memory.
//
// Different rows may be written, and others read, at the same time.
type AdapterBank struct {
	linears []linear
}

// linear is one linear's pair of factor banks: A [rows, 8, in] and B [rows, 8, out].
type linear struct {
	target  arch.Target
	in, out int
	a, b    []float32
	divided []float32 // [in] what the weights divide the linear's inputs by, nil for nothing
	outputs []float32 // [out] one over what they divide its outputs by, nil for nothing
}

// NewAdapterBank reserves rows for the given modules of every layer of a model. scale is what the inputs of a linear such as
// h.0.attn.c_attn are divided by in its weights, [in]; nil for 1. Outputs that these inputs are proportional to are divided as well.
func NewAdapterBank(cfg arch.Shape, modules []string, rows int, scale func(linear string) []float32) (*AdapterBank, error) {
	b := &AdapterBank{}
	for layer := range cfg.Layers {
		for _, m := range modules {
			in, out, err := cfg.Dims(m)
			if err != nil {
				return nil, errors.Join(err, b.Close())
			}
			t := arch.Target{Layer: layer, Module: m}
			holder, _ := cfg.Holder(t)
			b.linears = append(b.linears, linear{target: t, in: in, out: out, divided: scale(holder.String()), outputs: outputs(cfg, t, out, scale),
				a: ort.AlignedFloats(rows * graphs.RankStep * in), b: ort.AlignedFloats(rows * graphs.RankStep * out)})
		}
	}
	return b, nil
}

// outputs are one over what the outputs of a module are divided by, for the linear of its layer that they feed; nil for nothing.
func outputs(cfg arch.Shape, t arch.Target, out int, scale func(linear string) []float32) []float32 {
	holder, column := cfg.Holder(t)
	for _, l := range cfg.Layer(t.Layer) {
		s := scale(l.String())
		if l.Fed == nil || l.Fed.Of != holder.Target || s == nil {
			continue
		}
		factors, divided := slices.Repeat([]float32{1}, out), false
		for i, v := range s {
			if o := l.Fed.Output(i) - column; o >= 0 && o < out {
				factors[o], divided = 1/v, true
			}
		}
		if divided {
			return factors
		}
	}
	return nil
}

// Close frees the memory.
func (b *AdapterBank) Close() error {
	var err error
	for _, t := range b.linears {
		err = errors.Join(err, ort.FreeFloats(t.a), ort.FreeFloats(t.b))
	}
	b.linears = nil
	return err
}

// Holds says whether a linear has rows.
func (b *AdapterBank) Holds(target arch.Target) bool {
	return slices.ContainsFunc(b.linears, func(t linear) bool { return t.target == target })
}

// Write copies an adapter into rows, with its scale folded into B.
func (b *AdapterBank) Write(a *adapter.Adapter, rows []int64) {
	for i := range b.linears {
		b.linears[i].write(a, rows)
	}
}

// Fits says whether the bytes of an adapter's file are laid out for this bank.
func (b *AdapterBank) Fits(l *adapter.Layout, weights []byte) bool {
	found := 0
	for _, t := range b.linears {
		if fa, fb := l.Factors(weights, t.target); len(fa) == 4*t.in*l.Config.Rank && len(fb) == 4*t.out*l.Config.Rank && fa != nil {
			found++
		}
	}
	return found == l.Targets()
}

// Rewrite is Write from the bytes of an adapter's file that fit.
func (b *AdapterBank) Rewrite(l *adapter.Layout, weights []byte, rows []int64) {
	for i := range b.linears {
		b.linears[i].rewrite(l, weights, rows)
	}
}

// rowA is the A of a row, [8, in].
func (t *linear) rowA(row int64) []float32 {
	n := graphs.RankStep * t.in
	return t.a[int(row)*n:][:n]
}

// rowB is the B of a row, [8, out].
func (t *linear) rowB(row int64) []float32 {
	n := graphs.RankStep * t.out
	return t.b[int(row)*n:][:n]
}

// write copies one linear's factors into rows, eight ranks a row, with the adapter's scale folded into B and what the linear's
// inputs are divided by into A; ranks beyond the
// adapter's are zero, and so is a linear without factors.
func (t *linear) write(a *adapter.Adapter, rows []int64) {
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
		t.divideOutputs(dstB)
	}
}

// rewrite is write from the bytes of an adapter's file, A [rank, in] and B [out, rank].
func (t *linear) rewrite(l *adapter.Layout, weights []byte, rows []int64) {
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
		t.divideOutputs(dstB)
	}
}

// divide multiplies the rows of A [8, in] by what the weights divide the linear's inputs by.
func (t *linear) divide(a []float32) {
	if t.divided == nil {
		return
	}
	for ; len(a) > 0; a = a[t.in:] {
		for i, d := range t.divided {
			a[i] *= d
		}
	}
}

// divideOutputs multiplies the columns of B [8, out] by one over what the weights divide the outputs by.
func (t *linear) divideOutputs(b []float32) {
	if t.outputs == nil {
		return
	}
	for ; len(b) > 0; b = b[t.out:] {
		for o, f := range t.outputs {
			b[o] *= f
		}
	}
}

// rewriteB transposes ranks columns of B [out, rank] into [8, out], scaled.
func (t *linear) rewriteB(dst []float32, from []byte, rank, ranks int, scale float32) {
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
