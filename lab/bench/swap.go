package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"nightshift/internal/registry"
)

// SwapOptions choose a benchmark of swaps.
type SwapOptions struct {
	Options
	Duration    time.Duration // under load, with and again without swaps, over all blocks
	Every       time.Duration // between two swaps
	Concurrency int
	Prompt      int // tokens
	Tokens      int // of the longest answer
}

// swapPrompts is how many different prompts are asked: few, because every version that answered is asked them again, alone. Their
// answers are a quarter, two, three and four quarters of the longest one's length, so that clients do not all ask at the same
// time, and every version is asked soon after it came.
const swapPrompts = 4

// Swap measures a server under load whose version changes again and again, each time to a new one that it has to load,
// beside the same without changes, in alternating blocks. The summary has itl_p99_ratio, the ratio of the 99th percentiles
// of the time between pieces; how many requests failed; and mixed_versions, the answers that are not, byte for byte, what
// the version that they name answers when it is asked again after the load.
func Swap(ctx context.Context, opt SwapOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("duration", int(opt.Duration)), positive("time between swaps", int(opt.Every)), positive("number of clients", opt.Concurrency),
		positive("prompt length", opt.Prompt), positive("number of tokens", opt.Tokens)); err != nil {
		return err
	}
	s, err := startStack(ctx, opt.Options, weights, stackOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	server := newHTTPTarget(s.url, true)
	defer server.close()
	run := &swapRun{opt: opt, stack: s, server: server}
	random := rand.New(rand.NewPCG(9, 0))
	for i := range swapPrompts {
		run.prompts = append(run.prompts, s.question(random, i, opt.Prompt, max(1, opt.Tokens*(i+1)/swapPrompts)))
	}
	p := plan{bench: "swap", options: opt.Options, judged: "itl_p99_ratio", ratios: []ratio{{"itl_p99_ratio", 1, 0, "itl_ms_p99"}}}
	answer := answerCost(s.engine.Model().Config, mustFormat(weights), opt.Concurrency, opt.Prompt, opt.Tokens)
	for i, name := range []string{"still", "swaps"} {
		p.cases = append(p.cases, testCase{name: name, weights: weights, cost: answer, settings: []Number{{"concurrency", float64(opt.Concurrency)}},
			run: func(ctx context.Context, _ int) (measurement, error) { return run.block(ctx, i == 1) }})
	}
	run.failed.take(closedLoop(ctx, server, opt.Concurrency, counted(opt.Concurrency, run.next()))) // touches the memory
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	mixed, versions, err := run.mixed(ctx)
	if err != nil {
		return err
	}
	summary := lines[1]
	summary.Case = ""
	summary.Figures = slices.DeleteFunc(slices.Clone(summary.Figures), func(n Number) bool { return n.Name == "failed" || n.Name == "requests" })
	summary.Figures = append(summary.Figures, Number{"answers", float64(len(run.traces))}, Number{"versions", float64(versions)},
		Number{"failed", float64(run.failed.count.Load())}, Number{"mixed_versions", float64(mixed)})
	err = errors.Join(p.conclude(lines, summary, report), run.failed.err())
	if mixed > 0 {
		err = errors.Join(err, fmt.Errorf("%d answers mix two versions", mixed))
	}
	return err
}

// swapRun is the state of the benchmark.
type swapRun struct {
	opt     SwapOptions
	stack   *stack
	server  httpTarget
	prompts []question
	failed  failures
	made    int // versions
	traces  []trace
}

// next asks the prompts in turn.
func (r *swapRun) next() func() question {
	at := 0
	return func() question { at++; return r.prompts[at%len(r.prompts)] }
}

// block keeps the load up for its share of the duration, with swaps or without.
func (r *swapRun) block(ctx context.Context, swaps bool) (measurement, error) {
	length := r.opt.Duration / time.Duration(r.opt.Blocks)
	var numbers []int
	if swaps {
		for range max(1, int(length/r.opt.Every)) {
			n, err := r.publish(ctx)
			if err != nil {
				return measurement{}, err
			}
			numbers = append(numbers, n)
		}
	}
	var wg sync.WaitGroup
	var swapped error
	var took []float64
	begin := time.Now()
	wg.Go(func() { took, swapped = r.swap(ctx, begin, numbers) })
	l := closedLoop(ctx, r.server, r.opt.Concurrency, until(begin.Add(length), r.next()))
	wg.Wait()
	if swapped != nil {
		return measurement{}, swapped
	}
	r.traces = append(r.traces, l.traces...)
	m := r.failed.take(l)
	if swaps {
		m.samples = append(m.samples, sample{"swap_ms", took})
		m.counts = append(m.counts, Number{"swaps", float64(len(took))})
	}
	return m, nil
}

// publish stores a new random version and returns its number.
func (r *swapRun) publish(ctx context.Context) (int, error) {
	r.made++
	a, err := randomAdapter(r.stack.engine.Model().Config, adapterRank, uint64(r.made))
	if err != nil {
		return 0, err
	}
	ref, err := r.stack.publish(ctx, a)
	return ref.Number, err
}

// swap activates the versions, one at a time, half an interval and then an interval after the other: milliseconds from the
// request to its answer.
func (r *swapRun) swap(ctx context.Context, begin time.Time, numbers []int) (took []float64, err error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, n := range numbers {
		timer.Reset(time.Until(begin.Add(r.opt.Every/2 + time.Duration(i)*r.opt.Every)))
		select {
		case <-ctx.Done():
			return took, ctx.Err()
		case <-timer.C:
		}
		at := time.Now()
		resp, err := r.server.post(ctx, "/v1/tracks/"+registry.Default+"/activate", map[string]any{"version": n})
		if err != nil {
			return took, err
		}
		resp.Body.Close()
		took = append(took, milliseconds(time.Since(at)))
	}
	return took, nil
}

// mixed asks every version that answered each of its prompts again and counts the answers that differ, and those whose
// head and chunks name more than one version.
func (r *swapRun) mixed(ctx context.Context) (mixed, versions int, err error) {
	type key struct {
		version string
		prompt  int
	}
	said := map[key][]string{}
	names := map[string]bool{}
	for i := range r.traces {
		t := &r.traces[i]
		if t.err != nil {
			continue // it has failed, and is counted there
		}
		named, text, err := t.content()
		if err != nil {
			return 0, 0, err
		}
		if slices.ContainsFunc(named, func(v string) bool { return v != t.version }) {
			mixed++
			continue
		}
		names[t.version] = true
		k := key{t.version, t.question.number}
		said[k] = append(said[k], text)
	}
	r.opt.say("ask %d versions again", len(names))
	var again []question
	for k := range said {
		q := r.prompts[k.prompt]
		q.model = k.version
		again = append(again, q)
	}
	at := 0
	l := closedLoop(ctx, r.server, r.opt.Concurrency, counted(len(again), func() question { at++; return again[at-1] }))
	r.failed.take(l)
	for i := range l.traces {
		t := &l.traces[i]
		if t.err != nil {
			continue
		}
		_, text, err := t.content()
		if err != nil {
			return 0, 0, err
		}
		for _, s := range said[key{t.question.model, t.question.number}] {
			if s != text {
				mixed++
			}
		}
	}
	return mixed, len(names), nil
}
