package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestPrefixCache asks for prompts that begin alike and counts what is computed: a beginning is known after the first of them,
// for the same version alone, up to the grid and never to the last token.
func TestPrefixCache(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 4, Chunk: 16})
	digests := installRanks(t, e, 8)
	rng := rand.New(rand.NewPCG(4, 4))
	system := randomTokens(rng, 50, m.Config.Vocab)
	ask := func(prompt []int32, digest string, known int) {
		t.Helper()
		before := e.Stats()
		s := submit(t, e, context.Background(), Request{Prompt: prompt, Pin: pinned(t, e, digest), MaxTokens: 2, IgnoreEOS: true})
		drain(e)
		if r := read(t, s).result; r.Err != nil || r.Recalled != known {
			t.Fatalf("%d tokens were known, want %d; %v", r.Recalled, known, r.Err)
		}
		after := e.Stats()
		if got := after.CachedTokens - before.CachedTokens; got != int64(known) {
			t.Errorf("prompt of %d: %d tokens were known, want %d", len(prompt), got, known)
		}
		if got := after.PromptTokens - before.PromptTokens; got != int64(len(prompt)-known) {
			t.Errorf("prompt of %d: %d tokens were computed, want %d", len(prompt), got, len(prompt)-known)
		}
	}
	with := func(end ...int32) []int32 { return append(append([]int32(nil), system...), end...) }
	ask(with(1, 2, 3), "", 0)
	ask(with(3, 2, 1), "", 48)
	ask(with(3, 2, 1), digests[1], 0)
	ask(with(1), digests[1], 48)
	ask(system[:48], "", 32) // the last position's logits are needed
	ask(system[:33], "", 32)
	other := with(9)
	other[20]++
	ask(other, "", 16)
	if s := e.Stats(); s.PrefixHits != 5 || s.PrefixLookups != 7 || s.PrefixBytes != 3*e.prefixes.entryBytes()*2+2*e.prefixes.entryBytes() || s.PrefixEvictions != 0 {
		t.Errorf("%+v; want 5 hits of 7 lookups and 8 entries of %d bytes", s, e.prefixes.entryBytes())
	}
}

// TestPrefixCacheStaysWithinItsBudget fills a cache of three entries: the least recently used beginning goes, and its end
// before it.
func TestPrefixCacheStaysWithinItsBudget(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Chunk: 16})
	p := newPrefixCache(m.Config, 16, 3*e.prefixes.entryBytes()+1)
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	rng := rand.New(rand.NewPCG(7, 7))
	c := newCache(m.Config, 1, m.Config.Context)
	defer c.close() //nolint:errcheck // a test's memory
	fill := func(seed float32) {
		for l := range c.keys {
			for i := range c.keys[l] {
				c.keys[l][i], c.values[l][i] = seed+float32(l), seed-float32(i)
			}
		}
	}
	a, b := randomTokens(rng, 40, m.Config.Vocab), randomTokens(rng, 40, m.Config.Vocab)
	fill(1)
	p.add("v", a[:16], c)
	p.add("v", a[:32], c)
	p.add("v", a[:33], c) // not on the grid
	fill(2)
	p.add("v", b[:16], c)
	fill(3)
	if n := p.find("v", a, 0, 39, c); n != 32 {
		t.Fatalf("found %d positions, want 32", n)
	}
	size := m.Config.HeadSize
	if c.keys[1][31*size] != 2 || c.keys[1][32*size] != 4 || c.values[0][32*size-1] != 1-float32(32*size-1) {
		t.Error("the entries do not hold what was kept, or too much was written")
	}
	p.add("v", b[:32], c) // b's beginning is the oldest
	if n := p.find("v", b, 0, 39, c); n != 0 || len(p.entries) != 3 {
		t.Errorf("found %d positions of what was evicted; %d entries", n, len(p.entries))
	}
	p.add("w", a[:16], c) // a's end is older than its beginning, and goes first
	if n := p.find("v", a, 0, 39, c); n != 16 {
		t.Errorf("found %d positions, want 16", n)
	}
	if bytes, evictions := p.bytes.Load(), p.evictions.Load(); bytes != 3*p.entryBytes() || evictions != 2 {
		t.Errorf("%d bytes and %d evictions, want %d and 2", bytes, evictions, 3*p.entryBytes())
	}
	if off := newPrefixCache(m.Config, 16, -1); off.limit != 0 || off.find("v", a, 0, 39, c) != 0 || off.lookups.Load() != 0 {
		t.Error("a cache without room found something")
	}
}

// TestPrefixCacheGoesOn looks for what follows the positions that a prompt has, whether the cache has those or not.
func TestPrefixCacheGoesOn(t *testing.T) {
	m := smallModel(t)
	p := newPrefixCache(m.Config, 16, 1<<20)
	src, c := newCache(m.Config, 1, m.Config.Context), newCache(m.Config, 1, m.Config.Context)
	defer func() {
		if err := errors.Join(p.close(), src.close(), c.close()); err != nil {
			t.Error(err)
		}
	}()
	for l := range src.keys {
		for i := range src.keys[l] {
			src.keys[l][i], src.values[l][i] = 1, 1
		}
	}
	tokens := randomTokens(rand.New(rand.NewPCG(5, 5)), 64, m.Config.Vocab)
	for end := 16; end <= 48; end += 16 {
		p.add("v", tokens[:end], src)
	}
	p.evict() // the beginning came first
	if n := p.find("v", tokens, 0, 63, c); n != 0 {
		t.Errorf("found %d positions without the beginning", n)
	}
	if n := p.known("v", tokens, 16, 63); n != 48 || c.touched[0] != 0 {
		t.Errorf("%d positions are known, want 48; %d are copied", n, c.touched[0])
	}
	if n := p.find("v", tokens, 16, 47, c); n != 32 {
		t.Errorf("found %d positions, want 32", n)
	}
	size := m.Config.HeadSize
	if k := c.keys[0]; k[16*size-1] != 0 || k[16*size] != 1 || k[32*size-1] != 1 || k[32*size] != 0 || c.touched[0] != 32 {
		t.Errorf("other positions than 16 to 32 were copied; %d are counted", c.touched[0])
	}
	if n := p.find("v", tokens, 48, 63, c); n != 48 {
		t.Errorf("found %d positions after all that is known", n)
	}
}

// TestSeveralPromptsInATurn submits short prompts: one turn computes as many as fit the grid's positions.
func TestSeveralPromptsInATurn(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 8, Chunk: 16})
	for _, n := range []int{5, 5, 5, 5, 40} {
		submit(t, e, context.Background(), Request{Prompt: make([]int32, n), MaxTokens: 50, IgnoreEOS: true})
	}
	for turn, want := range []int64{15, 5 + 0, 16, 16, 8, 0} {
		before := e.Stats().PromptTokens
		e.tick()
		if got := e.Stats().PromptTokens - before; got != want {
			t.Errorf("turn %d computed %d positions, want %d", turn, got, want)
		}
	}
}
