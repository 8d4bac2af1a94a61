package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// target is what answers: the bare engine, or a server.
type target interface {
	answer(ctx context.Context, q question) trace
}

// question is a request for an answer of exactly tokens tokens.
type question struct {
	number int // of the prompt among those of a run
	model  string
	text   string
	ids    []int32 // of text
	tokens int
}

// trace is what was seen of one answer.
type trace struct {
	question question
	begin    time.Time
	arrivals []time.Time // of its pieces
	tokens   int
	err      error
	version  string   // as the answer's head names it
	chunks   [][]byte // as they came, where they are kept
}

// load is a set of requests.
type load struct {
	traces []trace
	took   time.Duration
}

// closedLoop keeps a number of requests running, each taken from next, until next has no more; those that run are answered.
func closedLoop(ctx context.Context, t target, concurrency int, next func() (question, bool)) load {
	var mu sync.Mutex
	var l load
	begin := time.Now()
	var wg sync.WaitGroup
	for range concurrency {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				q, ok := next()
				mu.Unlock()
				if !ok {
					return
				}
				got := t.answer(ctx, q)
				mu.Lock()
				l.traces = append(l.traces, got)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	l.took = time.Since(begin)
	return l
}

// openLoop sends each question at its time, whether or not others are answered, and waits for all. Times count from the
// moment at which a request should have been sent.
func openLoop(ctx context.Context, t target, at []time.Duration, questions []question) load {
	l := load{traces: make([]trace, len(at))}
	begin := time.Now()
	var wg sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, wait := range at {
		timer.Reset(time.Until(begin.Add(wait)))
		select {
		case <-ctx.Done():
			l.traces[i] = trace{question: questions[i], err: ctx.Err()}
			continue
		case <-timer.C:
		}
		wg.Go(func() {
			l.traces[i] = t.answer(ctx, questions[i])
			l.traces[i].begin = begin.Add(wait)
		})
	}
	wg.Wait()
	l.took = time.Since(begin)
	return l
}

// poisson are the times of arrivals at a rate per second, for about a duration: at least one.
func poisson(random *rand.Rand, rate float64, duration time.Duration) []time.Duration {
	var list []time.Duration
	at := time.Duration(0)
	for len(list) == 0 || at < duration {
		list = append(list, at)
		at += time.Duration(random.ExpFloat64() / rate * float64(time.Second))
	}
	return list
}

// counted gives a number of new questions.
func counted(n int, make func() question) func() (question, bool) {
	return func() (question, bool) {
		if n == 0 {
			return question{}, false
		}
		n--
		return make(), true
	}
}

// until gives questions until a moment.
func until(end time.Time, make func() question) func() (question, bool) {
	return func() (question, bool) { return make(), time.Now().Before(end) }
}

// measure makes figures of a load: tokens per second over all of its time, milliseconds to the first piece and between
// pieces, and how many requests failed. An answer of another length than was asked for has failed.
func (l load) measure() (m measurement, first error) {
	tokens, failed := 0, 0
	var ttft, gaps []float64
	for _, t := range l.traces {
		err := t.err
		if err == nil && t.tokens != t.question.tokens {
			err = fmt.Errorf("an answer has %d tokens, %d were asked for", t.tokens, t.question.tokens)
		}
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
			continue
		}
		tokens += t.tokens
		for i, at := range t.arrivals {
			if i == 0 {
				ttft = append(ttft, milliseconds(at.Sub(t.begin)))
			} else {
				gaps = append(gaps, milliseconds(at.Sub(t.arrivals[i-1])))
			}
		}
	}
	return measurement{
		figures: []Number{{"tokens_per_second", float64(tokens) / l.took.Seconds()}},
		samples: []sample{{"ttft_ms", ttft}, {"itl_ms", gaps}},
		counts:  []Number{{"requests", float64(len(l.traces))}, {"failed", float64(failed)}},
	}, first
}

// failures remembers the first error of requests, and counts them.
type failures struct {
	count atomic.Int64
	mu    sync.Mutex
	first error
}

// take measures a load and remembers its failures.
func (f *failures) take(l load) measurement {
	m, err := l.measure()
	if n, _ := m.figure("failed"); n > 0 {
		f.count.Add(int64(n))
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.first == nil {
			f.first = err
		}
	}
	return m
}

// err fails a run in which requests failed.
func (f *failures) err() error {
	if f.count.Load() == 0 {
		return nil
	}
	return fmt.Errorf("%d requests failed, the first one: %w", f.count.Load(), f.first)
}
