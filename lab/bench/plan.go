package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"nightshift/internal/stats"
)

// measurement is what one case gave in one block.
type measurement struct {
	figures []Number // over blocks: the median
	counts  []Number // over blocks: the sum
	samples []sample // their p50 and p99: of a block in its line, of all blocks together over all
}

// sample is a set of values of one kind; the name ends with the unit.
type sample struct {
	name   string
	values []float64
}

func (m measurement) figure(name string) (float64, bool) {
	return Result{Figures: m.numbers()}.Figure(name)
}

// numbers are the measurement's figures, and the quantiles of its samples.
func (m measurement) numbers() []Number {
	list := slices.Clone(m.figures)
	for _, s := range m.samples {
		if len(s.values) > 0 {
			list = append(list, Number{s.name + "_p50", stats.Quantile(s.values, 0.5)}, Number{s.name + "_p99", stats.Quantile(s.values, 0.99)})
		}
	}
	return append(list, m.counts...)
}

// limits are those of the machine in a block. The rate of int8 is not measured where it is not needed: 0.
type limits struct {
	bandwidth, float, int8 float64
}

// cost is what a token costs at least.
type cost struct {
	bytes, operations float64
	int8              bool // the operations are integer ones
}

// ceiling is the rate at which the machine could do work of this cost, in tokens/s: memory or arithmetic is the limit.
func (l limits) ceiling(c cost) float64 {
	rate := l.float
	if c.int8 {
		rate = l.int8
	}
	return 1e9 / max(c.bytes/l.bandwidth, c.operations/rate)
}

// testCase is one thing that every block measures once.
type testCase struct {
	name     string
	weights  string
	settings []Number
	cost     cost // with it, lines carry the share of the machine's limits that tokens_per_second is
	run      func(ctx context.Context, block int) (measurement, error)
}

// ratio compares a figure of two cases within each block; it becomes a figure of the first.
type ratio struct {
	name   string
	of, to int // cases
	figure string
}

// plan is a benchmark whose cases are measured side by side.
type plan struct {
	bench   string
	options Options
	cases   []testCase
	ratios  []ratio
	judged  string // the ratio or share that the thresholds are for

	intervals []string // figures that get an interval, besides ratios and shares of the limits
}

// roofline is the share of the machine's limits.
const roofline = "roofline_share"

// run measures all blocks and reports a line for every case and block, then one for every case over all blocks, which it
// returns.
func (p plan) run(ctx context.Context, report Report) ([]Result, error) {
	machine, err := p.machine()
	if err != nil {
		return nil, err
	}
	if machine != nil {
		defer machine.Close()
	}
	random := rand.New(rand.NewPCG(1, uint64(len(p.cases))))
	blocks := make([][]measurement, p.options.Blocks)
	for b := range blocks {
		p.options.say("%s: block %d of %d", p.bench, b+1, p.options.Blocks)
		if blocks[b], err = p.block(ctx, b, machine, random); err != nil {
			return nil, fmt.Errorf("measure %s: %w", p.bench, err)
		}
		for i, c := range p.cases {
			r := p.line(c)
			r.Block, r.Figures = b+1, blocks[b][i].numbers()
			if err := report(r); err != nil {
				return nil, err
			}
		}
	}
	lines := make([]Result, len(p.cases))
	for i := range p.cases {
		lines[i] = p.over(i, blocks)
		if err := report(lines[i]); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// line is a result without figures.
func (p plan) line(c testCase) Result {
	return Result{Bench: p.bench, Case: c.name, Shape: p.options.Shape, Weights: c.weights, Threads: p.options.Threads, Settings: c.settings}
}

// machine is there when a case has a cost; then the lines of all cases carry the limits of their block.
func (p plan) machine() (*Machine, error) {
	for _, c := range p.cases {
		if c.cost.operations > 0 {
			return NewMachine(p.options.Threads)
		}
	}
	return nil, nil
}

// block measures every case and the machine's limits, in random order.
func (p plan) block(ctx context.Context, block int, machine *Machine, random *rand.Rand) ([]measurement, error) {
	list := make([]measurement, len(p.cases))
	var limit limits
	var err error
	for _, i := range random.Perm(len(p.cases) + 1) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i == len(p.cases) {
			if machine != nil {
				if limit, err = p.limits(machine); err != nil {
					return nil, err
				}
			}
			continue
		}
		if list[i], err = p.cases[i].run(ctx, block); err != nil {
			return nil, err
		}
	}
	for i, c := range p.cases {
		m := &list[i]
		if machine != nil {
			m.figures = append(m.figures, limit.numbers()...)
		}
		if rate, ok := m.figure("tokens_per_second"); ok && c.cost.operations > 0 {
			ceiling := limit.ceiling(c.cost)
			m.figures = append(m.figures, Number{"ceiling_tokens_per_second", ceiling}, Number{roofline, rate / ceiling})
		}
	}
	for _, r := range p.ratios {
		of, ok := list[r.of].figure(r.figure)
		to, also := list[r.to].figure(r.figure)
		if ok && also {
			list[r.of].figures = append(list[r.of].figures, Number{r.name, of / to})
		}
	}
	return list, nil
}

// limitPasses is how often each of the machine's limits is tried in a block.
const limitPasses = 5

// limits measures what the cases need, and the rate of float32 matrices in any case, by which machines can be compared.
func (p plan) limits(machine *Machine) (limits, error) {
	var l limits
	bandwidths, err := machine.Bandwidths(limitPasses)
	if err != nil {
		return l, err
	}
	l.bandwidth = bandwidths[0].Value
	if l.float, err = machine.MatrixRate(limitPasses); err != nil {
		return l, err
	}
	if slices.ContainsFunc(p.cases, func(c testCase) bool { return c.cost.int8 }) {
		rates, err := machine.Int8Rates(limitPasses)
		if err != nil {
			return l, err
		}
		l.int8 = rates[0].Value
	}
	return l, nil
}

// numbers are the limits that were measured.
func (l limits) numbers() []Number {
	list := []Number{{"bandwidth_gb_s", l.bandwidth}, {"matrix_gflop_s", l.float}}
	if l.int8 > 0 {
		list = append(list, Number{"int8_gop_s", l.int8})
	}
	return list
}

// over is the line of a case over all blocks: medians, sums, quantiles of all samples, and for ratios and the share of the
// machine's limits their 95 % intervals, which cover with interval_coverage: with less where there are fewer than six blocks.
func (p plan) over(i int, blocks [][]measurement) Result {
	r := p.line(p.cases[i])
	r.Blocks = len(blocks)
	var pooled measurement
	for _, block := range blocks {
		for at, s := range block[i].samples {
			if at == len(pooled.samples) {
				pooled.samples = append(pooled.samples, sample{name: s.name})
			}
			pooled.samples[at].values = append(pooled.samples[at].values, s.values...)
		}
		for at, n := range block[i].counts {
			if at == len(pooled.counts) {
				pooled.counts = append(pooled.counts, Number{Name: n.Name})
			}
			pooled.counts[at].Value += n.Value
		}
	}
	coverage := 0.0
	for _, n := range blocks[0][i].figures {
		var values []float64
		for _, block := range blocks {
			if v, ok := (Result{Figures: block[i].figures}).Figure(n.Name); ok {
				values = append(values, v)
			}
		}
		r.Figures = append(r.Figures, Number{n.Name, stats.Median(values)})
		if !p.compared(i, n.Name) {
			continue
		}
		var interval Interval
		interval.Low, interval.High, interval.Coverage = stats.MedianInterval(values, confidence)
		coverage = interval.Coverage
		r.Figures = append(r.Figures, Number{n.Name + "_low", interval.Low}, Number{n.Name + "_high", interval.High})
		if n.Name == p.judged {
			r.Judgement = Judge(interval, p.options.AtLeast, p.options.AtMost)
		}
	}
	r.Figures = append(r.Figures, pooled.numbers()...)
	if coverage > 0 {
		r.Figures = append(r.Figures, Number{"interval_coverage", coverage})
	}
	return r
}

// compared says whether a figure of a case is one that gets an interval.
func (p plan) compared(i int, name string) bool {
	return name == roofline || slices.Contains(p.intervals, name) || slices.ContainsFunc(p.ratios, func(r ratio) bool { return r.of == i && r.name == name })
}

// conclude reports the summary, which carries the verdict of all lines, and fails when a line failed.
func (p plan) conclude(lines []Result, summary Result, report Report) error {
	summary.Summary, summary.Judgement = true, ""
	var failed error
	for _, l := range lines {
		switch {
		case l.Judgement == Fail:
			v, _ := l.Figure(p.judged)
			failed = fmt.Errorf("%s: %s is %.3f: %w", strings.TrimSpace(p.bench+" "+l.Case), p.judged, v, ErrJudged)
			summary.Judgement = Fail
		case l.Judgement != "" && summary.Judgement != Fail && (summary.Judgement == "" || l.Judgement == Undecided):
			summary.Judgement = l.Judgement
		}
	}
	if err := report(summary); err != nil {
		return err
	}
	return failed
}
