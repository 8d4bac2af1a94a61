package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"nightshift/internal/engine"
)

// DecodeOptions choose a decode benchmark: every batch size with every prompt length.
type DecodeOptions struct {
	Options
	Batches []int
	Prompts []int // tokens of each prompt
	Tokens  int   // that each row decodes while it is measured
}

// Decode measures the engine's decode rate, in each weight format, beside the machine's limits. Formats are compared with
// the first one. The summary is the line of the last case: the last format, the longest prompt, the largest batch.
func Decode(ctx context.Context, opt DecodeOptions, report Report) (err error) {
	if err := errors.Join(opt.check(), opt.formats(), positive("batch size", opt.Batches...), positive("prompt length", opt.Prompts...), positive("number of tokens", opt.Tokens)); err != nil {
		return err
	}
	slices.Sort(opt.Batches)
	slices.Sort(opt.Prompts)
	p := plan{bench: "decode", options: opt.Options, judged: roofline}
	var engines []*runningEngine
	defer func() { err = errors.Join(err, closeAll(engines)) }()
	for _, weights := range opt.Weights {
		e, err := startEngine(ctx, opt.Options, weights, engine.Config{Slots: slices.Max(opt.Batches)})
		if err != nil {
			return err
		}
		engines = append(engines, e)
		opt.cases(&p, e, weights)
	}
	opt.say("touch the memory")
	for _, c := range p.cases {
		if _, err := c.run(ctx, -1); err != nil {
			return err
		}
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return p.conclude(lines, lines[len(lines)-1], report)
}

// cases adds those of one weight format.
func (opt DecodeOptions) cases(p *plan, e *runningEngine, weights string) {
	f, cfg := mustFormat(weights), e.Model().Config
	random := rand.New(rand.NewPCG(2, 0))
	perFormat := len(opt.Prompts) * len(opt.Batches)
	for _, prompt := range opt.Prompts {
		for _, batch := range opt.Batches {
			middle := float64(prompt) + float64(opt.Tokens)/2
			p.cases = append(p.cases, testCase{weights: weights, cost: decodeCost(cfg, f, batch, middle),
				settings: []Number{{"batch", float64(batch)}, {"prompt", float64(prompt)}, {"context", middle}},
				run: func(ctx context.Context, block int) (measurement, error) {
					jobs, tokens := make([]job, batch), opt.Tokens
					for i := range jobs {
						jobs[i].prompt = randomPrompt(random, prompt, cfg.Vocab)
					}
					if block < 0 {
						tokens = 2
					}
					return decodeTogether(ctx, e.Engine, jobs, tokens)
				}})
			if at := len(p.cases) - 1; at >= perFormat {
				p.ratios = append(p.ratios, ratio{"over_" + opt.Weights[0], at, at % perFormat, "tokens_per_second"})
			}
		}
	}
}

// mustFormat is a format whose name was checked.
func mustFormat(name string) format {
	f, err := formatOf(name)
	if err != nil {
		panic(err)
	}
	return f
}

// positive refuses settings that are not.
func positive(what string, values ...int) error {
	if len(values) == 0 {
		return fmt.Errorf("no %s is given", what)
	}
	for _, v := range values {
		if v < 1 {
			return fmt.Errorf("a %s of %d: it must be positive", what, v)
		}
	}
	return nil
}
