package kv

import (
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// small is the shape of the model that most tests use.
var small = arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 32, Context: 300, Inner: 64, Vocab: 320})

// closes frees memory at the end of a test.
func closes(t testing.TB, m interface{ Close() error }) {
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
}

func newCache(t testing.TB, cfg arch.Shape, rows int) *Cache {
	c := NewCache(cfg, rows, cfg.Context)
	closes(t, c)
	return c
}

// newBank is a bank for all linears of a model.
func newBank(t testing.TB, cfg arch.Shape, rows int) *AdapterBank {
	t.Helper()
	b, err := NewAdapterBank(cfg, cfg.Modules(), rows, func(string) []float32 { return nil })
	if err != nil {
		t.Fatal(err)
	}
	closes(t, b)
	return b
}

// randomAdapter has no zeros where factors are.
func randomAdapter(t testing.TB, cfg arch.Shape, rank int, seed uint64, modules ...string) *adapter.Adapter {
	t.Helper()
	a, err := adapter.New(adapter.Config{Rank: rank, Alpha: 2 * float64(rank), Modules: modules}, cfg, seed)
	if err != nil {
		t.Fatal(err)
	}
	for i, target := range a.Targets() {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		for j := range a.Factors[target].B {
			a.Factors[target].B[j] = float32(rng.NormFloat64()) * 0.1
		}
	}
	return a
}

// resident counts the pages of memory that exist.
func (c *Cache) resident(t testing.TB) (pages int) {
	for l := range c.keys {
		pages += residentPages(t, c.keys[l]) + residentPages(t, c.values[l])
	}
	return pages
}

func (b *AdapterBank) resident(t testing.TB) (pages int) {
	for _, v := range b.linears {
		pages += residentPages(t, v.a) + residentPages(t, v.b)
	}
	return pages
}

// TestRowsGiveMemoryBack releases what rows without a sequence have taken, once it is more than may be kept.
func TestRowsGiveMemoryBack(t *testing.T) {
	cfg := small
	cfg.Context = 1024
	src, c := newCache(t, cfg, 1), newCache(t, cfg, 3)
	for row := range 3 {
		c.CopyRow(row, src, 0, cfg.Context)
	}
	all, bytes := c.resident(t), c.Bytes(0)
	if all*syscall.Getpagesize() < bytes || c.Bytes(1) != bytes/3*2 {
		t.Fatalf("%d pages hold %d bytes, %d of them in the last two rows", all, bytes, c.Bytes(1))
	}
	if err := c.Release(1, bytes); err != nil || c.resident(t) != all {
		t.Errorf("what may be kept was given back: %d pages of %d, %v", c.resident(t), all, err)
	}
	if err := c.Release(1, bytes/3); err != nil || c.resident(t) != all/3 || c.Bytes(1) != 0 || c.Bytes(0) != bytes/3 {
		t.Errorf("%d pages of %d are left, %d bytes, %v", c.resident(t), all, c.Bytes(0), err)
	}
}

// TestCopyRow copies between caches of different capacities, and within one: the first positions of every head and nothing beside.
func TestCopyRow(t *testing.T) {
	src, c := NewCache(small, 2, 20), NewCache(small, 3, 50)
	closes(t, src)
	closes(t, c)
	for l := range src.layers {
		for i := range src.keys[l] {
			src.keys[l][i], src.values[l][i] = float32(i+1), -float32(i+1)
		}
	}
	c.CopyRow(2, src, 1, 7)
	c.CopyRow(0, c, 2, 5)
	for row, n := range []int{5, 0, 7} {
		if c.touched[row] != n {
			t.Errorf("row %d counts %d positions, want %d", row, c.touched[row], n)
		}
		for l := range c.layers {
			for h := range c.heads {
				for i := range c.capacity * c.size {
					want := float32(0)
					if i < n*c.size {
						want = float32((c.heads+h)*20*c.size + i + 1)
					}
					at := (row*c.heads+h)*c.capacity*c.size + i
					if c.keys[l][at] != want || c.values[l][at] != -want {
						t.Fatalf("row %d, layer %d, head %d, place %d: %v and %v, want %v", row, l, h, i, c.keys[l][at], c.values[l][at], want)
					}
				}
			}
		}
	}
}

// TestBankMemoryIsTakenWhenUsed makes a bank of a thousand rows and looks at which of its pages exist.
func TestBankMemoryIsTakenWhenUsed(t *testing.T) {
	b := newBank(t, small, 1025)
	if n := b.resident(t); n != 0 {
		t.Errorf("%d pages of an empty bank are in memory", n)
	}
	b.Write(randomAdapter(t, small, 8, 1, small.Modules()...), []int64{1})
	n, limit := b.resident(t), 2*2*len(b.linears)*(1+4*small.Inner*graphs.RankStep/syscall.Getpagesize())
	if n == 0 || n > limit {
		t.Errorf("one version takes %d pages, want 1 to %d", n, limit)
	}
	slots := NewAdapterSlots(b, 2, Ranks(1))
	closes(t, slots)
	slots.Load(1, "v", []int64{1})
	if after := b.resident(t); after != n {
		t.Errorf("to read a version takes %d pages", after-n)
	}
}

// TestSlotsHoldWhatIsLoaded loads versions of several ranks and the base model into a slot: what the last one has not is zero, and the
// slot beside it keeps its own.
func TestSlotsHoldWhatIsLoaded(t *testing.T) {
	b := newBank(t, small, 9)
	rows := map[string][]int64{"": nil, "a": {3}, "b": {1, 5, 2, 6}, "c": {8, 4}}
	b.Write(randomAdapter(t, small, 8, 1, small.Modules()...), rows["a"])
	b.Write(randomAdapter(t, small, 32, 2, small.Modules()...), rows["b"])
	b.Write(randomAdapter(t, small, 13, 3, small.Modules()...), rows["c"])
	slots := NewAdapterSlots(b, 2, Ranks(3))
	closes(t, slots)
	if slots.Ranks() != 32 {
		t.Fatalf("slots for three rows have %d ranks, want 32", slots.Ranks())
	}
	slots.Load(1, "c", rows["c"])
	holds := func(slot int, digest string) {
		t.Helper()
		for i, v := range b.linears {
			wantA, wantB := make([]float32, 0, 32*v.in), make([]float32, 0, 32*v.out)
			for _, row := range rows[digest] {
				wantA, wantB = append(wantA, v.rowA(row)...), append(wantB, v.rowB(row)...)
			}
			gotA, gotB := slots.a[i][slot*32*v.in:][:32*v.in], slots.b[i][slot*32*v.out:][:32*v.out]
			if !slices.Equal(gotA, wantA[:cap(wantA)]) || !slices.Equal(gotB, wantB[:cap(wantB)]) {
				t.Fatalf("slot %d does not hold %q", slot, digest)
			}
		}
	}
	for _, digest := range []string{"a", "b", "c", "b", "a", "", "c", ""} {
		slots.Load(0, digest, rows[digest])
		holds(0, digest)
		holds(1, "c")
	}
}

// TestCloseFreesEverything closes one of each kind, twice where nothing is left the second time.
func TestCloseFreesEverything(t *testing.T) {
	b, err := NewAdapterBank(small, small.Modules(), 3, func(string) []float32 { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s, p, l := NewStaging(small, b), NewPrefixes(small, 16, 1<<20), NewLogits(3, small.Vocab)
	p.Add("v", make([]int32, 16), s.Cache)
	if err := errors.Join(l.Close(), p.Close(), p.Close(), s.Close(), s.Close(), b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	if s.Cache.keys != nil || s.slot.a != nil || p.entries != nil || b.linears != nil || p.Memory.Load() != 0 {
		t.Error("Close left memory behind")
	}
	if _, err := NewAdapterBank(small, []string{"attn.c_attn", "nothing"}, 2, func(string) []float32 { return nil }); err == nil {
		t.Error("a bank for a module that does not exist was made")
	}
}
