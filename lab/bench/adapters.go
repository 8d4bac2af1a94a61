package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"nightshift/internal/engine"
)

// AdaptersOptions choose a benchmark of adapters in a batch.
type AdaptersOptions struct {
	Options
	Batch      int
	Registered []int // how many adapters the batch draws from, for the curve
	Prompt     int   // tokens
	Tokens     int   // that each row decodes while it is measured
}

// adapterRank is that of the adapters, of all four linears of every layer.
const adapterRank = 8

// Adapters measures decoding a batch of the base model, of one adapter, and of as many different adapters as the batch has
// rows; and of rows that draw at random from more and more registered ones. The summary has mixed_over_one and
// mixed_over_base, which are the ratios of tokens per second.
func Adapters(ctx context.Context, opt AdaptersOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("batch size", opt.Batch), positive("prompt length", opt.Prompt), positive("number of tokens", opt.Tokens)); err != nil {
		return err
	}
	registered := opt.Batch
	for _, n := range opt.Registered {
		if n < 0 {
			return fmt.Errorf("%d registered adapters: it must not be negative", n)
		}
		registered = max(registered, n)
	}
	e, err := startEngine(ctx, opt.Options, weights, engine.Config{Slots: opt.Batch, BankRows: registered + 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	opt.say("register %d adapters", registered)
	for i := range registered {
		a, err := randomAdapter(e.Model().Config, adapterRank, uint64(i))
		if err != nil {
			return err
		}
		if err := e.Bank().Install(adapterName(i), a); err != nil {
			return err
		}
	}
	p := opt.plan(e, weights)
	for _, c := range p.cases[:3] {
		if _, err := c.run(ctx, -1); err != nil {
			return err
		}
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	summary := p.line(p.cases[2])
	summary.Case, summary.Blocks = "", opt.Blocks
	for _, n := range lines[2].Figures {
		if p.compared(2, n.Name) || slices.ContainsFunc([]string{"_low", "_high"}, func(end string) bool { return n.Name == "mixed_over_one"+end || n.Name == "mixed_over_base"+end }) {
			summary.Figures = append(summary.Figures, n)
		}
	}
	return p.conclude(lines, summary, report)
}

func adapterName(i int) string { return fmt.Sprintf("adapter-%d", i) }

// plan has the three cases, and one for each count of registered adapters.
func (opt AdaptersOptions) plan(e *runningEngine, weights string) plan {
	cfg := e.Model().Config
	random := rand.New(rand.NewPCG(8, 0))
	p := plan{bench: "adapters", options: opt.Options, judged: "mixed_over_one",
		ratios: []ratio{{"mixed_over_one", 2, 1, "tokens_per_second"}, {"mixed_over_base", 2, 0, "tokens_per_second"}}}
	add := func(name string, registered int, pick func(row int) string) {
		settings := []Number{{"batch", float64(opt.Batch)}, {"adapters", float64(registered)}, {"rank", adapterRank}}
		p.cases = append(p.cases, testCase{name: name, weights: weights, settings: settings,
			cost: decodeCost(cfg, mustFormat(weights), opt.Batch, float64(opt.Prompt)+float64(opt.Tokens)/2),
			run: func(ctx context.Context, _ int) (measurement, error) {
				jobs := make([]job, opt.Batch)
				for i := range jobs {
					jobs[i] = job{randomPrompt(random, opt.Prompt, cfg.Vocab), pick(i)}
				}
				return decodeTogether(ctx, e.Engine, jobs, opt.Tokens)
			}})
	}
	add("base", 0, func(int) string { return "" })
	add("one", 1, func(int) string { return adapterName(0) })
	add("mixed", opt.Batch, adapterName)
	for _, n := range opt.Registered {
		at := len(p.cases)
		add("registered", n, func(int) string {
			if n == 0 {
				return ""
			}
			return adapterName(random.IntN(n))
		})
		p.ratios = append(p.ratios, ratio{"over_base", at, 0, "tokens_per_second"})
	}
	return p
}
