package bench

import (
	"context"
	"errors"
	"math/rand/v2"

	"nightshift/internal/registry"
)

// PrefixOptions choose a benchmark of prompts that begin alike.
type PrefixOptions struct {
	Options
	System   int // tokens that prompts begin with
	Question int // tokens that differ
	Requests int // of each kind in each block
}

// Prefix measures the time to the first token through a server, one request at a time: of prompts that begin with something new
// (cold) and of those that begin with what was asked before (warm). warm_over_cold is the ratio of the medians, and known_tokens
// are those that were not computed.
func Prefix(ctx context.Context, opt PrefixOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("length of the beginning", opt.System), positive("length of the question", opt.Question), positive("number of requests", opt.Requests)); err != nil {
		return err
	}
	s, err := startStack(ctx, opt.Options, weights, stackOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	server := newHTTPTarget(s.url, false)
	defer server.close()
	random := rand.New(rand.NewPCG(13, 0))
	var failed failures
	ask := func(ctx context.Context, n int, beginning func() string) measurement {
		known := s.engine.Stats().CachedTokens
		m := failed.take(closedLoop(ctx, server, 1, counted(n, func() question {
			text := beginning() + s.question(random, 0, opt.Question, 0).text
			return question{model: registry.Default, text: text, ids: s.engine.Model().Tokenizer.Encode(nil, text), tokens: 2}
		})))
		m.figures = nil // two tokens are no rate
		m.counts = append(m.counts, Number{"known_tokens", float64(s.engine.Stats().CachedTokens - known)})
		return m
	}
	fresh := func() string { return s.question(random, 0, opt.System, 0).text }
	settings := []Number{{"system", float64(opt.System)}, {"question", float64(opt.Question)}}
	p := plan{bench: "prefix", options: opt.Options, judged: "warm_over_cold", ratios: []ratio{{"warm_over_cold", 1, 0, "ttft_ms_p50"}}, cases: []testCase{
		{name: "cold", weights: weights, settings: settings, run: func(ctx context.Context, _ int) (measurement, error) { return ask(ctx, opt.Requests, fresh), nil }},
		{name: "warm", weights: weights, settings: settings, run: func(ctx context.Context, _ int) (measurement, error) {
			system := fresh()
			same := func() string { return system }
			ask(ctx, 1, same)
			return ask(ctx, opt.Requests, same), nil
		}},
	}}
	ask(ctx, 1, fresh) // touches the memory
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	summary := lines[1]
	summary.Case = ""
	return errors.Join(p.conclude(lines, summary, report), failed.err())
}
