package work

import (
	"testing"

	"nightshift/models/arch"
)

// TestRowsFor: rows are as long as examples need, a microbatch as large as there is room, and a step as large as it was.
func TestRowsFor(t *testing.T) {
	shipped := arch.GPT2(arch.Shape{Layers: 4, Heads: 6, Width: 192, Vocab: 2048, Context: 256})
	smol := arch.Llama(arch.Shape{Layers: 30, Heads: 9, KVHeads: 3, Width: 576, Inner: 1536, Vocab: 49152, Context: 8192})
	large := arch.Llama(arch.Shape{Layers: 24, Heads: 14, KVHeads: 2, Width: 896, Inner: 4864, Vocab: 151936, Context: 32768})
	for _, c := range []struct {
		shape               arch.Shape
		rows, columns       int
		micro, longest      int
		wantRows, wantWidth int
	}{
		{shipped, 4, 256, 2, 40, 4, 256},
		{shipped, 4, 256, 2, 900, 4, 256},
		{smol, 2, 512, 2, 90, 1, 256},
		{smol, 2, 512, 2, 300, 1, 320},
		{smol, 2, 512, 2, 900, 1, 512},
		{smol, 4, 128, 2, 900, 2, 128},
		{large, 2, 512, 2, 90, 1, 256},
	} {
		got := Train{Rows: c.rows, Columns: c.columns, Micro: c.micro}.rowsFor(c.shape, c.longest)
		if got.Rows != c.wantRows || got.Columns != c.wantWidth {
			t.Errorf("longest %d: %d rows of %d, want %d of %d", c.longest, got.Rows, got.Columns, c.wantRows, c.wantWidth)
		}
		before, after := c.rows*c.columns*c.micro, got.Rows*got.Columns*got.Micro
		if after > before || after*5 < before*4 {
			t.Errorf("longest %d: a step has %d tokens, before %d", c.longest, after, before)
		}
	}
}
