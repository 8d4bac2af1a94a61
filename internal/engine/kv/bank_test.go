package kv

import (
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// rowsFor are rows for an adapter, in no order.
func rowsFor(rank int) []int64 { return []int64{3, 1, 8, 5, 2, 7, 4, 6}[:(rank+7)/8] }

// TestWrite checks what Write writes: every rank from 1 to 64, the scale folded into B, zeros beyond the rank and for linears without
// factors, and nothing to other rows.
func TestWrite(t *testing.T) {
	b := newBank(t, small, 9)
	for rank := 1; rank <= 64; rank++ {
		modules := small.Modules()[rank%4:]
		a := randomAdapter(t, small, rank, uint64(rank), modules...)
		rows := rowsFor(rank)
		b.Write(a, rows)
		for _, v := range b.linears {
			f, ok := a.Factors[v.target]
			if ok != slices.Contains(modules, v.target.Module) || !b.Holds(v.target) {
				t.Fatalf("rank %d: factors for %s: %v", rank, v.target, ok)
			}
			for n, row := range rows {
				for r := range graphs.RankStep {
					source := n*graphs.RankStep + r
					for i := range v.in {
						want := float32(0)
						if ok && source < rank {
							want = f.A[i*rank+source]
						}
						if got := v.rowA(row)[r*v.in+i]; got != want {
							t.Fatalf("rank %d, %s: A[%d,%d] is %v, want %v", rank, v.target, i, source, got, want)
						}
					}
					for o := range v.out {
						want := float32(0)
						if ok && source < rank {
							want = 2 * f.B[source*v.out+o]
						}
						if got := v.rowB(row)[r*v.out+o]; got != want {
							t.Fatalf("rank %d, %s: B[%d,%d] is %v, want %v", rank, v.target, source, o, got, want)
						}
					}
				}
			}
			for i, x := range v.rowA(0) {
				if x != 0 {
					t.Fatalf("rank %d: row 0 of A holds %v at %d", rank, x, i)
				}
			}
		}
	}
	if b.Holds(arch.Target{Layer: 2, Module: small.Modules()[0]}) {
		t.Error("the bank holds a layer that the model has not")
	}
}

// TestRewriteWritesWhatWriteWrites compares every number of the rows, for all ranks, some modules, and weights that divide
// their inputs; the rows held something else before.
func TestRewriteWritesWhatWriteWrites(t *testing.T) {
	divided := func(linear string) []float32 {
		if !strings.Contains(linear, "attn") {
			return nil
		}
		scale := make([]float32, small.Width)
		for j := range scale {
			scale[j] = float32(j%5) + 0.3
		}
		return scale
	}
	banks := make([]*AdapterBank, 2)
	for n := range banks {
		var err error
		if banks[n], err = NewAdapterBank(small, small.Modules(), 9, divided); err != nil {
			t.Fatal(err)
		}
		closes(t, banks[n])
		for _, v := range banks[n].linears {
			for _, side := range [][]float32{v.a[v.in*graphs.RankStep:], v.b[v.out*graphs.RankStep:]} {
				for j := range side {
					side[j] = float32(math.NaN())
				}
			}
		}
	}
	some := 0
	for rank := 1; rank <= 64; rank++ {
		a := randomAdapter(t, small, rank, uint64(rank), small.Modules()[rank%4:]...)
		_, weights, err := a.Files()
		if err != nil {
			t.Fatal(err)
		}
		l, err := a.Layout(weights)
		if err != nil {
			t.Fatal(err)
		}
		if !banks[1].Fits(l, weights) || banks[1].Fits(l, weights[:len(weights)-4]) {
			t.Fatalf("rank %d: its bytes do not fit, or too few of them do", rank)
		}
		rows := rowsFor(rank)
		banks[0].Write(a, rows)
		banks[1].Rewrite(l, weights, rows)
		for i, want := range banks[0].linears {
			got := banks[1].linears[i]
			if want.divided != nil {
				some++
			}
			for _, row := range rows {
				if !slices.Equal(want.rowA(row), got.rowA(row)) {
					t.Fatalf("rank %d, %s: A differs in row %d", rank, want.target, row)
				}
				if !slices.Equal(want.rowB(row), got.rowB(row)) {
					t.Fatalf("rank %d, %s: B differs in row %d", rank, want.target, row)
				}
			}
		}
	}
	if some == 0 || some == 64*len(banks[0].linears) {
		t.Errorf("%d linears have weights that divide their inputs, want some", some)
	}
}
