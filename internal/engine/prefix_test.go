package engine

import (
	"context"
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
	if s := e.Stats(); s.PrefixHits != 5 || s.PrefixLookups != 7 || s.PrefixBytes != 3*e.prefixes.EntryBytes()*2+2*e.prefixes.EntryBytes() || s.PrefixEvictions != 0 {
		t.Errorf("%+v; want 5 hits of 7 lookups and 8 entries of %d bytes", s, e.prefixes.EntryBytes())
	}
}

// TestSeveralPromptsInAnIteration submits short prompts: one iteration computes as many as fit the grid's positions.
func TestSeveralPromptsInAnIteration(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 8, Chunk: 16})
	for _, n := range []int{5, 5, 5, 5, 40} {
		submit(t, e, context.Background(), Request{Prompt: make([]int32, n), MaxTokens: 50, IgnoreEOS: true})
	}
	for i, want := range []int64{15, 5 + 0, 16, 16, 8, 0} {
		before := e.Stats().PromptTokens
		e.tick()
		if got := e.Stats().PromptTokens - before; got != want {
			t.Errorf("iteration %d computed %d positions, want %d", i, got, want)
		}
	}
}
