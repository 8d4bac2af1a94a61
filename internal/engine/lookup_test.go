package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/sampling"
)

// certain makes the model say one token again and again, so that every draft after it is right.
func certain(token int32) sampling.Adjustment {
	return sampling.Adjustment{Bias: []sampling.Bias{{Token: token, Value: 1e6}}}
}

// repeats is a prompt of n tokens that repeats a text of period tokens.
func repeats(rng *rand.Rand, period, n, vocab int) []int32 {
	text := randomTokens(rng, period, vocab)
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = text[i%period]
	}
	return ids
}

// TestMatchIsTheLongestLatest compares match with its definition on random texts of few tokens.
func TestMatchIsTheLongestLatest(t *testing.T) {
	rng := rand.New(rand.NewPCG(20, 1))
	found := map[int]int{}
	for range 3000 {
		tokens := make([]int32, 1+rng.IntN(40))
		for i := range tokens {
			tokens[i] = int32(rng.IntN(5))
		}
		n, next, long := len(tokens), 0, 0
		for size := lookupMaxMatch; size > 0 && long == 0; size-- {
			for at := n - 1; at >= size && long == 0; at-- {
				if n > size && slices.Equal(tokens[at-size:at], tokens[n-size:]) {
					next, long = at, size
				}
			}
		}
		if gotNext, gotLong := match(tokens); gotNext != next || gotLong != long {
			t.Fatalf("match(%v) is %d, %d; want %d, %d", tokens, gotNext, gotLong, next, long)
		}
		found[long]++
	}
	if len(found) != lookupMaxMatch+1 {
		t.Errorf("only matches of these lengths were tried: %v", found)
	}
}

// TestDrafts checks what is drafted, and how that changes with what was right.
func TestDrafts(t *testing.T) {
	const end = 99
	text := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4}
	s := &sequence{tokens: text, eos: true}
	l := newLookup(12)
	propose := func(room int, want ...int32) {
		t.Helper()
		if l.propose(s, room, []int32{end}); !slices.Equal(l.draft, want) {
			t.Fatalf("the draft after %v with room for %d is %v, want %v", s.tokens, room, l.draft, want)
		}
	}
	propose(100, 5, 6, 7, 8, 9, 10, 1, 2) // lookupFirst
	l.learn(8)
	propose(100, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 6) // twice as many, but the longest; and on through the draft itself
	propose(3, 5, 6, 7)
	propose(0)
	propose(-1)
	s.tokens = []int32{1, 2, 3, end, 5, 1, 2}
	propose(100, 3)
	s.eos = false
	propose(100, 3, end, 5) // after a match of two
	s.tokens = []int32{7, 7, 7, 7, 7, 7}
	propose(5, 7, 7, 7, 7, 7)
	s.tokens = []int32{1, 2, 3, 4, 2}
	propose(100, 3)
	s.tokens = []int32{1, 2, 3, 4}
	propose(100)

	s.tokens = text
	propose(100, 5, 6, 7, 8, 9, 10, 1, 2, 3, 4, 5, 6)
	l.learn(2)
	propose(100, 5, 6, 7)
	l.learn(3)
	propose(100, 5, 6, 7, 8, 9, 10)
	rests := []int{}
	for range 8 { // nothing is right any more
		rest := 0
		for l.propose(s, 100, []int32{end}); len(l.draft) == 0; l.propose(s, 100, []int32{end}) {
			rest++
		}
		rests = append(rests, rest)
		l.learn(0)
	}
	if want := []int{0, 0, 0, 4, 8, 16, 32, 64}; !slices.Equal(rests, want) {
		t.Errorf("steps without a draft: %v, want %v", rests, want)
	}
	l.rest = 0
	propose(100, 5)
	l.learn(1)
	propose(100, 5, 6)
	other := &sequence{tokens: text}
	if l.propose(other, 100, []int32{end}); len(l.draft) != lookupFirst {
		t.Errorf("another sequence begins with %d tokens", len(l.draft))
	}
	if got := [3]int64{l.steps.Load(), l.drafted.Load(), l.accepted.Load()}; got[0] != 12 || got[2] != 8+2+3+1 {
		t.Errorf("counters %v", got)
	}
}

// lookupJobs are requests of every kind, with prompts that repeat themselves.
func lookupJobs(m *Model, digests []string) []job {
	rng := rand.New(rand.NewPCG(21, 1))
	var jobs []job
	for i := range 150 {
		r := Request{Prompt: repeats(rng, 1+rng.IntN(9), 1+rng.IntN(120), m.Config.Vocab), MaxTokens: 1 + rng.IntN(120), IgnoreEOS: i%2 == 0}
		if i%3 > 0 {
			r.Sampling = sampling.Params{Temperature: 0.7, TopP: 0.9, Seed: uint64(i)}
		}
		switch i % 5 {
		case 1:
			r.Adjustment = sampling.Adjustment{Repetition: 1.1, Frequency: 0.3, Presence: 0.2}
		case 2: // the end of the text is near at every step
			r.Adjustment = sampling.Adjustment{MinTokens: 5, Bias: []sampling.Bias{{Token: m.End, Value: 5}}}
		case 3:
			r.Stop = []string{"e", " t", "ro", "is"}
		}
		jobs = append(jobs, job{r, digests[i%len(digests)]})
	}
	return jobs
}

// TestLookupAnswersAreThoseOfSingleSteps answers requests with drafts and without. The tokens are the same: none of these
// answers stands at a tie that rounding decides.
func TestLookupAnswersAreThoseOfSingleSteps(t *testing.T) {
	m := smallModel(t)
	plain := runEngine(t, m, Config{Slots: 1, Chunk: 16, BankRows: 20})
	drafted := runEngine(t, m, Config{Slots: 1, Chunk: 16, BankRows: 20, Lookup: 10})
	digests := installRanks(t, plain, 8, 24)
	installRanks(t, drafted, 8, 24)
	ends := map[Finish]int{}
	for i, j := range lookupJobs(m, digests) {
		var got [2]answer
		for side, e := range []*Engine{plain, drafted} {
			r := j.Request
			r.Pin = pinned(t, e, j.digest)
			got[side] = ask(t, e, r)
		}
		want, have := got[0], got[1]
		if !slices.Equal(want.tokens, have.tokens) || want.text != have.text || want.result.Finish != have.result.Finish {
			t.Errorf("request %d: %v %q %s, with drafts %v %q %s", i, want.tokens, want.text, want.result.Finish, have.tokens, have.text, have.result.Finish)
			continue
		}
		for at := range want.logProbs {
			if d := math.Abs(float64(want.logProbs[at] - have.logProbs[at])); d > near {
				t.Errorf("request %d, token %d: log-probabilities %v and %v", i, at, want.logProbs[at], have.logProbs[at])
			}
		}
		ends[want.result.Finish]++
	}
	if ends[FinishStop] < 20 || ends[FinishLength] < 20 {
		t.Errorf("the answers ended by %v", ends)
	}
	l := drafted.Lookups()
	if l.Accepted < 200 || l.Drafted-l.Accepted < 200 || plain.Lookups() != (Lookups{}) {
		t.Errorf("the drafts were %+v", l)
	}
	if few, many := drafted.Stats().Steps, plain.Stats().Steps; few >= many {
		t.Errorf("%d steps with drafts, %d without", few, many)
	}
}

// TestLookupKeepsTheDistribution samples three tokens of six with many seeds and compares how often each triple comes with
// its probability, from the model's log-probabilities: Pearson's chi-square test.
func TestLookupKeepsTheDistribution(t *testing.T) {
	m := *smallModel(t)
	m.Tokenizer = nil
	e := runEngine(t, &m, Config{Slots: 1, Lookup: 4})
	allowed := []int32{3, 40, 77, 120, 200, 260}
	var bias []sampling.Bias
	for id := range int32(m.Config.Vocab) {
		if !slices.Contains(allowed, id) {
			bias = append(bias, sampling.Bias{Token: id, Value: float32(math.Inf(-1))})
		}
	}
	var prompt []int32 // in which each pair of them stands, so that there is always a draft
	for _, a := range allowed {
		for _, b := range allowed {
			prompt = append(prompt, a, b)
		}
	}
	const temperature, length, seeds = 3, 3, 6000
	want := map[string]float64{}
	var spread func(after []int32, p float64)
	spread = func(after []int32, p float64) {
		if len(after) == length {
			want[fmt.Sprint(after)] = p
			return
		}
		s := submit(t, e, context.Background(), Request{Prompt: append(slices.Clone(prompt), after...), MaxTokens: 1, TopLogProbs: m.Config.Vocab, IgnoreEOS: true})
		weights, total := map[int32]float64{}, 0.0
		for _, c := range (<-s.Pieces).Top {
			if slices.Contains(allowed, c.ID) {
				weights[c.ID] = math.Exp(float64(c.LogProb) / temperature)
				total += weights[c.ID]
			}
		}
		s.Result()
		for _, id := range allowed {
			spread(append(slices.Clone(after), id), p*weights[id]/total)
		}
	}
	spread(nil, 1)
	got := map[string]float64{}
	for seed := range uint64(seeds) {
		a := ask(t, e, Request{Prompt: prompt, MaxTokens: length, IgnoreEOS: true, Sampling: sampling.Params{Temperature: temperature, Seed: seed},
			Adjustment: sampling.Adjustment{Bias: bias}})
		got[fmt.Sprint(a.tokens)]++
	}
	square, cells, restWant, restGot := 0.0, 0.0, 0.0, 0.0
	for triple, p := range want {
		if p*seeds < 5 { // too few for the test: counted together
			restWant, restGot = restWant+p*seeds, restGot+got[triple]
			continue
		}
		square += math.Pow(got[triple]-p*seeds, 2) / (p * seeds)
		cells++
	}
	if restWant > 0 {
		square += math.Pow(restGot-restWant, 2) / restWant
	}
	// The square has mean cells and variance 2·cells, nearly; five deviations are one error in a million.
	if limit := cells + 5*math.Sqrt(2*cells); square > limit || cells < 30 {
		t.Errorf("chi-square is %.1f over %.0f cells, at most %.1f", square, cells, limit)
	}
	if l := e.Lookups(); l.Accepted < seeds/20 || l.Drafted-l.Accepted < seeds/20 {
		t.Errorf("the drafts were %+v", l)
	}
}

// TestLookupFitsLimits ends answers at many lengths and at the edge of the context while all drafts are right.
func TestLookupFitsLimits(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 2, Lookup: 16})
	prompt := slices.Repeat([]int32{9}, 6)
	for _, limit := range []int{7, 8, 9, 10, 11, 23, 24, 127, 128, 129, 255, 256, 257, 299, 300} {
		s := submit(t, e, context.Background(), Request{Prompt: prompt, MaxTokens: limit - len(prompt), Adjustment: certain(9), IgnoreEOS: true})
		before := e.Lookups()
		drain(e)
		a, after := read(t, s), e.Lookups()
		if len(a.tokens) != limit-len(prompt) || a.result.Finish != FinishLength || slices.ContainsFunc(a.tokens, func(id int32) bool { return id != 9 }) {
			t.Errorf("limit %d: %d tokens %v, %s, %v", limit, len(a.tokens), a.tokens, a.result.Finish, a.result.Err)
		}
		// What a draft that is right could not bring is one token of the prompt's step and one of each step.
		drafts, right := after.Drafted-before.Drafted, after.Accepted-before.Accepted
		if steps := after.Steps - before.Steps; drafts != right || limit > 9 && steps == 0 || right+steps > int64(len(a.tokens)-1) {
			t.Errorf("limit %d: %d steps with %d tokens of drafts, %d of them right", limit, steps, drafts, right)
		}
	}
	for _, st := range built(e.batch) {
		if shape := st.shape; shape.tokens > 17 || shape.tokens > 1 && shape.rows != 1 {
			t.Errorf("a step of shape %+v", shape)
		}
	}
}

// TestStopStringsEndInsideDrafts ends answers by a stop string in the middle of a draft that is right.
func TestStopStringsEndInsideDrafts(t *testing.T) {
	m := smallModel(t)
	plain, drafted := runEngine(t, m, Config{Slots: 1}), runEngine(t, m, Config{Slots: 1, Lookup: 8})
	id := m.Tokenizer.Encode(nil, "t")[0]
	for n := 1; n < 25; n++ {
		r := Request{Prompt: []int32{id, id, id, id}, MaxTokens: 60, Adjustment: certain(id), Stop: []string{strings.Repeat("t", n)}}
		want := ask(t, plain, r)
		r.Pin = nil
		if got := ask(t, drafted, r); !slices.Equal(got.tokens, want.tokens) || len(got.tokens) != n || got.text != "" || got.result.Finish != FinishStop {
			t.Errorf("stop after %d: %v %q %s", n, got.tokens, got.text, got.result.Finish)
		}
	}
	if l := drafted.Lookups(); l.Accepted == 0 {
		t.Errorf("the drafts were %+v", l)
	}
}

// TestLookupIsForOneSequence lets others come and go: only a sequence that is alone gets drafts, and a cancelled one is gone
// after one step.
func TestLookupIsForOneSequence(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{Slots: 3, Lookup: 4})
	put := func(answer int) (*Stream, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		return submit(t, e, ctx, Request{Prompt: slices.Repeat([]int32{9}, 6), MaxTokens: answer, Adjustment: certain(9), IgnoreEOS: true}), cancel
	}
	tick := func(tokens int64, what string) {
		t.Helper()
		before := e.Stats().AnswerTokens
		if e.tick(); e.Stats().AnswerTokens-before != tokens {
			t.Fatalf("%s: %d tokens in a step, want %d", what, e.Stats().AnswerTokens-before, tokens)
		}
	}
	long, cancel := put(250)
	defer cancel()
	tick(1+1+4, "the prompt and the first draft")
	tick(5, "alone")
	short, _ := put(4)
	tick(1+2, "another one's prompt")
	tick(2, "two")
	tick(2, "one of two ends")
	tick(5, "alone again")
	other, leave := put(100)
	tick(1+2, "another one's prompt")
	leave()
	e.tick()
	tick(5, "the other one was cancelled")
	cancel()
	tick(0, "cancelled")
	if len(e.batch.rows) != 0 || !errors.Is(read(t, long).result.Err, context.Canceled) || !errors.Is(read(t, other).result.Err, context.Canceled) {
		t.Error("a cancelled answer goes on")
	}
	if a := read(t, short); len(a.tokens) != 4 || a.result.Finish != FinishLength {
		t.Errorf("the short answer: %v, %s", a.tokens, a.result.Finish)
	}
	if l := e.batch.lookup; l.of != nil || len(l.draft) != 0 {
		t.Error("an answer that ended is still drafted for")
	}
}

// TestLookupDoesNotAllocate counts allocations of iterations of the loop that carry drafts.
func TestLookupDoesNotAllocate(t *testing.T) {
	m := *smallModel(t)
	m.Tokenizer = nil
	e := newEngine(t, &m, Config{Slots: 1, Lookup: 8})
	submit(t, e, context.Background(), Request{Prompt: slices.Repeat([]int32{9}, 6), MaxTokens: 290, Adjustment: certain(9), IgnoreEOS: true})
	for range 3 {
		e.tick()
	}
	before := e.Lookups()
	if n := testing.AllocsPerRun(20, func() { e.tick() }); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
	if after := e.Lookups(); after.Steps-before.Steps != 21 || after.Accepted-before.Accepted != 21*8 {
		t.Errorf("what was measured were drafts %+v to %+v", before, after)
	}
}

// TestLookupIsNotNegative refuses such a setting.
func TestLookupIsNotNegative(t *testing.T) {
	if _, err := New(smallModel(t), Config{Lookup: -1}); err == nil || !strings.Contains(err.Error(), "lookup is -1") {
		t.Errorf("New: %v", err)
	}
}
