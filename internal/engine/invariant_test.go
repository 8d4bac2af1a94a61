package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nightshift/internal/engine/scheduler"
	"nightshift/internal/sampling"
	"nightshift/models/quantize"
)

// installRanks puts one version of each rank into the bank and returns the digests, the base model's first.
func installRanks(t testing.TB, e *Engine, ranks ...int) []string {
	t.Helper()
	digests := []string{""}
	for _, rank := range ranks {
		digest := fmt.Sprint("rank ", rank)
		if err := e.Bank().Install(digest, randomAdapter(t, e.model.Config, rank, uint64(rank))); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
	}
	return digests
}

// job is a request whose version is named, so that several engines can serve it.
type job struct {
	Request
	digest string
}

// randomJobs draws requests of all kinds; their longest prompt is maxPrompt.
func randomJobs(rng *rand.Rand, n, maxPrompt, vocab int, digests []string) []job {
	jobs := make([]job, n)
	beginnings := [][]int32{randomTokens(rng, 40, vocab), randomTokens(rng, 64, vocab), randomTokens(rng, 17, vocab)}
	for i := range jobs {
		length := 1 + rng.IntN(24)
		if i%5 == 0 {
			length = 1 + rng.IntN(maxPrompt)
		}
		prompt := randomTokens(rng, length, vocab)
		if i%3 == 0 { // some begin alike, and come out of the prefix cache
			prompt = append(slices.Clone(beginnings[rng.IntN(len(beginnings))]), prompt[:min(length, 24)]...)
		}
		j := job{digest: digests[rng.IntN(len(digests))], Request: Request{Prompt: prompt, MaxTokens: 1 + rng.IntN(16), IgnoreEOS: i%3 == 0}}
		switch i % 4 {
		case 1:
			j.Sampling = sampling.Params{Temperature: 1, Seed: rng.Uint64()}
		case 2:
			j.Sampling = sampling.Params{Temperature: 0.8, TopK: 20, TopP: 0.9, Seed: rng.Uint64()}
		case 3:
			j.Sampling = sampling.Params{Temperature: 1.3, TopP: 0.95, Seed: rng.Uint64()}
			j.Stop = []string{"e", "の"}
		}
		if i%7 == 0 {
			j.Adjustment = sampling.Adjustment{Repetition: 1.2, Presence: 0.5, Frequency: 0.3, MinTokens: i % 4, Bias: []sampling.Bias{{Token: int32(i % vocab), Value: 3}}}
			j.Sampling.MinP, j.TopLogProbs, j.PromptLogProbs = 0.02, i%3, i%2 == 0
		}
		jobs[i] = j
	}
	return jobs
}

// same says how two answers differ, to the bit; "" when they do not.
func same(a, b answer) string {
	if !slices.Equal(a.tokens, b.tokens) {
		return fmt.Sprintf("tokens %v and %v", a.tokens, b.tokens)
	}
	for i := range a.logProbs {
		if math.Float32bits(a.logProbs[i]) != math.Float32bits(b.logProbs[i]) {
			return fmt.Sprintf("log-probability %d of %d: %x and %x", i, len(a.logProbs), math.Float32bits(a.logProbs[i]), math.Float32bits(b.logProbs[i]))
		}
	}
	for i := range min(len(a.top), len(b.top)) { // where both were asked for them
		if len(a.top[i]) > 0 && len(b.top[i]) > 0 && !slices.Equal(a.top[i], b.top[i]) {
			return fmt.Sprintf("likeliest tokens %d of %d: %v and %v", i, len(a.top), a.top[i], b.top[i])
		}
	}
	if a.text != b.text || a.result.Finish != b.result.Finish {
		return fmt.Sprintf("%q (%s) and %q (%s)", a.text, a.result.Finish, b.text, b.result.Finish)
	}
	return ""
}

// overtakingFirst moves jobs to the front of an order of which each overtakes the one before, and says how many.
func overtakingFirst(jobs []job, order []int, chunk int) (list []int, n int) {
	room := 1 << 20 // of the next prompt
	for {
		best := -1
		for _, i := range order {
			if length := len(jobs[i].Prompt); length <= room && (best < 0 || length > len(jobs[best].Prompt)) {
				best = i
			}
		}
		if best < 0 {
			return append(list, order...), len(list)
		}
		list, room = append(list, best), (len(jobs[best].Prompt)-chunk)/2
		order = slices.DeleteFunc(order, func(i int) bool { return i == best })
	}
}

// pairOf finds two jobs whose prompts are of like length and fit into one chunk, so that they are computed together when they come together.
func pairOf(t *testing.T, jobs []job, chunk int) []int {
	t.Helper()
	for i := range jobs {
		for j := range i {
			a, b := len(jobs[i].Prompt), len(jobs[j].Prompt)
			if min(a, b) > 1 && a+b <= chunk && max(a, b)-min(a, b) <= scheduler.MaxPadding && !jobs[i].PromptLogProbs && !jobs[j].PromptLogProbs {
				return []int{i, j}
			}
		}
	}
	t.Fatal("no two jobs have short prompts of like length")
	return nil
}

// checkInvariant answers every job alone, without a prefix cache, and then together with all others in shuffled order, in engines of other
// sizes and threads, among strangers that are cancelled midway.
func checkInvariant(t *testing.T, m *Model, chunk int, jobs []job, ranks []int, crowds []Config) {
	maxRank := slices.Max(ranks)
	alone := runEngine(t, m, Config{Slots: 1, Threads: 1, Chunk: chunk, BankRows: 128, MaxRank: maxRank, PrefixCache: -1})
	installRanks(t, alone, ranks...)
	want := make([]answer, len(jobs))
	for i, j := range jobs {
		j.Pin = pinned(t, alone, j.digest)
		want[i] = ask(t, alone, j.Request)
	}
	alone.Close()
	for _, cfg := range crowds {
		cfg.Chunk, cfg.BankRows, cfg.MaxRank, cfg.Queue, cfg.QueueTokens = chunk, 128, maxRank, len(jobs)*2, 1<<30
		t.Run(fmt.Sprintf("%d slots, %d threads", cfg.Slots, cfg.Threads), func(t *testing.T) {
			e := newEngine(t, m, cfg)
			e.batch.picker.share = 1 // the small vocabulary too is sampled by as many goroutines as there are threads
			digests := installRanks(t, e, ranks...)
			rng := rand.New(rand.NewPCG(uint64(cfg.Slots), uint64(cfg.Threads)))
			streams := make([]*Stream, len(jobs))
			pair := pairOf(t, jobs, chunk)
			for _, i := range pair { // they come in the same iteration, and nobody else is there
				r := jobs[i].Request
				r.Pin = pinned(t, e, jobs[i].digest)
				streams[i] = submit(t, e, context.Background(), r)
			}
			for e.tick() {
			}
			rest := slices.DeleteFunc(rng.Perm(len(jobs)), func(i int) bool { return slices.Contains(pair, i) })
			order, overtaking := overtakingFirst(jobs, rest, chunk)
			var strangers []*Stream
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for n, i := range order {
				if n >= overtaking && n%8 == 0 {
					r := Request{Prompt: randomTokens(rng, 1+rng.IntN(40), m.Config.Vocab), Pin: pinned(t, e, digests[rng.IntN(len(digests))]), MaxTokens: 60, IgnoreEOS: true}
					strangers = append(strangers, submit(t, e, ctx, r))
				}
				r := jobs[i].Request
				r.Pin = pinned(t, e, jobs[i].digest)
				if n >= overtaking {
					r.Group, r.Priority = fmt.Sprint(rng.IntN(3)), rng.IntN(2)
				}
				streams[i] = submit(t, e, context.Background(), r)
				if n < overtaking || n%2 == 0 { // some come while the prompts of others are in flight
					e.tick()
				}
			}
			for range 150 {
				e.tick()
			}
			cancel()
			start(t, e)
			for i, s := range streams {
				if diff := same(want[i], read(t, s)); diff != "" {
					t.Errorf("request %d (%s, prompt of %d): alone and in a crowd: %s", i, jobs[i].digest, len(jobs[i].Prompt), diff)
				}
			}
			for _, s := range strangers {
				read(t, s)
			}
			if stats := e.Stats(); (stats.PrefixHits > 0) != (cfg.PrefixCache >= 0) {
				t.Errorf("%d prompts began with something known", stats.PrefixHits)
			}
			if row := e.staging.rows[min(cfg.Slots, 2)-1]; row.memory.Cache.Bytes(0) == 0 {
				t.Error("too few prompts were in flight at once")
			}
			if stats := e.Stats(); stats.FirstRuns >= stats.FirstPrompts {
				t.Errorf("%d prompts of one chunk took %d runs: nothing was computed together", stats.FirstPrompts, stats.FirstRuns)
			}
			if stats := e.Stats(); cfg.Slots > 1 && stats.StepRows < 3*stats.Steps/2 {
				t.Errorf("%d steps carried only %d rows: nothing was batched", stats.Steps, stats.StepRows)
			}
		})
	}
}

// TestAnswersDoNotDependOnNeighbours is the engine's invariant on a small model, with many shapes.
func TestAnswersDoNotDependOnNeighbours(t *testing.T) {
	m := smallModel(t)
	ranks := []int{1, 8, 13, 16, 24, 40, 48, 56, 64, 100, 128}
	digests := []string{"", ""}
	for _, r := range ranks {
		digests = append(digests, fmt.Sprint("rank ", r))
	}
	jobs := randomJobs(rand.New(rand.NewPCG(1, 2)), 220, 280, m.Config.Vocab, digests)
	checkInvariant(t, m, 16, jobs, ranks, []Config{{Slots: 8, Threads: 1}, {Slots: 3, Threads: 2, PrefixCache: -1}, {Slots: 16, Threads: 2}, {Slots: 5, Threads: 2, PrefixCache: 400 << 10}})
}

// TestAnswersDoNotDependOnThreads is the same where the runtime does split its work over threads.
func TestAnswersDoNotDependOnThreads(t *testing.T) {
	m := wideModel(t)
	ranks := []int{8, 16, 64}
	jobs := randomJobs(rand.New(rand.NewPCG(3, 4)), 48, 140, m.Config.Vocab, []string{"", "rank 8", "rank 16", "rank 64"})
	checkInvariant(t, m, 32, jobs, ranks, []Config{{Slots: 2, Threads: 2}, {Slots: 7, Threads: 2}, {Slots: 16, Threads: 1}})
}

// TestLlamaAnswersDoNotDependOnNeighbours is the invariant for models that rotate queries and keys and share keys among heads. With more
// threads than rows times heads later versions of the runtime split the attention of one row.
func TestLlamaAnswersDoNotDependOnNeighbours(t *testing.T) {
	ranks := []int{8, 16, 64}
	for name, m := range map[string]*Model{"llama": llamaModel(t), "qwen": qwenModel(t)} {
		t.Run(name, func(t *testing.T) {
			jobs := randomJobs(rand.New(rand.NewPCG(7, 8)), 60, 140, m.Config.Vocab, []string{"", "rank 8", "rank 16", "rank 64"})
			checkInvariant(t, m, 16, jobs, ranks, []Config{{Slots: 8, Threads: 2}, {Slots: 3, Threads: 16}, {Slots: 16, Threads: 1, PrefixCache: -1}})
		})
	}
}

// TestQuantizedAnswersDoNotDependOnNeighbours is the invariant for 8 and 4 bits. The runtime's 4-bit kernel for processors
// without dot products of bytes rounds a single row differently from several, and computes the base model alone there (docs/quantization.md, What
// answers depend on).
func TestQuantizedAnswersDoNotDependOnNeighbours(t *testing.T) {
	for _, c := range []struct {
		format string
		model  *Model
	}{{quantize.Int8, wideModel(t)}, {quantize.Int4, wideModel(t)}, {quantize.Int8, llamaModel(t)}, {quantize.Int4, llamaModel(t)}} {
		format := c.format
		t.Run(format+" "+c.model.Config.Title(), func(t *testing.T) {
			digests := []string{"", "rank 8", "rank 64"}
			if format == quantize.Int4 && fewRows() < math.MaxInt {
				digests = digests[1:] // answers of the base model do depend on their neighbours
			}
			m := quantized(t, c.model, format)
			jobs := randomJobs(rand.New(rand.NewPCG(5, 6)), 60, 140, m.Config.Vocab, digests)
			checkInvariant(t, m, 16, jobs, []int{8, 64}, []Config{{Slots: 3, Threads: 2}, {Slots: 32, Threads: 2}, {Slots: 8, Threads: 1, PrefixCache: -1}})
		})
	}
}

// quantized is a model served in a format, converted without calibration.
func quantized(t testing.TB, m *Model, format string) *Model {
	t.Helper()
	return converted(t, m, quantize.Defaults(format))
}

// converted is a model served as options say.
func converted(t testing.TB, m *Model, opt quantize.Options) *Model {
	t.Helper()
	dir := t.TempDir()
	if _, err := quantize.Convert(m.Checkpoint, nil, opt, dir, nil); err != nil {
		t.Fatal(err)
	}
	q, err := quantize.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	served := *m
	served.Quantized, served.Tokenizer = q, nil // a model without a tokenizer answers in tokens
	return &served
}

// TestBrokenVersionsStayAmongThemselves runs an adapter whose numbers overflow beside and before others: it fails, and
// what it leaves in the caches changes no other answer.
func TestBrokenVersionsStayAmongThemselves(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 3, Chunk: 16})
	wild := randomAdapter(t, m.Config, 8, 1)
	for target := range wild.Factors {
		f := wild.Factors[target]
		for i := range f.B {
			f.A[i%len(f.A)], f.B[i] = 1e19, 1e19
		}
	}
	if err := e.Bank().Install("wild", wild); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	prompt := randomTokens(rng, 20, m.Config.Vocab)
	s := submit(t, e, context.Background(), Request{Prompt: prompt, MaxTokens: 20, IgnoreEOS: true})
	drain(e)
	want := read(t, s)
	for range 3 {
		bad := submit(t, e, context.Background(), Request{Prompt: randomTokens(rng, 100, m.Config.Vocab), Pin: pinned(t, e, "wild"), MaxTokens: 9})
		s := submit(t, e, context.Background(), Request{Prompt: prompt, MaxTokens: 20, IgnoreEOS: true})
		drain(e)
		if a := read(t, bad); a.result.Err == nil {
			t.Errorf("a version that overflows answered %v", a.tokens)
		}
		if diff := same(want, read(t, s)); diff != "" {
			t.Errorf("after a broken version: %s", diff)
		}
	}
	start(t, e)
	if _, err := e.Score(context.Background(), pinned(t, e, "wild"), prompt, 1); err == nil {
		t.Error("a version that overflows was scored")
	}
}
