package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/sampling"
)

// TestCancelFreesWithinOneStep cancels requests in every place where they can be, and counts iterations of the loop.
func TestCancelFreesWithinOneStep(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 3, Chunk: 16})
	if err := e.Bank().Install("v", randomAdapter(t, m.Config, 8, 1)); err != nil {
		t.Fatal(err)
	}
	type place struct {
		stream *Stream
		cancel context.CancelFunc
	}
	put := func(prompt int) place {
		ctx, cancel := context.WithCancel(context.Background())
		return place{submit(t, e, ctx, Request{Prompt: make([]int32, prompt), Pin: pinned(t, e, "v"), MaxTokens: 100, IgnoreEOS: true}), cancel}
	}
	first, second := put(3), put(3)
	e.tick()
	e.tick()
	filling, queued, scored := put(40), put(50), make(chan error, 1)
	e.tick() // one chunk of three
	if e.inFlight() != 1 || len(e.batch.rows) != 2 || e.Stats().Waiting != 1 {
		t.Fatalf("%d prompts in flight, %d active, %d waiting", e.inFlight(), len(e.batch.rows), e.Stats().Waiting)
	}
	steps := e.Stats().Steps
	for _, p := range []place{first, filling, queued} {
		p.cancel()
	}
	e.tick()
	for name, p := range map[string]place{"decoding": first, "in prefill": filling, "queued": queued} {
		select {
		case <-p.stream.done:
		default:
			t.Errorf("the request %s has not ended after one step", name)
			continue
		}
		if a := read(t, p.stream); !errors.Is(a.result.Err, context.Canceled) {
			t.Errorf("the request %s ended with %v", name, a.result.Err)
		}
	}
	if e.inFlight() != 0 || len(e.batch.rows) != 1 || e.Stats().Steps != steps+1 || e.Stats().Waiting != 0 || e.Stats().Cancelled != 3 {
		t.Errorf("after the step: %d prompts in flight, %+v", e.inFlight(), e.Stats())
	}
	if pins := e.bank.versions["v"].pins; pins != 1 {
		t.Errorf("%d pins for one request", pins)
	}
	ctx, cancel := context.WithCancel(context.Background())
	pin := pinned(t, e, "")
	go func() {
		_, err := e.Score(ctx, pin, make([]int32, 100), 1)
		scored <- err
	}()
	for e.Stats().Waiting == 0 {
		runtime.Gosched()
	}
	e.tick()
	cancel()
	if err := <-scored; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled score: %v", err)
	}
	e.tick()
	second.cancel()
	e.tick()
	if drain(e) != 0 || !errors.Is(read(t, second.stream).result.Err, context.Canceled) {
		t.Error("something is left")
	}
}

// TestCancelWhileRunning leaves many streams early and checks that the engine forgets them.
func TestCancelWhileRunning(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{Slots: 4, Chunk: 16})
	rng := rand.New(rand.NewPCG(8, 1))
	var streams []*Stream
	for i := range 60 {
		ctx, cancel := context.WithCancel(context.Background())
		s := submit(t, e, ctx, Request{Prompt: randomTokens(rng, 1+rng.IntN(60), m.Config.Vocab), MaxTokens: 200, IgnoreEOS: true})
		streams = append(streams, s)
		go func() {
			for range i % 7 {
				<-s.Pieces
			}
			cancel()
		}()
	}
	cancelled := int64(0)
	for _, s := range streams {
		r := s.Result()
		if errors.Is(r.Err, context.Canceled) {
			cancelled++
		} else if r.Err != nil || r.Tokens != 200 { // it was faster than its reader
			t.Errorf("result %+v", r)
		}
	}
	if s := e.Stats(); s.Cancelled != cancelled || s.Active != 0 || s.Waiting != 0 {
		t.Errorf("%d answers were cancelled, stats %+v", cancelled, s)
	}
	ask(t, e, Request{Prompt: []int32{1}, MaxTokens: 1})
}

// TestRunsEnd ends Run with requests in every place; all of them fail with ErrClosed, no goroutine stays. A score is done by then.
func TestRunsEnd(t *testing.T) {
	m := smallModel(t)
	before := runtime.NumGoroutine()
	for _, how := range []string{"context", "close"} {
		e, err := New(m, Config{Slots: 2, Chunk: 16, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var streams []*Stream
		for range 5 {
			streams = append(streams, submit(t, e, context.Background(), Request{Prompt: make([]int32, 20), MaxTokens: 250, IgnoreEOS: true}))
		}
		scored := make(chan error, 1)
		pin := pinned(t, e, "")
		go func() {
			_, err := e.Score(context.Background(), pin, make([]int32, 30), 1)
			scored <- err
		}()
		for e.Stats().Waiting < 6 {
			runtime.Gosched()
		}
		for range 5 { // two decode, one is in prefill or about to be
			e.tick()
		}
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		<-streams[0].Pieces
		if how == "context" {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			e.Close()
		} else {
			e.Close()
			if err := <-ended; err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			cancel()
		}
		for i, s := range streams {
			if r := read(t, s).result; !errors.Is(r.Err, ErrClosed) {
				t.Errorf("%s: request %d ended with %+v", how, i, r)
			}
		}
		if err := <-scored; err != nil { // it went before the requests that wait
			t.Errorf("%s: score: %v", how, err)
		}
		if _, err := e.Submit(context.Background(), Request{Prompt: []int32{1}, Pin: pinned(t, e, ""), MaxTokens: 1}); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: submit afterwards: %v", how, err)
		}
		if _, err := e.Score(context.Background(), pinned(t, e, ""), []int32{1, 2}, 1); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: score afterwards: %v", how, err)
		}
		if err := e.Run(context.Background()); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: run again: %v", how, err)
		}
		e.Close()
		if s := e.Stats(); s.Active != 0 || s.Waiting != 0 || s.WaitingTokens != 0 {
			t.Errorf("%s: stats %+v", how, s)
		}
	}
	deadline := time.Now().Add(10 * time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

// TestCloseBeforeRun ends what waits in an engine that never ran.
func TestCloseBeforeRun(t *testing.T) {
	e := newEngine(t, smallModel(t), Config{})
	s := submit(t, e, context.Background(), Request{Prompt: []int32{1}, MaxTokens: 1})
	e.Close()
	if r := read(t, s).result; !errors.Is(r.Err, ErrClosed) || r.Timings.Queue <= 0 {
		t.Errorf("result %+v", r)
	}
}

// TestFailuresEndOnlyWhatTheyCarried breaks single requests, a step and a prefill, and checks that the others go on.
func TestFailuresEndOnlyWhatTheyCarried(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 4, Chunk: 16})
	ctx := context.Background()
	put := func(prompt, answer int) *Stream {
		return submit(t, e, ctx, Request{Prompt: make([]int32, prompt), MaxTokens: answer, IgnoreEOS: true})
	}
	fails := func(s *Stream, want string) {
		t.Helper()
		if r := read(t, s).result; r.Err == nil || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("result %+v, want an error about %q", r, want)
		}
	}
	alive := func(s *Stream) {
		t.Helper()
		if a := read(t, s); a.result.Err != nil || len(a.tokens) != 30 {
			t.Errorf("%d tokens, %v; want 30", len(a.tokens), a.result.Err)
		}
	}
	a, b := put(3, 30), put(3, 30)
	e.tick()
	e.tick()
	batch := e.batch

	batch.rows[0].sampler = nil // a panic while a token is delivered
	e.tick()
	fails(a, "panic")
	a = put(3, 30)
	e.tick()
	batch.rows[1].out.decoder = nil // answers in tokens from now on
	e.tick()
	drain(e)
	alive(a)
	alive(b)

	a = put(3, 30)
	e.tick()
	e.tick()
	batch.rows[0].tokens = batch.rows[0].tokens[:0] // a panic while a step is prepared
	e.tick()
	fails(a, "panic")

	a = put(3, 30)
	e.tick()
	for _, st := range built(batch) { // the runtime refuses the step
		st.binding.Close()
	}
	e.tick()
	fails(a, "decode a token")

	a = put(40, 30)
	e.tick()
	of(e.scheduler.Prefilling()[0]).tokens[20] = 1 << 30 // the runtime refuses the chunk
	e.tick()
	fails(a, "prompt positions 16 to 32")
	a = put(40, 30)
	e.tick()
	of(e.scheduler.Prefilling()[0]).tokens = of(e.scheduler.Prefilling()[0]).tokens[:20]
	e.tick()
	fails(a, "panic")

	a = put(40, 30)
	drain(e)
	alive(a)
	if s := e.Stats(); s.Failed != 5 || s.Active != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestPanicOutsideAStepEndsRun makes the loop itself panic: Run returns it, and the process and its callers go on.
func TestPanicOutsideAStepEndsRun(t *testing.T) {
	e := newEngine(t, smallModel(t), Config{Slots: 2})
	s := submit(t, e, context.Background(), Request{Prompt: []int32{1}, MaxTokens: 200, IgnoreEOS: true})
	e.tick()
	broken := submit(t, e, context.Background(), Request{Prompt: []int32{1}, MaxTokens: 250})
	waiting := submit(t, e, context.Background(), Request{Prompt: []int32{1}, MaxTokens: 250})
	prefixes := e.prefixes
	e.prefixes = nil // the next one that starts is looked up there
	defer func() { e.prefixes = prefixes }()
	if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("Run: %v", err)
	}
	for _, s := range []*Stream{s, broken, waiting} {
		if r := read(t, s).result; !errors.Is(r.Err, ErrClosed) || !strings.Contains(r.Err.Error(), "panic") {
			t.Errorf("result %+v", r)
		}
	}
}

// TestEndsOfAnswers checks how answers end: at once, at the end-of-text token, at the model's context.
func TestEndsOfAnswers(t *testing.T) {
	m := *smallModel(t)
	e := runEngine(t, &m, Config{Chunk: 16})
	prompt, p := []int32{5, 6, 7}, sampling.Params{Temperature: 1, Seed: 1}
	whole := ask(t, e, Request{Prompt: prompt, MaxTokens: 40, IgnoreEOS: true, Sampling: p})
	one := ask(t, e, Request{Prompt: prompt, MaxTokens: 1, IgnoreEOS: true, Sampling: p})
	if len(one.tokens) != 1 || one.tokens[0] != whole.tokens[0] || one.result.Finish != FinishLength {
		t.Errorf("one token: %+v, want %d", one, whole.tokens[0])
	}
	if r := whole.result; r.Tokens != 40 || r.Timings.FirstToken <= 0 || r.Timings.Prefill <= 0 || r.Timings.Decode <= 0 || r.Timings.FirstToken < r.Timings.Queue {
		t.Errorf("result %+v", r)
	}
	full := ask(t, e, Request{Prompt: randomTokens(rand.New(rand.NewPCG(1, 9)), 299, m.Config.Vocab), MaxTokens: math.MaxInt, IgnoreEOS: true})
	if len(full.tokens) != 1 || full.result.Finish != FinishLength {
		t.Errorf("a prompt that leaves one position: %+v", full)
	}
	full = ask(t, e, Request{Prompt: prompt, MaxTokens: math.MaxInt, IgnoreEOS: true, Sampling: p})
	if len(full.tokens) != 297 || full.result.Finish != FinishLength || !slices.Equal(full.tokens[:40], whole.tokens) {
		t.Errorf("an answer up to the context: %d tokens, %s", len(full.tokens), full.result.Finish)
	}
	e.Close()

	// The model's own first token, and a later one, become the end-of-text token.
	later := len(whole.tokens) - 1
	for slices.Contains(whole.tokens[:later], whole.tokens[later]) {
		later--
	}
	if later < 5 {
		t.Fatalf("the answer %v repeats itself too much for this test", whole.tokens)
	}
	for _, at := range []int{0, later} {
		m := *smallModel(t)
		m.Ends = []int32{whole.tokens[at]}
		e := runEngine(t, &m, Config{Chunk: 16})
		got := ask(t, e, Request{Prompt: prompt, MaxTokens: 40, Sampling: p})
		if got.result.Finish != FinishStop || !slices.Equal(got.tokens, whole.tokens[:at+1]) || !slices.Equal(got.logProbs, whole.logProbs[:at+1]) {
			t.Errorf("end-of-text at %d: %+v", at, got)
		}
		var before []byte
		for _, id := range whole.tokens[:at] {
			if m.Tokenizer.IsSpecial(id) {
				continue
			}
			var err error
			before, err = m.Tokenizer.Decode(before, id)
			if err != nil {
				t.Fatal(err)
			}
		}
		if got.text != validText(before) {
			t.Errorf("end-of-text at %d: the text is %q, before it comes %q", at, got.text, before)
		}
		e.Close()
	}
}

// TestStopStringsInAnswers stops a real answer at each of its substrings.
func TestStopStringsInAnswers(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{Slots: 8})
	p := sampling.Params{Temperature: 1.5, Seed: 4}
	whole := ask(t, e, Request{Prompt: []int32{9, 8}, MaxTokens: 40, IgnoreEOS: true, Sampling: p})
	runes := []rune(whole.text)
	if len(runes) < 20 {
		t.Fatalf("the answer %q is too short for this test", whole.text)
	}
	for i := range runes {
		for n := 1; n <= 5 && i+n <= len(runes); n += 2 {
			stop := string(runes[i : i+n])
			if strings.ContainsRune(stop, '\uFFFD') && i+n == len(runes) {
				continue // made by the answer's end, not by a token
			}
			want, _ := stopAt(whole.text, []string{stop})
			got := ask(t, e, Request{Prompt: []int32{9, 8}, MaxTokens: 40, IgnoreEOS: true, Sampling: p, Stop: []string{"", stop, "not in it"}})
			if got.text != want || got.result.Finish != FinishStop {
				t.Fatalf("stop %q: %q (%s), want %q", stop, got.text, got.result.Finish, want)
			}
		}
	}
}

// TestSeeds repeats sampled answers and compares different seeds.
func TestSeeds(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{})
	r := func(seed uint64) Request {
		return Request{Prompt: []int32{1, 2}, MaxTokens: 12, IgnoreEOS: true, Sampling: sampling.Params{Temperature: 1, TopK: 50, Seed: seed}}
	}
	distinct := map[string]bool{}
	for seed := range uint64(10) {
		a := ask(t, e, r(seed))
		if diff := same(a, ask(t, e, r(seed))); diff != "" {
			t.Errorf("seed %d twice: %s", seed, diff)
		}
		distinct[fmt.Sprint(a.tokens)] = true
	}
	if len(distinct) < 8 {
		t.Errorf("10 seeds give %d answers", len(distinct))
	}
}

// TestPrefillDoesNotStallStreams counts how many chunks run between two tokens of a running stream: one.
func TestPrefillDoesNotStallStreams(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 2, Chunk: 16})
	running := submit(t, e, context.Background(), Request{Prompt: []int32{1}, MaxTokens: 100, IgnoreEOS: true})
	e.tick()
	have := len(running.Pieces)
	long := submit(t, e, context.Background(), Request{Prompt: make([]int32, 160), MaxTokens: 5, IgnoreEOS: true})
	for chunk := 1; chunk <= 10; chunk++ {
		if len(long.Pieces) != 0 {
			t.Fatalf("the long prompt answered after %d chunks of 10", chunk-1)
		}
		e.tick()
		if got := len(running.Pieces); got != have+chunk {
			t.Fatalf("after %d chunks the stream has %d new tokens", chunk, got-have)
		}
	}
	if len(long.Pieces) != 2 {
		t.Errorf("the long prompt has %d tokens after its last chunk, want the first and the step's", len(long.Pieces))
	}
}

// TestConfigRefusals names the setting that is wrong.
func TestConfigRefusals(t *testing.T) {
	m := smallModel(t)
	for name, cfg := range map[string]Config{
		"threads": {Threads: -1}, "slots": {Slots: -1}, "queue": {Queue: -1}, "queue tokens": {QueueTokens: -1}, "bank rows": {BankRows: -1},
		"max rank": {MaxRank: -1}, "chunk": {Chunk: -1}, "nothing": {Modules: []string{"nothing"}},
	} {
		if e, err := New(m, cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
			if e != nil {
				e.Close()
			}
		}
	}
	bad := *m
	bad.Config.Heads = 5
	if _, err := New(&bad, Config{}); err == nil {
		t.Error("an engine for a model of no shape was made")
	}
	if _, err := newBank(m, []string{"attn.c_attn", "nothing"}, 2, 8); err == nil {
		t.Error("a bank for a module that does not exist was made")
	}
	if m.Checkpoint.Shape() != m.Config {
		t.Error("the model's configuration is not the checkpoint's")
	}
}
