package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"time"

	"nightshift/internal/stats"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/serve"
)

// VersionsOptions choose a benchmark of many registered versions.
type VersionsOptions struct {
	Options
	Versions    int
	Skew        float64 // of popularity: the k-th most popular version is asked for in proportion to 1/k^Skew
	Rows        int     // of the bank; 0 is the program's default for the model
	Concurrency int
	Requests    int // in each block
	Prompt      int // tokens
	Tokens      int // of the longest answer; the shortest is half of it
}

// Versions measures a server of many registered versions whose popularity is a power law (Zipf), beside the same load on one of
// them. The bank is warm: every version was asked for once before. The summary says what requests waited for their adapter, from
// the model's name to rows in the bank: adapter_wait_max_ms is the longest wait of all blocks, which the thresholds are for;
// hit_rate is the share of requests whose version was resident.
func Versions(ctx context.Context, opt VersionsOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("number of versions", opt.Versions), positive("number of clients", opt.Concurrency), positive("number of requests", opt.Requests),
		positive("prompt length", opt.Prompt), positive("number of tokens", opt.Tokens)); err != nil {
		return err
	}
	if !(opt.Skew >= 0) {
		return fmt.Errorf("a skew of %v: it must not be negative", opt.Skew)
	}
	waits := &waits{}
	s, err := startStack(ctx, opt.Options, weights, stackOptions{bankRows: opt.Rows, waited: waits.add})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	server := newHTTPTarget(s.url, false)
	defer server.close()
	run := &versionsRun{opt: opt, stack: s, server: server, waits: waits, popularity: zipf(opt.Versions, opt.Skew), order: rand.New(rand.NewPCG(10, 0)).Perm(opt.Versions)}
	if err := run.register(ctx); err != nil {
		return err
	}
	opt.say("ask every version once")
	random, number := rand.New(rand.NewPCG(11, 0)), 0
	run.failed.take(closedLoop(ctx, server, opt.Concurrency, counted(opt.Versions, func() question { number++; return run.question(random, number, 1) })))
	first := waits.take()
	p := plan{bench: "versions", options: opt.Options, judged: "over_one", ratios: []ratio{{"over_one", 1, 0, "tokens_per_second"}}}
	p.options.AtLeast, p.options.AtMost = 0, 0 // the thresholds are for the longest wait
	settings := []Number{{"versions", float64(opt.Versions)}, {"skew", opt.Skew}, {"bank_rows", float64(s.engine.Bank().Rows())}, {"concurrency", float64(opt.Concurrency)}}
	for i, name := range []string{"one", "versions"} {
		p.cases = append(p.cases, testCase{name: name, weights: weights, settings: settings, run: func(ctx context.Context, block int) (measurement, error) {
			return run.block(ctx, rand.New(rand.NewPCG(12, uint64(block))), i == 1), nil
		}})
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	summary := lines[1]
	summary.Case, summary.Summary = "", true
	total := len(run.resident) + len(run.evicted)
	all := slices.Concat(run.resident, run.evicted)
	longest := stats.Quantile(all, 1)
	summary.Figures = append(slices.Clone(summary.Figures), Number{"hit_rate", float64(len(run.resident)) / float64(total)}, Number{"adapter_wait_max_ms", longest},
		Number{"first_wait_ms_p50", stats.Quantile(first, 0.5)}, Number{"first_wait_ms_p99", stats.Quantile(first, 0.99)})
	failed := run.failed.err()
	if opt.AtLeast != 0 || opt.AtMost != 0 {
		summary.Judgement = Judge(Interval{longest, longest, 1}, opt.AtLeast, opt.AtMost)
	}
	if summary.Judgement == Fail {
		failed = errors.Join(failed, fmt.Errorf("versions: adapter_wait_max_ms is %.3f: %w", longest, ErrJudged))
	}
	return errors.Join(report(summary), failed)
}

// zipf are the cumulative shares of n items, of which the k-th has 1/k^skew.
func zipf(n int, skew float64) []float64 {
	list, sum := make([]float64, n), 0.0
	for i := range list {
		sum += math.Pow(float64(i+1), -skew)
		list[i] = sum
	}
	for i := range list {
		list[i] /= sum
	}
	return list
}

// waits collects what requests waited for their versions.
type waits struct {
	mu                sync.Mutex
	resident, brought []float64 // milliseconds: of versions in the bank, and of those that came into it
}

func (w *waits) add(d time.Duration, from serve.CacheResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from == serve.CacheHit {
		w.resident = append(w.resident, milliseconds(d))
	} else {
		w.brought = append(w.brought, milliseconds(d))
	}
}

// take returns all waits since the last time.
func (w *waits) take() []float64 { resident, brought := w.split(); return append(resident, brought...) }

func (w *waits) split() (resident, brought []float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	resident, brought = w.resident, w.brought
	w.resident, w.brought = nil, nil
	return resident, brought
}

// versionsRun is the state of the benchmark.
type versionsRun struct {
	opt               VersionsOptions
	stack             *stack
	server            target
	waits             *waits
	popularity        []float64
	order             []int // versions, less one, by popularity
	failed            failures
	resident, evicted []float64 // milliseconds, of all blocks
}

// register stores the versions, which differ in one layer each.
func (r *versionsRun) register(ctx context.Context) error {
	r.opt.say("register %d versions", r.opt.Versions)
	cfg := r.stack.engine.Model().Config
	common, err := randomAdapter(cfg, adapterRank, 0)
	if err != nil {
		return err
	}
	for i := range r.opt.Versions {
		if err := ctx.Err(); err != nil {
			return err
		}
		a := &adapter.Adapter{Config: common.Config, Factors: map[arch.Target]adapter.Factors{}}
		random := rand.New(rand.NewPCG(uint64(i), 2))
		for t, f := range common.Factors {
			if t.Layer == i%cfg.Layers {
				f.B = slices.Clone(f.B)
				for j := range f.B {
					f.B[j] = float32(random.NormFloat64() * 0.05)
				}
			}
			a.Factors[t] = f
		}
		if _, err := r.stack.publish(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// question asks a version, by its number.
func (r *versionsRun) question(random *rand.Rand, version, tokens int) question {
	q := r.stack.question(random, version, r.opt.Prompt, tokens)
	q.model = fmt.Sprintf("%s@%d", q.model, version)
	return q
}

// block is the load on one version, or on all by their popularity.
func (r *versionsRun) block(ctx context.Context, random *rand.Rand, all bool) measurement {
	r.waits.take()
	l := closedLoop(ctx, r.server, r.opt.Concurrency, counted(r.opt.Requests, func() question {
		version := 1
		if all {
			version = r.order[min(sort.SearchFloat64s(r.popularity, random.Float64()), len(r.order)-1)] + 1
		}
		return r.question(random, version, r.opt.Tokens-random.IntN(r.opt.Tokens/2+1))
	}))
	m := r.failed.take(l)
	resident, evicted := r.waits.split()
	if all {
		r.resident, r.evicted = append(r.resident, resident...), append(r.evicted, evicted...)
	}
	m.samples = append(m.samples, sample{"adapter_wait_ms", slices.Concat(resident, evicted)}, sample{"reload_ms", evicted})
	m.counts = append(m.counts, Number{"resident", float64(len(resident))}, Number{"reloaded", float64(len(evicted))})
	return m
}
