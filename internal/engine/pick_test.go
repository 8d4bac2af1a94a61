package engine

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine/scheduler"
	"nightshift/internal/sampling"
)

// sampled are sequences in the middle of their answers, of all kinds of sampling, and logits [rows, vocab] for them.
func sampled(seed uint64, rows, vocab int) (list []*sequence, logits []float32) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i, j := range randomJobs(rng, rows, 40, vocab, []string{""}) {
		j.Adjustment.Ends = []int32{0}
		s := &sequence{tokens: append(j.Prompt, randomTokens(rng, i%3, vocab)...), Sequence: scheduler.Sequence{Prompt: len(j.Prompt)}, limit: len(j.Prompt) + 8, params: j.Sampling, adjust: j.Adjustment, top: i % 4}
		s.sampler = sampling.New(s.params, vocab)
		s.sampler.Adjust(s.adjust)
		list = append(list, s)
	}
	logits = make([]float32, rows*vocab)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 3)
	}
	return list, logits
}

// TestRowsAreSampledTheSameByAnyNumberOfGoroutines compares every row with what it gets alone; some rows fail, one of them
// in a panic.
func TestRowsAreSampledTheSameByAnyNumberOfGoroutines(t *testing.T) {
	const vocab = 900
	for _, rows := range []int{1, 2, 3, 7, 16, 33} {
		alone, logits := sampled(uint64(rows), rows, vocab)
		want := make([]picked, rows)
		broken := rows / 2
		if rows > 3 {
			alone[broken].sampler = nil
			logits[1*vocab] = float32(1) / float32(logits[0]-logits[0]) // infinite
		}
		for i, s := range alone {
			want[i] = s.pick(logits[i*vocab : (i+1)*vocab])
		}
		for _, threads := range []int{1, 2, 3, 8, 64} {
			p := newPicker(threads, rows)
			p.share = 1
			for range 3 { // the goroutines of a step are gone when the next one begins
				list, _ := sampled(uint64(rows), rows, vocab)
				if rows > 3 {
					list[broken].sampler = nil
				}
				for i, got := range p.sample(list, logits, vocab) {
					w := want[i]
					if got.token != w.token || got.logProb != w.logProb || !slices.Equal(got.top, w.top) {
						t.Errorf("%d rows, %d threads: row %d: token %d (%v, %v), alone %d (%v, %v)", rows, threads, i, got.token, got.logProb, got.top, w.token, w.logProb, w.top)
					}
					if (got.err == nil) != (w.err == nil) || w.err != nil && got.err.Error() != w.err.Error() {
						t.Errorf("%d rows, %d threads: row %d: error %v, alone %v", rows, threads, i, got.err, w.err)
					}
				}
			}
		}
		if rows > 3 && (want[broken].err == nil || !strings.Contains(want[broken].err.Error(), "panic") || want[1].err == nil) {
			t.Errorf("%d rows: the broken ones gave %v and %v", rows, want[broken].err, want[1].err)
		}
	}
}

// TestFewLogitsAreSampledByOneGoroutine counts the goroutines that are started for a batch.
func TestFewLogitsAreSampledByOneGoroutine(t *testing.T) {
	for _, c := range []struct{ rows, vocab, threads, helpers int }{
		{1, 50257, 8, 0}, {2, 50257, 8, 0}, {3, 50257, 8, 1}, {16, 50257, 8, 7}, {16, 50257, 2, 1}, {16, 50257, 1, 0}, {16, 2000, 8, 0}, {40, 4000, 8, 1},
	} {
		p := newPicker(c.threads, c.rows)
		list, logits := sampled(1, c.rows, c.vocab)
		started := make(chan struct{}, 64)
		body := p.help
		p.help = func() { started <- struct{}{}; body() }
		p.sample(list, logits, c.vocab)
		if n := len(started); n != c.helpers {
			t.Errorf("%d rows of %d logits, %d threads: %d goroutines beside the caller's, want %d", c.rows, c.vocab, c.threads, n, c.helpers)
		}
	}
}
