package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/engine/kv"
	"nightshift/internal/engine/scheduler"
	"nightshift/models/arch"
)

// prompting is an engine without a prefix cache whose prompts are random, so that each of their chunks is computed. The test drives it.
type prompting struct {
	*Engine
	t      testing.TB
	random *rand.Rand
}

func newPrompting(t testing.TB, cfg Config) *prompting {
	cfg.Chunk, cfg.PrefixCache = 16, -1
	return &prompting{newEngine(t, smallModel(t), cfg), t, rand.New(rand.NewPCG(21, 4))}
}

// ask submits a random prompt of so many tokens.
func (p *prompting) ask(prompt, answer int, change ...func(*Request)) *Stream {
	p.t.Helper()
	r := Request{Prompt: randomTokens(p.random, prompt, p.model.Config.Vocab), MaxTokens: answer, IgnoreEOS: true}
	for _, f := range change {
		f(&r)
	}
	return submit(p.t, p.Engine, context.Background(), r)
}

// score lets a random text be scored, from its second token on.
func (p *prompting) score(ctx context.Context, tokens int) *sequence {
	p.t.Helper()
	s := &sequence{tokens: randomTokens(p.random, tokens, p.model.Config.Vocab), pin: pinned(p.t, p.Engine, ""), score: &scoring{from: 1, done: make(chan struct{})},
		Sequence: scheduler.Sequence{Context: ctx, Prompt: tokens, Cost: tokens, Submitted: time.Now(), Score: true}}
	if err := p.reserve(s.pin, 1, tokens, true); err != nil {
		p.t.Fatal(err)
	}
	if err := p.push([]*sequence{s}); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// lengths are those of the prompts in flight, in the order in which they started.
func (p *prompting) lengths() (list []int) {
	for _, s := range p.scheduler.Prefilling() {
		list = append(list, s.Prompt)
	}
	return list
}

func group(name string) func(*Request) { return func(r *Request) { r.Group = name } }
func priority(n int) func(*Request)    { return func(r *Request) { r.Priority = n } }

// TestShortPromptOvertakes lets a prompt come while one of ten chunks is in flight and three of them are computed: it is answered
// within the iterations of its own chunks, or it waits for the seven others.
func TestShortPromptOvertakes(t *testing.T) {
	for name, c := range map[string]struct {
		prompt     int
		change     func(*Request)
		iterations int // until its first token
	}{
		"short":                     {10, group("a"), 1},
		"half as long":              {56, group("a"), 5}, // of its four chunks the last comes after one of the long prompt's
		"more than half as long":    {57, group("a"), 7 + 4},
		"short, of another group":   {10, group("b"), 1},
		"two chunks, another group": {20, group("b"), 3},
		"long and urgent":           {40, priority(-1), 3},
		"short and of no hurry":     {10, priority(1), 7 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			e := newPrompting(t, Config{Slots: 4})
			long := e.ask(160, 1, group("a"))
			for range 3 {
				e.tick()
			}
			other := e.ask(c.prompt, 3, c.change)
			iterations, longAfter := 0, 0
			for len(other.Pieces) == 0 && iterations < 40 {
				e.tick()
				iterations++
			}
			for longAfter = iterations; len(long.Pieces) == 0 && longAfter < 40; longAfter++ {
				e.tick()
			}
			if iterations != c.iterations {
				t.Errorf("the first token came after %d iterations, want %d", iterations, c.iterations)
			}
			if want := 7 + (c.prompt+15)/16; c.iterations < 7 && longAfter != want {
				t.Errorf("the long prompt was overtaken and done after %d iterations, want %d", longAfter, want)
			}
			drain(e.Engine)
			read(t, long)
			read(t, other)
		})
	}
}

// TestPrefillInFlightGoesOn lets a prompt of ten chunks be overtaken for as long as it is in flight: it gets every fourth iteration,
// and every other one when others of another group overtake it.
func TestPrefillInFlightGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		flood      func(*prompting)
		iterations int // for nine chunks
	}{
		"short ones":             {func(p *prompting) { p.ask(8, 1, group("a")) }, 9 * 4},
		"another group's":        {func(p *prompting) { p.ask(8, 1, group("b")) }, 9 * 2},
		"urgent ones":            {func(p *prompting) { p.ask(200, 1, group("a"), priority(-1)) }, 9 * 4},
		"another group's urgent": {func(p *prompting) { p.ask(200, 1, group("b"), priority(-1)) }, 9 * 4},
		"scores":                 {func(p *prompting) { p.score(context.Background(), 50) }, 9 * 4},
	} {
		t.Run(name, func(t *testing.T) {
			e := newPrompting(t, Config{Slots: 4})
			long := e.ask(160, 1, group("a"))
			e.tick()
			iterations := 0
			for ; len(long.Pieces) == 0 && iterations < 100; iterations++ {
				for e.Stats().Waiting < 4 {
					c.flood(e)
				}
				e.tick()
			}
			if iterations != c.iterations {
				t.Errorf("nine chunks took %d iterations, want %d", iterations, c.iterations)
			}
		})
	}
}

// TestOvertakersNeedARow puts prompts in flight until there is no row left; then the shortest one goes on, and its row is the
// next one's.
func TestOvertakersNeedARow(t *testing.T) {
	e := newPrompting(t, Config{Slots: 8})
	streams := []*Stream{}
	for i, n := range []int{288, 136, 60, 22} { // each at most half of what the one before has left
		streams = append(streams, e.ask(n, 1))
		e.tick()
		if got := e.lengths(); len(got) != i+1 || got[i] != n {
			t.Fatalf("prompts %v are in flight, want one of %d to have started", got, n)
		}
	}
	streams = append(streams, e.ask(3, 1), e.ask(2, 1))
	if s := e.Stats(); s.Prefilling != 4 || s.Active != 0 {
		t.Errorf("stats %+v", s)
	}
	e.tick() // for the longest, which was overtaken three times: no prompt starts without a row
	if got := e.lengths(); !slices.Equal(got, []int{288, 136, 60, 22}) || len(streams[4].Pieces) != 0 || len(streams[5].Pieces) != 0 {
		t.Errorf("prompts %v are in flight after an iteration for the first of them", got)
	}
	e.tick()
	if got := e.lengths(); !slices.Equal(got, []int{288, 136, 60}) || len(streams[3].Pieces) == 0 || len(streams[4].Pieces) == 0 || len(streams[5].Pieces) == 0 {
		t.Errorf("prompts %v are in flight after an iteration for 6, 2 and 3 positions", got)
	}
	drain(e.Engine)
	for _, s := range streams {
		if r := read(t, s).result; r.Err != nil {
			t.Error(r.Err)
		}
	}
	if s := e.Stats(); s.Prefilling != 0 || s.PrefillBytes == 0 {
		t.Errorf("stats afterwards: %+v", s)
	}
}

// TestPrefillsInFlightKeepTheirBounds drives random requests and scores and looks at every iteration: nobody is without a slot when its
// prompt is computed, no two share a row, and no iteration computes more positions than a chunk's.
func TestPrefillsInFlightKeepTheirBounds(t *testing.T) {
	for _, slots := range []int{1, 2, 3, 9} {
		e := newPrompting(t, Config{Slots: slots, QueueTokens: 1 << 30})
		var streams []*Stream
		var scores []*sequence
		peak := 0
		for n := 0; n < 600 || e.Stats().Waiting > 0; n++ {
			if n < 600 && n%3 == 0 {
				length := 1 + e.random.IntN(12)
				if n%2 == 0 {
					length = 1 + e.random.IntN(280)
				}
				streams = append(streams, e.ask(length, 1+e.random.IntN(9), group(fmt.Sprint(e.random.IntN(3))), priority(e.random.IntN(2))))
			}
			if n < 600 && n%15 == 0 {
				scores = append(scores, e.score(context.Background(), 2+e.random.IntN(60)))
			}
			before := e.Stats().PromptTokens
			e.tick()
			if got := e.Stats().PromptTokens - before; got > 16 {
				t.Fatalf("an iteration computed %d positions", got)
			}
			peak = max(peak, e.inFlight())
			list, running := e.scheduler.Prefilling(), len(e.batch.rows)
			for _, s := range list {
				if !s.Score {
					running++
				}
			}
			if running > slots || len(list) > scheduler.MaxPrefills {
				t.Fatalf("%d sequences for %d slots, %d prompts in flight", running, slots, len(list))
			}
			for i, s := range list {
				if s.Staging < 0 || s.Staging >= scheduler.MaxPrefills || slices.ContainsFunc(list[:i], func(o *scheduler.Sequence) bool { return o.Staging == s.Staging }) {
					t.Fatalf("prompt %d of %d has no row of its own", i, e.inFlight())
				}
			}
		}
		drain(e.Engine)
		for _, s := range streams {
			if r := read(t, s).result; r.Err != nil {
				t.Error(r.Err)
			}
		}
		for _, s := range scores {
			if s.score.err != nil || len(s.score.logProbs) != s.Prompt-1 {
				t.Errorf("a score of %d tokens: %d of them, %v", s.Prompt, len(s.score.logProbs), s.score.err)
			}
		}
		if want := min(slots+1, 3); peak < want {
			t.Errorf("%d slots: never more than %d prompts were in flight, want %d", slots, peak, want)
		}
	}
}

// TestPrefillsInFlightShareABeginning lets a prompt overtake one that begins alike: what either has computed, the other does not.
func TestPrefillsInFlightShareABeginning(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 4, Chunk: 16})
	random := rand.New(rand.NewPCG(8, 8))
	beginning := randomTokens(random, 64, m.Config.Vocab)
	ask := func(more int) *Stream {
		prompt := append(slices.Clone(beginning), randomTokens(random, more, m.Config.Vocab)...)
		return submit(t, e, context.Background(), Request{Prompt: prompt, MaxTokens: 1})
	}
	long := ask(100)
	e.tick()
	e.tick()
	short := ask(10)
	drain(e)
	if l, s := read(t, long).result, read(t, short).result; l.Err != nil || s.Err != nil || l.Recalled != 32 || s.Recalled != 32 {
		t.Errorf("the long prompt recalled %d positions of 32, the short one %d of 32; %v, %v", l.Recalled, s.Recalled, l.Err, s.Err)
	}
	if s := e.Stats(); s.PromptTokens != 164+74-64 || s.CachedTokens != 64 || s.PrefixHits != 2 || s.PrefixLookups != 2 {
		t.Errorf("stats %+v", s)
	}
	long = submit(t, e, context.Background(), Request{Prompt: randomTokens(random, 40, m.Config.Vocab), MaxTokens: 1})
	e.tick()
	short = ask(5) // longer, but for what is known of it
	e.tick()
	if len(short.Pieces) == 0 || len(long.Pieces) != 0 {
		t.Error("a prompt of which all but 5 positions are known waits for one with 24 left")
	}
}

// TestPrefillsInFlightEndAlone ends one of three prompts in flight in every way in which it may end; the others' answers are what
// they are without it.
func TestPrefillsInFlightEndAlone(t *testing.T) {
	e := newPrompting(t, Config{Slots: 4})
	if err := e.Bank().Install("v", randomAdapter(t, e.model.Config, 8, 1)); err != nil {
		t.Fatal(err)
	}
	requests := make([]Request, 3)
	want := make([]answer, len(requests))
	for i, n := range []int{200, 80, 25} {
		requests[i] = Request{Prompt: randomTokens(e.random, n, e.model.Config.Vocab), MaxTokens: 6, IgnoreEOS: true}
		r := requests[i]
		r.Pin = pinned(t, e.Engine, "v")
		s := submit(t, e.Engine, context.Background(), r)
		drain(e.Engine)
		want[i] = read(t, s)
	}
	type end struct {
		name string
		do   func(s *sequence, cancel context.CancelFunc)
		soon bool // at the next iteration of the loop, not at its own next chunk
		is   func(Result) bool
	}
	says := func(what string) func(Result) bool {
		return func(r Result) bool { return r.Err != nil && strings.Contains(r.Err.Error(), what) }
	}
	for _, how := range []end{
		{"cancelled", func(_ *sequence, cancel context.CancelFunc) { cancel() }, true, func(r Result) bool { return errors.Is(r.Err, context.Canceled) }},
		{"late", func(s *sequence, _ context.CancelFunc) { s.Deadline = time.Unix(1, 0) }, true, func(r Result) bool { return r.Err == nil && r.Finish == FinishTimeout && r.Tokens == 0 }},
		{"refused by the runtime", func(s *sequence, _ context.CancelFunc) { s.tokens[s.Prefilled] = 1 << 30 }, false, says("compute prompt positions")},
		{"panicking", func(s *sequence, _ context.CancelFunc) { s.tokens = s.tokens[:s.Prefilled] }, false, says("panic")},
	} {
		for victim := range requests {
			streams := make([]*Stream, len(requests))
			cancels := make([]context.CancelFunc, len(requests))
			for i, r := range requests {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				r.Pin, cancels[i] = pinned(t, e.Engine, "v"), cancel
				streams[i] = submit(t, e.Engine, ctx, r)
				e.tick()
			}
			if got := e.lengths(); !slices.Equal(got, []int{200, 80, 25}) {
				t.Fatalf("prompts %v are in flight", got)
			}
			gone := of(e.scheduler.Prefilling()[victim])
			how.do(gone, cancels[victim])
			if e.tick(); how.soon && slices.Contains(e.scheduler.Prefilling(), &gone.Sequence) {
				t.Errorf("prompt %d is %s and still in flight after an iteration", victim, how.name)
			}
			drain(e.Engine)
			for i, s := range streams {
				a := read(t, s)
				if i == victim {
					if !how.is(a.result) {
						t.Errorf("prompt %d, %s: %+v", i, how.name, a.result)
					}
				} else if diff := same(want[i], a); diff != "" {
					t.Errorf("prompt %d, while %d is %s: %s", i, victim, how.name, diff)
				}
			}
			if pins := e.bank.versions["v"].pins; pins != 0 || e.Stats().Prefilling != 0 {
				t.Errorf("%d pins and %d prompts are left", pins, e.Stats().Prefilling)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	long := e.ask(200, 1)
	e.tick()
	scored := e.score(ctx, 50)
	e.tick()
	cancel()
	e.tick()
	select {
	case <-scored.score.done:
	default:
		t.Fatal("a score that is cancelled is in flight after an iteration")
	}
	if !errors.Is(scored.score.err, context.Canceled) {
		t.Errorf("a score that is cancelled: %v", scored.score.err)
	}
	drain(e.Engine)
	if r := read(t, long).result; r.Err != nil {
		t.Error(r.Err)
	}
}

// TestCloseEndsPrefillsInFlight closes an engine with three prompts and a score in flight.
func TestCloseEndsPrefillsInFlight(t *testing.T) {
	e := newPrompting(t, Config{Slots: 4})
	if err := e.Bank().Install("v", randomAdapter(t, e.model.Config, 8, 1)); err != nil {
		t.Fatal(err)
	}
	var streams []*Stream
	for _, n := range []int{280, 100, 40} {
		streams = append(streams, e.ask(n, 5, func(r *Request) { r.Pin = pinned(t, e.Engine, "v") }))
		e.tick()
	}
	scored := e.score(context.Background(), 40)
	e.tick()
	if got := e.lengths(); !slices.Equal(got, []int{280, 100, 40, 40}) {
		t.Fatalf("prompts %v are in flight", got)
	}
	e.Close()
	for i, s := range streams {
		if r := read(t, s).result; !errors.Is(r.Err, ErrClosed) {
			t.Errorf("prompt %d: %+v", i, r)
		}
	}
	<-scored.score.done
	if !errors.Is(scored.score.err, ErrClosed) {
		t.Errorf("the score: %v", scored.score.err)
	}
	if pins := e.bank.versions["v"].pins; pins != 0 || e.Stats().Prefilling != 0 || e.staging.logits != nil || e.staging.rows[3] != nil {
		t.Errorf("%d pins and %d prompts are left, or memory", pins, e.Stats().Prefilling)
	}
}

// TestSchedulingDoesNotAllocate decides what comes next while a prompt is in flight and others wait, of which none overtakes it.
func TestSchedulingDoesNotAllocate(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 4, Chunk: 16})
	random := rand.New(rand.NewPCG(6, 6))
	for _, n := range []int{200, 190, 180} {
		submit(t, e, context.Background(), Request{Prompt: randomTokens(random, n, m.Config.Vocab), MaxTokens: 1})
		e.tick()
	}
	kinds := map[scheduler.Kind]int{scheduler.Prefill: 0, scheduler.Decode: 0}
	if n := testing.AllocsPerRun(50, func() { kinds[e.next().Kind]++ }); n != 0 || e.inFlight() != 1 || e.Stats().Waiting != 2 {
		t.Errorf("%v allocations; %d prompts in flight, %d waiting", n, e.inFlight(), e.Stats().Waiting)
	}
	if kinds[scheduler.Prefill] < 20 || kinds[scheduler.Decode] < 20 || len(kinds) != 2 {
		t.Errorf("what came next were %v, want chunks and steps alternately", kinds)
	}
}

// TestStagingRowsGiveMemoryBack ends a long and a short prompt in a row: the first row keeps what it has taken, another one only what a
// short prompt takes.
func TestStagingRowsGiveMemoryBack(t *testing.T) {
	cfg := arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 512, Context: 4096})
	s := &staging{}
	for i := range s.rows {
		s.rows[i] = &stagingRow{memory: kv.NewStaging(cfg, &kv.AdapterBank{})}
		defer s.rows[i].memory.Close() //nolint:errcheck // a test's memory
	}
	for positions, kept := range map[int]bool{cfg.Context: false, cfg.Context / 4: true} {
		var before [2]int
		for row := range before {
			s.rows[row].memory.Cache.Use(0, positions)
			before[row] = s.rows[row].memory.Cache.Bytes(0)
		}
		if err := errors.Join(s.vacate(1), s.vacate(0)); err != nil {
			t.Fatal(err)
		}
		first, second := s.rows[0].memory.Cache.Bytes(0), s.rows[1].memory.Cache.Bytes(0)
		if first != before[0] || second != 0 != kept || kept && second != before[1] || s.bytes() != first+second {
			t.Errorf("%d positions: %d and %d bytes are left of %v", positions, first, second, before)
		}
	}
}
