package kv

import (
	"math/rand/v2"
	"testing"
)

// randomTokens are n tokens of a vocabulary.
func randomTokens(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(rng.IntN(vocab))
	}
	return ids
}

// TestPrefixCacheStaysWithinItsBudget fills a cache of three entries: the least recently used beginning goes, and its end
// before it.
func TestPrefixCacheStaysWithinItsBudget(t *testing.T) {
	p := NewPrefixes(small, 16, 3*NewPrefixes(small, 16, 0).EntryBytes()+1)
	closes(t, p)
	rng := rand.New(rand.NewPCG(7, 7))
	c := newCache(t, small, 1)
	fill := func(seed float32) {
		for l := range c.keys {
			for i := range c.keys[l] {
				c.keys[l][i], c.values[l][i] = seed+float32(l), seed-float32(i)
			}
		}
	}
	a, b := randomTokens(rng, 40, small.Vocab), randomTokens(rng, 40, small.Vocab)
	fill(1)
	p.Add("v", a[:16], c)
	p.Add("v", a[:32], c)
	p.Add("v", a[:33], c) // not on the grid
	fill(2)
	p.Add("v", b[:16], c)
	fill(3)
	if n := p.Find("v", a, 0, 39, c); n != 32 {
		t.Fatalf("found %d positions, want 32", n)
	}
	size := small.HeadSize
	if c.keys[1][31*size] != 2 || c.keys[1][32*size] != 4 || c.values[0][32*size-1] != 1-float32(32*size-1) {
		t.Error("the entries do not hold what was kept, or too much was written")
	}
	p.Add("v", b[:32], c) // b's beginning is the oldest
	if n := p.Find("v", b, 0, 39, c); n != 0 || len(p.entries) != 3 {
		t.Errorf("found %d positions of what was evicted; %d entries", n, len(p.entries))
	}
	p.Add("w", a[:16], c) // a's end is older than its beginning, and goes first
	if n := p.Find("v", a, 0, 39, c); n != 16 {
		t.Errorf("found %d positions, want 16", n)
	}
	if bytes, evictions := p.Memory.Load(), p.Evictions.Load(); bytes != 3*p.EntryBytes() || evictions != 2 {
		t.Errorf("%d bytes and %d evictions, want %d and 2", bytes, evictions, 3*p.EntryBytes())
	}
	if off := NewPrefixes(small, 16, -1); off.limit != 0 || off.Find("v", a, 0, 39, c) != 0 || off.Lookups.Load() != 0 {
		t.Error("a cache without room found something")
	}
}

// TestPrefixCacheGoesOn looks for what follows the positions that a prompt has, whether the cache has those or not.
func TestPrefixCacheGoesOn(t *testing.T) {
	p := NewPrefixes(small, 16, 1<<20)
	closes(t, p)
	src, c := newCache(t, small, 1), newCache(t, small, 1)
	for l := range src.keys {
		for i := range src.keys[l] {
			src.keys[l][i], src.values[l][i] = 1, 1
		}
	}
	tokens := randomTokens(rand.New(rand.NewPCG(5, 5)), 64, small.Vocab)
	for end := 16; end <= 48; end += 16 {
		p.Add("v", tokens[:end], src)
	}
	p.evict() // the beginning came first
	if n := p.Find("v", tokens, 0, 63, c); n != 0 {
		t.Errorf("found %d positions without the beginning", n)
	}
	if n := p.Known("v", tokens, 16, 63); n != 48 || c.touched[0] != 0 {
		t.Errorf("%d positions are known, want 48; %d are copied", n, c.touched[0])
	}
	if n := p.Find("v", tokens, 16, 47, c); n != 32 {
		t.Errorf("found %d positions, want 32", n)
	}
	size := small.HeadSize
	if k := c.keys[0]; k[16*size-1] != 0 || k[16*size] != 1 || k[32*size-1] != 1 || k[32*size] != 0 || c.touched[0] != 32 {
		t.Errorf("other positions than 16 to 32 were copied; %d are counted", c.touched[0])
	}
	if n := p.Find("v", tokens, 48, 63, c); n != 48 {
		t.Errorf("found %d positions after all that is known", n)
	}
}
