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
	// Mixed measures every case of several rows once more with prompts from a quarter to seven quarters of the length, of which
	// over_alike is the ratio to rows of one length.
	Mixed bool
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
	first := map[[2]int]int{}
	defer func() { err = errors.Join(err, closeAll(engines)) }()
	for _, weights := range opt.Weights {
		e, err := startEngine(ctx, opt.Options, weights, engine.Config{Slots: slices.Max(opt.Batches)})
		if err != nil {
			return err
		}
		engines = append(engines, e)
		opt.cases(&p, e, weights, first)
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

// cases adds those of one weight format. first has the case of the first format for each prompt length and batch size.
func (opt DecodeOptions) cases(p *plan, e *runningEngine, weights string, first map[[2]int]int) {
	f, cfg := mustFormat(weights), e.Model().Config
	random := rand.New(rand.NewPCG(2, 0))
	run := func(prompts []int) func(context.Context, int) (measurement, error) {
		return func(ctx context.Context, block int) (measurement, error) {
			jobs, tokens := make([]job, len(prompts)), opt.Tokens
			for i, n := range prompts {
				jobs[i].prompt = randomPrompt(random, n, cfg.Vocab)
			}
			if block < 0 {
				tokens = 2
			}
			return decodeTogether(ctx, e.Engine, jobs, tokens)
		}
	}
	for _, prompt := range opt.Prompts {
		for _, batch := range opt.Batches {
			middle := float64(prompt) + float64(opt.Tokens)/2
			p.cases = append(p.cases, testCase{weights: weights, cost: decodeCost(cfg, f, batch, middle),
				settings: []Number{{"batch", float64(batch)}, {"prompt", float64(prompt)}, {"context", middle}},
				run:      run(slices.Repeat([]int{prompt}, batch))})
			at := len(p.cases) - 1
			if base, ok := first[[2]int{prompt, batch}]; ok {
				p.ratios = append(p.ratios, ratio{"over_" + opt.Weights[0], at, base, "tokens_per_second"})
			} else {
				first[[2]int{prompt, batch}] = at
			}
			if opt.Mixed && batch > 1 {
				mixed := p.cases[at]
				mixed.name, mixed.run = mixedCase, run(mixedLengths(prompt, batch))
				p.cases = append(p.cases, mixed)
				p.ratios = append(p.ratios, ratio{"over_alike", at + 1, at, "tokens_per_second"})
			}
		}
	}
}

// mixedCase is the case of lines about prompts of mixed lengths.
const mixedCase = "mixed lengths"

// mixedLengths are n lengths from a quarter to seven quarters of one, which is their mean.
func mixedLengths(length, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = max(1, length/4+(length*3/2)*i/(n-1))
	}
	return list
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
