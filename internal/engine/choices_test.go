package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nightshift/internal/sampling"
)

// split reads all answers of a stream.
func split(s *Stream, n int) []answer {
	list := make([]answer, n)
	for p := range s.Pieces {
		a := &list[p.Choice]
		if p.Last {
			a.result = s.Ended(p.Choice)
		}
		a.text += p.Text
		if p.HasToken {
			a.tokens, a.logProbs = append(a.tokens, p.Token), append(a.logProbs, p.LogProb)
		}
	}
	for i, r := range s.Results() {
		if r.Finish != list[i].result.Finish || !errors.Is(r.Err, list[i].result.Err) {
			list[i].result.Err = fmt.Errorf("ended with %+v, at last with %+v", list[i].result, r)
		}
	}
	return list
}

// TestChoices asks for several answers: each is that of a request of its own with the choice's seed, and the pin is released
// once, after the last.
func TestChoices(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{Slots: 3, Chunk: 16})
	digest := installRanks(t, e, 8)[1]
	r := Request{Prompt: []int32{3, 1, 4, 1, 5}, MaxTokens: 24, Sampling: sampling.Params{Temperature: 1.2, TopP: 0.95, Seed: 9},
		Adjustment: sampling.Adjustment{Frequency: 0.5, Repetition: 1.2}}
	const n = 5
	many := r
	many.Choices, many.Pin = n, pinned(t, e, digest)
	got := split(submit(t, e, context.Background(), many), n)
	distinct := map[string]bool{}
	for i, a := range got {
		one := r
		one.Pin, one.Sampling.Seed = pinned(t, e, digest), sampling.ChoiceSeed(9, i)
		if diff := same(ask(t, e, one), a); diff != "" {
			t.Errorf("choice %d and a request of its own: %s", i, diff)
		}
		distinct[a.text] = true
	}
	if len(distinct) < n-1 {
		t.Errorf("%d choices give %d answers", n, len(distinct))
	}
	if s := e.Stats(); s.Requests != 2*n {
		t.Errorf("%d requests are counted, want %d", s.Requests, 2*n)
	}
	e.bank.mu.Lock()
	held := e.bank.versions[digest].pins
	e.bank.mu.Unlock()
	if held != 0 {
		t.Errorf("%d pins are held after the end", held)
	}
}

// TestChoicesTakePlaces counts every choice against the queue.
func TestChoicesTakePlaces(t *testing.T) {
	e := newEngine(t, smallModel(t), Config{Queue: 4})
	r := Request{Prompt: []int32{1, 2}, MaxTokens: 3, Choices: 3}
	r.Pin = pinned(t, e, "")
	first := submit(t, e, context.Background(), r)
	r.Pin = pinned(t, e, "")
	var busy *BusyError
	if _, err := e.Submit(context.Background(), r); !errors.As(err, &busy) || busy.Waiting != 3 || busy.Tokens != 15 {
		t.Errorf("three more choices in a queue of four: %v", err)
	}
	r.Pin, r.Choices = pinned(t, e, ""), 1
	second := submit(t, e, context.Background(), r)
	drain(e)
	split(first, 3)
	r.Pin, r.Choices = pinned(t, e, ""), 9
	third := submit(t, e, context.Background(), r) // alone, whatever its size
	read(t, second)
	start(t, e)
	if got := split(third, 9); got[8].result.Err != nil || got[8].result.Tokens == 0 {
		t.Errorf("the ninth choice: %+v", got[8].result)
	}
}

// TestChoicesEndTogether breaks one choice: the others end with its error.
func TestChoicesEndTogether(t *testing.T) {
	e := newEngine(t, smallModel(t), Config{Slots: 2})
	r := Request{Prompt: []int32{1, 2}, MaxTokens: 200, Choices: 4, IgnoreEOS: true, Pin: pinned(t, e, "")}
	s := submit(t, e, context.Background(), r)
	for len(e.batch.rows) < 2 {
		e.tick()
	}
	broken := errors.New("a step failed")
	victim := e.batch.rows[1]
	e.batch.leave(victim)
	e.finish(victim, "", broken)
	for range 3 {
		e.tick()
	}
	for i, r := range s.Results() {
		if !errors.Is(r.Err, broken) {
			t.Errorf("choice %d ended with %v", i, r.Err)
		}
	}
	if st := e.Stats(); st.Active != 0 || st.Waiting != 0 || st.Failed != 1 || st.Cancelled != 3 {
		t.Errorf("afterwards: %+v", st)
	}
}

// TestPromptLogProbs compares the prompt's log-probabilities with scores, across chunks, and wants the same answer to the bit
// as without them.
func TestPromptLogProbs(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{Chunk: 16})
	rng := rand.New(rand.NewPCG(3, 9))
	for _, n := range []int{1, 2, 16, 17, 50, m.Config.Context} {
		prompt := randomTokens(rng, n, m.Config.Vocab)
		r := Request{Prompt: prompt, Pin: pinned(t, e, ""), PromptLogProbs: true, TopLogProbs: 3}
		if n < m.Config.Context {
			r.MaxTokens = 12
		}
		s := submit(t, e, context.Background(), r)
		with := split(s, 1)[0]
		scores := s.Prompt()
		if len(scores) != n || scores[0].LogProb != 0 || scores[0].Top != nil {
			t.Fatalf("prompt of %d: %d scores, the first %+v", n, len(scores), scores[0])
		}
		if n > 1 {
			want, err := e.Score(context.Background(), pinned(t, e, ""), prompt, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range scores[1:] {
				if math.Float32bits(p.LogProb) != math.Float32bits(want.LogProbs[i]) {
					t.Errorf("prompt of %d, token %d: %v, its score is %v", n, i+1, p.LogProb, want.LogProbs[i])
				}
				if len(p.Top) != 3 || p.Top[0].LogProb < p.LogProb || p.Top[1].LogProb > p.Top[0].LogProb {
					t.Errorf("prompt of %d, token %d with %v: likeliest %v", n, i+1, p.LogProb, p.Top)
				}
			}
		}
		if r.MaxTokens == 0 {
			if with.result.Err != nil || with.result.Tokens != 0 || with.result.Finish != FinishLength {
				t.Errorf("a prompt that fills the context: %+v", with.result)
			}
			continue
		}
		r.Pin, r.PromptLogProbs, r.TopLogProbs = pinned(t, e, ""), false, 0
		if diff := same(ask(t, e, r), with); diff != "" {
			t.Errorf("prompt of %d: without and with its log-probabilities: %s", n, diff)
		}
	}
}

// TestTopLogProbs wants the chosen token of a greedy answer on top, with its log-probability. It reads when the whole answer is
// there: no token's list may lie where a later one's does, nor a reader be able to append into it.
func TestTopLogProbs(t *testing.T) {
	e := newEngine(t, smallModel(t), Config{})
	s := submit(t, e, context.Background(), Request{Prompt: []int32{7, 8}, Pin: pinned(t, e, ""), MaxTokens: 10, TopLogProbs: 4})
	drain(e)
	tokens := 0
	for p := range s.Pieces {
		if !p.HasToken {
			continue
		}
		tokens++
		if len(p.Top) != 4 || cap(p.Top) != 4 || p.Top[0].ID != p.Token || p.Top[0].LogProb != p.LogProb || p.Top[3].LogProb > p.Top[0].LogProb {
			t.Errorf("token %d (%v): likeliest %v", p.Token, p.LogProb, p.Top)
		}
	}
	if tokens == 0 {
		t.Error("there was no answer")
	}
}

// TestMinTokens forbids the end of the text for a while, with a bias that makes it certain otherwise.
func TestMinTokens(t *testing.T) {
	m := smallModel(t)
	e := runEngine(t, m, Config{})
	end := m.End
	for _, minTokens := range []int{0, 1, 5} {
		a := ask(t, e, Request{Prompt: []int32{7, 8}, Pin: pinned(t, e, ""), MaxTokens: 10,
			Adjustment: sampling.Adjustment{MinTokens: minTokens, Bias: []sampling.Bias{{Token: end, Value: 100}}}})
		if len(a.tokens) != minTokens+1 || slices.Index(a.tokens, end) != minTokens || a.result.Finish != FinishStop {
			t.Errorf("min_tokens %d: tokens %v, %s", minTokens, a.tokens, a.result.Finish)
		}
	}
}

func TestGaps(t *testing.T) {
	ms := func(v ...uint32) (r Result) {
		for _, x := range v {
			r.latencies = append(r.latencies, x*1000)
		}
		return r
	}
	hundred := make([]uint32, 100)
	for i := range hundred {
		hundred[i] = uint32(100 - i)
	}
	for _, c := range []struct {
		r    Result
		want InterTokenLatency
	}{
		{Result{}, InterTokenLatency{}}, {ms(4), InterTokenLatency{4, 4, 4}}, {ms(9, 1), InterTokenLatency{1, 9, 9}}, {ms(5, 1, 3), InterTokenLatency{3, 5, 5}}, {ms(hundred...), InterTokenLatency{50, 99, 100}},
	} {
		if got := c.r.InterTokenLatency(); got.P50 != c.want.P50*time.Millisecond || got.P99 != c.want.P99*time.Millisecond || got.Max != c.want.Max*time.Millisecond {
			t.Errorf("latencies %v: %v, want %v ms", c.r.latencies, got, c.want)
		}
	}
	e := runEngine(t, smallModel(t), Config{})
	a := ask(t, e, Request{Prompt: []int32{7}, Pin: pinned(t, e, ""), MaxTokens: 30, IgnoreEOS: true})
	if g := a.result.InterTokenLatency(); g.P50 <= 0 || g.P50 > g.P99 || g.P99 > g.Max || g.Max > a.result.Timings.Decode || len(a.result.latencies) != 29 {
		t.Errorf("latency %+v of %d, decoding took %s", g, len(a.result.latencies), a.result.Timings.Decode)
	}
}
