package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"
)

// TestQueueBounds fills the queue by requests and by tokens.
func TestQueueBounds(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Queue: 3, QueueTokens: 100, Chunk: 16, PrefixCache: -1})
	ctx := context.Background()
	var streams []*Stream
	try := func(prompt, answer int) error {
		s, err := e.Submit(ctx, Request{Prompt: make([]int32, prompt), Pin: pinned(t, e, ""), MaxTokens: answer})
		if err == nil {
			streams = append(streams, s)
		}
		return err
	}
	refused := func(err error, waiting, tokens int) {
		t.Helper()
		var busy *BusyError
		if !errors.As(err, &busy) || busy.Waiting != waiting || busy.Tokens != tokens || busy.RetryAfter < time.Second || busy.RetryAfter > time.Minute || busy.Error() == "" {
			t.Errorf("error %v (%+v), want a full queue of %d requests and %d tokens", err, busy, waiting, tokens)
		}
	}
	if err := try(200, 50); err != nil { // alone it is taken whatever its size
		t.Fatal(err)
	}
	refused(try(1, 1), 1, 250)
	drain(e)
	for range 2 {
		if err := try(20, 10); err != nil {
			t.Fatal(err)
		}
	}
	refused(try(30, 11), 2, 60)
	if err := try(30, 10); err != nil {
		t.Fatal(err)
	}
	refused(try(1, 1), 3, 100)
	scored := make(chan error, 1)
	go func() {
		_, err := e.Score(ctx, pinned(t, e, ""), []int32{1, 2}, 1)
		scored <- err
	}()
	for e.Stats().Waiting < 4 { // a full queue does not refuse a score
		runtime.Gosched()
	}
	e.tick()
	if err := <-scored; err != nil { // nor does it wait for the others
		t.Errorf("score with a full queue: %v", err)
	}
	if s := e.Stats(); s.Waiting != 2 || s.WaitingTokens != 70 || s.Refused != 3 || s.Requests != 4 {
		t.Errorf("stats %+v", s)
	}
	drain(e)
	for _, s := range streams {
		if r := read(t, s).result; r.Err != nil {
			t.Error(r.Err)
		}
	}
	if s := e.Stats(); s.Waiting != 0 || s.WaitingTokens != 0 || s.Active != 0 {
		t.Errorf("stats after all: %+v", s)
	}
}

// TestWaitInQueue ends what waits for too long, also behind others, and nothing that was started.
func TestWaitInQueue(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 1})
	ctx := context.Background()
	running := submit(t, e, ctx, Request{Prompt: []int32{1}, MaxTokens: 20, MaxWait: time.Hour, IgnoreEOS: true})
	e.tick()
	patient := submit(t, e, ctx, Request{Prompt: []int32{1}, MaxTokens: 20, MaxWait: time.Hour, IgnoreEOS: true})
	hasty := submit(t, e, ctx, Request{Prompt: []int32{1}, MaxTokens: 20, MaxWait: 1})
	e.tick()
	var busy *BusyError
	if r := read(t, hasty).result; !errors.As(r.Err, &busy) || busy.Waited <= 0 || busy.RetryAfter < time.Second || busy.Error() == "" || r.Timings.Queue <= 0 {
		t.Errorf("the hasty request: %+v", r)
	}
	drain(e)
	for _, s := range []*Stream{running, patient} {
		if a := read(t, s); a.result.Err != nil || len(a.tokens) != 20 {
			t.Errorf("a request with time: %d tokens, %v", len(a.tokens), a.result.Err)
		}
	}
	if s := e.Stats(); s.Expired != 1 || s.Cancelled != 0 || s.Failed != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestDeadlines ends requests wherever they are: in the queue with an error, while the prompt is computed and while the answer is
// with what there is of it.
func TestDeadlines(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 3, Chunk: 16})
	put := func(prompt int, deadline time.Time, change ...func(*Request)) *Stream {
		r := Request{Prompt: make([]int32, prompt), MaxTokens: 20, Deadline: deadline, IgnoreEOS: true}
		for _, f := range change {
			f(&r)
		}
		return submit(t, e, context.Background(), r)
	}
	past, far := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	waiting := put(3, past)
	whole, cut := put(3, far), put(3, far)
	for range 5 {
		e.tick()
	}
	var busy *BusyError
	if r := read(t, waiting).result; !errors.As(r.Err, &busy) || busy.RetryAfter < time.Second {
		t.Errorf("in the queue: %+v", r)
	}
	e.batch.rows[1].Deadline = past
	filling := put(40, far)
	scored := put(40, far, func(r *Request) { r.PromptLogProbs = true })
	e.tick()
	e.scheduler.Prefilling()[0].Deadline = past
	steps := e.Stats().Steps
	e.tick()
	if a := read(t, filling); a.result.Err != nil || a.result.Finish != FinishTimeout || len(a.tokens) != 0 || a.text != "" {
		t.Errorf("while the prompt was computed: %d tokens, %+v", len(a.tokens), a.result)
	}
	got := read(t, cut)
	if e.Stats().Steps != steps+1 || got.result.Err != nil || got.result.Finish != FinishTimeout || len(got.tokens) == 0 || len(got.tokens) >= 20 {
		t.Errorf("while it was answered: %d tokens, %+v", len(got.tokens), got.result)
	}
	if e.inFlight() == 0 {
		t.Fatal("the prompt whose log-probabilities are wanted is not computed")
	}
	e.scheduler.Prefilling()[0].Deadline = past
	drain(e)
	if a := read(t, scored); a.result.Err != nil || a.result.Finish != FinishTimeout || len(scored.Prompt()) != 40 || scored.Prompt()[39].LogProb == 0 {
		t.Errorf("with the prompt's log-probabilities: %+v, %d of them", a.result, len(scored.Prompt()))
	}
	if a := read(t, whole); a.result.Err != nil || len(a.tokens) != 20 || !slices.Equal(a.tokens[:len(got.tokens)], got.tokens) {
		t.Errorf("the whole answer is %v, the one that was cut off %v; %v", a.tokens, got.tokens, a.result.Err)
	}
	if s := e.Stats(); s.Expired != 1 || s.Cancelled != 0 || s.Failed != 0 || s.Active != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestEngineTakesTurns lets one group flood an engine with a single slot: another group's request starts after one of them, an
// urgent one before all.
func TestEngineTakesTurns(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 1})
	ctx := context.Background()
	ask := func(group string, priority int) *Stream {
		return submit(t, e, ctx, Request{Prompt: []int32{1, 2}, MaxTokens: 6, IgnoreEOS: true, Group: group, Priority: priority})
	}
	running := ask("flood", 0)
	e.tick()
	var floods []*Stream
	for range 5 {
		floods = append(floods, ask("flood", 0))
	}
	calm, urgent := ask("calm", 0), ask("flood", -1)
	drain(e)
	wait := func(s *Stream) time.Duration {
		r := s.Result()
		if r.Err != nil {
			t.Error(r.Err)
		}
		return r.Timings.Queue
	}
	if wait(urgent) >= wait(floods[0]) || wait(urgent) >= wait(calm) {
		t.Errorf("the urgent request waited %s, others %s and %s", wait(urgent), wait(floods[0]), wait(calm))
	}
	if wait(calm) >= wait(floods[1]) || wait(running) >= wait(urgent) {
		t.Errorf("the other group's request waited %s, the second of the flood %s", wait(calm), wait(floods[1]))
	}
}
