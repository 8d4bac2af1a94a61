package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers at once, and fails every seventh question.
type echo struct{ asked, running, peak *atomic.Int64 }

func (e echo) answer(_ context.Context, q question) trace {
	n := e.running.Add(1)
	defer e.running.Add(-1)
	for peak := e.peak.Load(); n > peak && !e.peak.CompareAndSwap(peak, n); peak = e.peak.Load() {
	}
	t := trace{question: q, begin: time.Now(), tokens: q.tokens, arrivals: []time.Time{time.Now(), time.Now()}}
	if e.asked.Add(1)%7 == 0 {
		t.err = errors.New("refused")
	}
	return t
}

func newEcho() echo { return echo{new(atomic.Int64), new(atomic.Int64), new(atomic.Int64)} }

func TestClosedLoop(t *testing.T) {
	e := newEcho()
	l := closedLoop(t.Context(), e, 3, counted(21, func() question { return question{tokens: 5} }))
	var f failures
	m := f.take(l)
	for name, want := range map[string]float64{"requests": 21, "failed": 3} {
		if got, _ := m.figure(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if got := len(m.samples[0].values); got != 18 {
		t.Errorf("%d times to the first piece, want those of 18 good answers", got)
	}
	if e.peak.Load() > 3 {
		t.Errorf("%d requests ran at once, want at most 3", e.peak.Load())
	}
	if err := f.err(); err == nil || !strings.Contains(err.Error(), "3 requests failed") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the failures are told as %v", err)
	}
}

func TestShortAnswersFail(t *testing.T) {
	_, err := load{traces: []trace{{question: question{tokens: 8}, tokens: 7}}, took: time.Second}.measure()
	if err == nil {
		t.Error("an answer that is too short counts as good")
	}
}

func TestOpenLoop(t *testing.T) {
	at := poisson(rand.New(rand.NewPCG(1, 1)), 1000, 30*time.Millisecond)
	questions := slices.Repeat([]question{{tokens: 2}}, len(at))
	l := openLoop(t.Context(), newEcho(), at, questions)
	if len(l.traces) != len(at) || l.took < at[len(at)-1] {
		t.Fatalf("%d answers in %v, want %d in at least %v", len(l.traces), l.took, len(at), at[len(at)-1])
	}
	for i, tr := range l.traces {
		if i > 0 && tr.begin.Before(l.traces[i-1].begin) || tr.arrivals[0].Before(tr.begin) {
			t.Fatalf("request %d began at a wrong time", i)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if m, err := openLoop(ctx, newEcho(), []time.Duration{time.Hour}, questions[:1]).measure(); err == nil || m.counts[1].Value != 1 {
		t.Errorf("a load that was stopped: %+v, %v", m, err)
	}
}

func TestPoisson(t *testing.T) {
	list := poisson(rand.New(rand.NewPCG(1, 2)), 50, 100*time.Second)
	if n := len(list); n < 4700 || n > 5300 || !slices.IsSorted(list) {
		t.Errorf("%d arrivals in 100 s at 50 a second", n)
	}
	if n := len(poisson(rand.New(rand.NewPCG(1, 2)), 0.001, time.Millisecond)); n != 1 {
		t.Errorf("a short time has %d arrivals, want one at least and at most", n)
	}
}

const answerStream = `data: {"model":"default@3","choices":[{"index":0,"text":"ab","finish_reason":null}]}

: keep-alive

data: {"model":"default@3","choices":[{"index":0,"text":"c","finish_reason":null}]}

data: {"model":"default@3","choices":[{"index":0,"text":"","finish_reason":"length"}]}

data: {"model":"default@3","choices":[],"usage":{"prompt_tokens":4,"completion_tokens":3,"total_tokens":7}}

data: [DONE]

`

func TestReadStream(t *testing.T) {
	tr := trace{version: "default@3"}
	if err := tr.read(strings.NewReader(answerStream), true); err != nil {
		t.Fatal(err)
	}
	versions, text, err := tr.content()
	if err != nil || text != "abc" || tr.tokens != 3 || len(tr.arrivals) != 2 {
		t.Errorf("%q, %d tokens, %d pieces, %v", text, tr.tokens, len(tr.arrivals), err)
	}
	if named := slices.Compact(versions); len(named) != 1 || named[0] != "default@3" {
		t.Errorf("versions %v", versions)
	}
	for _, bad := range []string{"", answerStream[:200], "data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n", "data: {\"usage\":1}\n\n"} {
		if err := (&trace{}).read(strings.NewReader(bad), false); err == nil {
			t.Errorf("%q is read without an error", bad)
		}
	}
}

func TestWindow(t *testing.T) {
	begin := time.Now()
	at := func(ms ...int) (list []time.Time) {
		for _, m := range ms {
			list = append(list, begin.Add(time.Duration(m)*time.Millisecond))
		}
		return list
	}
	// Both rows decode from 30 ms, the second token of the second row, to 60 ms, the last of the first.
	m, err := window([][]time.Time{at(0, 10, 20, 30, 40, 50, 60), at(20, 30, 40, 50, 60, 70)})
	if rate, _ := m.figure("tokens_per_second"); err != nil || rate < 199.9 || rate > 200.1 {
		t.Errorf("%v tokens/s, %v: want 6 in 30 ms", rate, err)
	}
	if p50, _ := m.figure("step_ms_p50"); p50 != 10 {
		t.Errorf("a step takes %v ms, want 10", p50)
	}
	// The token at 41 ms is of the step that ends at 40 ms, which has read the second row's prompt.
	m, err = window([][]time.Time{at(0, 10, 41, 51, 61), at(39, 40, 50, 60)})
	if rate, _ := m.figure("tokens_per_second"); err != nil || rate < 199.9 || rate > 200.1 {
		t.Errorf("%v tokens/s, %v: want 4 in 20 ms", rate, err)
	}
	for _, bad := range [][][]time.Time{{at(0, 10, 20), at(30, 40, 50)}, {at(0, 10)}} {
		if _, err := window(bad); err == nil {
			t.Errorf("rows that do not decode together are measured: %v", bad)
		}
	}
}
