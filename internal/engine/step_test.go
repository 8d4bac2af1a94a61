package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nightshift/internal/engine/scheduler"
	"nightshift/internal/sampling"
)

// decoding returns an engine that the test drives, with rows sequences in its batch, half of them with an
// adapter. top is how many likeliest tokens they want.
func decoding(t testing.TB, m *Model, rows, maxTokens, top int, p sampling.Params) (*Engine, *batch) {
	t.Helper()
	e := newEngine(t, m, Config{Slots: rows, Threads: 3})
	e.batch.picker.share = 1 // sampled by three goroutines
	if err := e.Bank().Install("v", randomAdapter(t, m.Config, 8, 1)); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		digest := ""
		if i%2 == 1 {
			digest = "v"
		}
		p.Seed = uint64(i)
		submit(t, e, context.Background(), Request{Prompt: randomTokens(rng, 5+i, m.Config.Vocab), Pin: pinned(t, e, digest), MaxTokens: maxTokens, Sampling: p, TopLogProbs: top, IgnoreEOS: true})
	}
	for len(e.batch.rows) < rows {
		e.tick()
	}
	return e, e.batch
}

// built are the steps of a batch whose bindings there are.
func built(c *batch) []*step {
	return slices.DeleteFunc(slices.Clone(c.steps), func(st *step) bool { return st == nil })
}

// TestStepDoesNotAllocate counts allocations of whole iterations of the loop, the runtime's part included: only text may
// cost any, at most two a token.
func TestStepDoesNotAllocate(t *testing.T) {
	m := *smallModel(t)
	for name, params := range map[string]sampling.Params{"greedy": {}, "nucleus": {Temperature: 1, TopP: 0.9}} {
		for i, text := range []bool{false, true, false} {
			top := 0
			if i > 0 {
				top = 5
			}
			if m.Tokenizer = nil; text {
				m.Tokenizer = smallModel(t).Tokenizer
			}
			const rows = 4
			e, _ := decoding(t, &m, rows, 110, top, params)
			e.tick() // the shape's binding, and scratch memory
			limit := 0.0
			if text {
				limit = 2 * rows
			}
			if n := testing.AllocsPerRun(40, func() { e.tick() }); n > limit { // that the sampling goroutines start costs none
				t.Errorf("%s, text %v, %d likeliest: %v allocations a step of %d rows, want at most %v", name, text, top, n, rows, limit)
			}
			if len(e.batch.rows) != rows {
				t.Fatalf("%d of %d sequences are left: the steps that were measured carried less", len(e.batch.rows), rows)
			}
		}
	}
}

// TestKVInUse follows two sequences until they have ended.
func TestKVInUse(t *testing.T) {
	e := newEngine(t, smallModel(t), Config{Slots: 4})
	position := int64(2 * 2 * 32 * 4) // bytes
	submit(t, e, context.Background(), Request{Prompt: make([]int32, 10), MaxTokens: 5, IgnoreEOS: true})
	submit(t, e, context.Background(), Request{Prompt: make([]int32, 100), MaxTokens: 60, IgnoreEOS: true})
	for step, want := range [][2]int64{{11 + 101, 112}, {12 + 102, 114}, {13 + 103, 116}, {104, 103 + 104}} {
		e.tick()
		if s := e.Stats(); s.KVTokens != want[0] || s.KVBytes != want[1]*position {
			t.Errorf("after step %d: %d tokens in %d bytes, want %v", step, s.KVTokens, s.KVBytes, want)
		}
	}
	drain(e)
	if s := e.Stats(); s.KVTokens != 0 {
		t.Errorf("%d tokens are in use, and nothing generates", s.KVTokens)
	}
}

// BenchmarkLoop measures what a step costs beside the runtime: the iteration of the loop without Binding.Run.
func BenchmarkLoop(b *testing.B) {
	m := smallModel(b)
	const rows = 16
	e, c := decoding(b, m, rows, 100, 0, greedy)
	lengths := make([]int, rows)
	for i, s := range c.rows {
		lengths[i] = len(s.tokens)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if w := e.next(); w.Kind != scheduler.Decode {
			b.Fatalf("work %+v comes next", w)
		}
		c.dropEnded(time.Now())
		if _, err := c.prepare(); err != nil {
			b.Fatal(err)
		}
		c.deliver(0)
		for i, s := range c.rows { // the answers never end
			s.tokens = s.tokens[:lengths[i]]
			for len(s.stream.pieces) > 0 {
				<-s.stream.pieces
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}

// BenchmarkTick measures whole steps of the small model.
func BenchmarkTick(b *testing.B) {
	m := smallModel(b)
	e, c := decoding(b, m, 8, 100, 0, greedy)
	lengths := make([]int, 8)
	for i, s := range c.rows {
		lengths[i] = len(s.tokens)
	}
	b.ReportAllocs()
	for range b.N {
		e.tick()
		for i, s := range c.rows {
			s.tokens = s.tokens[:lengths[i]]
			for len(s.stream.pieces) > 0 {
				<-s.stream.pieces
			}
		}
	}
}

// TestBindingsAreBounded lets mixed batches of every size pass: the batch has a binding for each number of sequences at most,
// and Close frees them with all memory.
func TestBindingsAreBounded(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 3, BankRows: 40})
	digests := installRanks(t, e, 1, 8, 12, 24, 40, 64)
	rng := rand.New(rand.NewPCG(3, 3))
	for n := range 60 {
		submit(t, e, context.Background(), Request{Prompt: randomTokens(rng, 1+rng.IntN(20), m.Config.Vocab), Pin: pinned(t, e, digests[rng.IntN(len(digests))]), MaxTokens: 1 + rng.IntN(9)})
		if n%6 == 5 {
			drain(e)
		}
	}
	if n := len(built(e.batch)); n < 1 || n > 3 {
		t.Errorf("3 slots have %d bindings, want 1 to 3", n)
	}
	e.Close()
	if len(built(e.batch)) != 0 || e.batch.logits != nil || e.batch.cache != nil || e.batch.adapters != nil {
		t.Error("Close left memory behind")
	}
}
