package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// ServeOptions choose a benchmark of the server.
type ServeOptions struct {
	Options
	Concurrency []int         // clients of a closed loop, each of which asks again when it has its answer
	Rates       []float64     // requests a second of an open loop
	Duration    time.Duration // of the open loops, in each block
	Requests    int           // of each client of a closed loop, in each block
	Prompt      int           // tokens
	Tokens      int           // of each answer
	Slots       int           // of the engine
}

// Serve measures a whole server over HTTP, with streaming, beside its own bare engine: the same requests, client and
// clock. over_engine is the share of the engine's tokens per second that reach the client. The summary is the line of the
// server under the maximum number of clients.
func Serve(ctx context.Context, opt ServeOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("number of clients", opt.Concurrency...), positive("number of requests", opt.Requests), positive("prompt length", opt.Prompt),
		positive("number of tokens", opt.Tokens), positive("number of slots", opt.Slots)); err != nil {
		return err
	}
	for _, r := range opt.Rates {
		if !(r > 0) {
			return fmt.Errorf("a rate of %v requests a second: it must be positive", r)
		}
	}
	slices.Sort(opt.Concurrency)
	s, err := startStack(ctx, opt.Options, weights, stackOptions{slots: opt.Slots})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	server := newHTTPTarget(s.url, false)
	defer server.close()
	var failed failures
	p := opt.plan(s, server, weights, &failed)
	for _, t := range []target{server, engineTarget{s.engine}} {
		warm := s.questions(rand.New(rand.NewPCG(5, 0)), opt.Prompt, opt.Tokens)
		failed.take(closedLoop(ctx, t, opt.Slots, counted(opt.Slots, warm)))
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return errors.Join(p.conclude(lines, lines[2*len(opt.Concurrency)-1], report), failed.err())
}

// plan has two cases for every load: the bare engine, and the server.
func (opt ServeOptions) plan(s *stack, server target, weights string, failed *failures) plan {
	p := plan{bench: "serve", options: opt.Options, judged: "over_engine"}
	pair := func(kind string, settings []Number, cost cost, run func(ctx context.Context, t target, random *rand.Rand) load) {
		settings = append(settings, Number{"prompt", float64(opt.Prompt)}, Number{"tokens", float64(opt.Tokens)})
		for i, t := range []target{engineTarget{s.engine}, server} {
			p.cases = append(p.cases, testCase{name: []string{"engine", "http"}[i] + kind, weights: weights, settings: settings, cost: cost,
				run: func(ctx context.Context, block int) (measurement, error) {
					return failed.take(run(ctx, t, rand.New(rand.NewPCG(uint64(i), uint64(block))))), nil
				}})
		}
		at := len(p.cases) - 1
		p.ratios = append(p.ratios, ratio{"over_engine", at, at - 1, "tokens_per_second"})
	}
	for _, c := range opt.Concurrency {
		answer := answerCost(s.engine.Model().Config, mustFormat(weights), min(c, opt.Slots), opt.Prompt, opt.Tokens)
		pair("", []Number{{"concurrency", float64(c)}}, answer, func(ctx context.Context, t target, random *rand.Rand) load {
			return closedLoop(ctx, t, c, counted(c*opt.Requests, s.questions(random, opt.Prompt, opt.Tokens)))
		})
	}
	for _, rate := range opt.Rates {
		pair("-open", []Number{{"rate", rate}}, cost{}, func(ctx context.Context, t target, random *rand.Rand) load {
			at := poisson(random, rate, opt.Duration)
			next, list := s.questions(random, opt.Prompt, opt.Tokens), make([]question, len(at))
			for i := range list {
				list[i] = next()
			}
			return openLoop(ctx, t, at, list)
		})
	}
	return p
}
