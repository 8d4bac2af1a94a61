package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"nightshift/internal/engine"
)

// PrefillOptions choose a prefill benchmark.
type PrefillOptions struct {
	Options
	Prompts []int // tokens of each prompt
}

// prefillTime is how long prompts of one length are measured in a block, at least.
const prefillTime = 300 * time.Millisecond

// Prefill measures how many tokens of a prompt the engine reads per second, one prompt at a time, beside the machine's
// limits. The summary is the line of the last case: the last format, the longest prompt.
func Prefill(ctx context.Context, opt PrefillOptions, report Report) (err error) {
	if err := errors.Join(opt.check(), opt.formats(), positive("prompt length", opt.Prompts...)); err != nil {
		return err
	}
	slices.Sort(opt.Prompts)
	p := plan{bench: "prefill", options: opt.Options, judged: roofline}
	var engines []*runningEngine
	defer func() { err = errors.Join(err, closeAll(engines)) }()
	random := rand.New(rand.NewPCG(3, 0))
	for _, weights := range opt.Weights {
		e, err := startEngine(ctx, opt.Options, weights, engine.Config{})
		if err != nil {
			return err
		}
		engines = append(engines, e)
		for _, prompt := range opt.Prompts {
			p.cases = append(p.cases, testCase{weights: weights, settings: []Number{{"prompt", float64(prompt)}}, cost: prefillCost(e.Model().Config, mustFormat(weights), prompt),
				run: func(ctx context.Context, block int) (measurement, error) {
					minTime := prefillTime
					if block < 0 {
						minTime = 1
					}
					return prefillFor(ctx, e.Engine, random, prompt, minTime)
				}})
			if at := len(p.cases) - 1; at >= len(opt.Prompts) {
				p.ratios = append(p.ratios, ratio{"over_" + opt.Weights[0], at, at % len(opt.Prompts), "tokens_per_second"})
			}
		}
	}
	for _, c := range p.cases {
		if _, err := c.run(ctx, -1); err != nil {
			return err
		}
	}
	opt.say("fill the prefix caches")
	for _, e := range engines {
		if err := fillPrefixes(ctx, e.Engine, random, slices.Max(opt.Prompts)); err != nil {
			return err
		}
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return p.conclude(lines, lines[len(lines)-1], report)
}

// fillPrefixes answers prompts until the prefix cache is full, as that of a server is that has run for a while: until then every prompt takes
// memory anew, which is slow on some machines.
func fillPrefixes(ctx context.Context, e *engine.Engine, random *rand.Rand, prompt int) error {
	for before := int64(-1); e.Stats().PrefixBytes > before; {
		before = e.Stats().PrefixBytes
		if _, err := prefillFor(ctx, e, random, prompt, 1); err != nil {
			return err
		}
	}
	return nil
}

// prefillFor answers new prompts with one token each, one after the other, for a time.
func prefillFor(ctx context.Context, e *engine.Engine, random *rand.Rand, prompt int, minTime time.Duration) (measurement, error) {
	var times []float64
	total := time.Duration(0)
	for total < minTime {
		ids := randomPrompt(random, prompt, e.Model().Config.Vocab)
		pin, _ := e.Bank().Pin("")
		begin := time.Now()
		stream, err := e.Submit(ctx, engine.Request{Prompt: ids, Pin: pin, MaxTokens: 1, IgnoreEOS: true})
		if err != nil {
			return measurement{}, fmt.Errorf("measure prefill: %w", err)
		}
		for range stream.Pieces {
		}
		if err := stream.Result().Err; err != nil {
			return measurement{}, fmt.Errorf("measure prefill: %w", err)
		}
		took := time.Since(begin)
		total += took
		times = append(times, milliseconds(took))
	}
	rate := float64(prompt*len(times)) / total.Seconds()
	return measurement{figures: []Number{{"tokens_per_second", rate}}, samples: []sample{{"first_token_ms", times}}}, nil
}
