package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync/atomic"

	"nightshift/internal/engine"
)

// BusyOptions choose a benchmark beside a busy neighbour.
type BusyOptions struct {
	Options
	Batches   []int
	Prompt    int      // tokens
	Tokens    int      // that each row decodes while it is measured
	Neighbour []string // a program, and its arguments, that runs Neighbour
}

// Neighbour keeps one core busy until its input ends. It writes a line when it begins.
func Neighbour(input io.Reader, output io.Writer) error {
	if _, err := io.WriteString(output, "busy\n"); err != nil {
		return fmt.Errorf("be a busy neighbour: %w", err)
	}
	var done atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, input) // its end is what counts
		done.Store(true)
	}()
	for !done.Load() {
	}
	return nil
}

// Busy measures decoding while another process keeps one core busy, beside the same without it: share_of_quiet is the ratio
// of tokens per second. The summary is the line of the largest batch.
func Busy(ctx context.Context, opt BusyOptions, report Report) (err error) {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("batch size", opt.Batches...), positive("prompt length", opt.Prompt), positive("number of tokens", opt.Tokens)); err != nil {
		return err
	}
	slices.Sort(opt.Batches)
	e, err := startEngine(ctx, opt.Options, weights, engine.Config{Slots: slices.Max(opt.Batches)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	random := rand.New(rand.NewPCG(10, 0))
	p := plan{bench: "busy", options: opt.Options, judged: "share_of_quiet"}
	for _, batch := range opt.Batches {
		decode := func(ctx context.Context, _ int) (measurement, error) {
			jobs := make([]job, batch)
			for i := range jobs {
				jobs[i].prompt = randomPrompt(random, opt.Prompt, e.Model().Config.Vocab)
			}
			return decodeTogether(ctx, e.Engine, jobs, opt.Tokens)
		}
		beside := func(ctx context.Context, block int) (m measurement, err error) {
			stop, err := opt.neighbour(ctx)
			if err != nil {
				return measurement{}, err
			}
			defer func() { err = errors.Join(err, stop()) }()
			return decode(ctx, block)
		}
		if _, err := decode(ctx, -1); err != nil {
			return err
		}
		settings, at := []Number{{"batch", float64(batch)}}, len(p.cases)
		token := decodeCost(e.Model().Config, mustFormat(weights), batch, float64(opt.Prompt)+float64(opt.Tokens)/2)
		p.cases = append(p.cases, testCase{name: "quiet", weights: weights, settings: settings, cost: token, run: decode},
			testCase{name: "neighbour", weights: weights, settings: settings, cost: token, run: beside})
		p.ratios = append(p.ratios, ratio{"share_of_quiet", at + 1, at, "tokens_per_second"})
	}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return p.conclude(lines, lines[len(lines)-1], report)
}

// neighbour starts the process and returns what ends it.
func (opt BusyOptions) neighbour(ctx context.Context) (stop func() error, err error) {
	fail := func(err error) (func() error, error) { return nil, fmt.Errorf("start the busy neighbour: %w", err) }
	if len(opt.Neighbour) == 0 {
		return fail(errors.New("no program is given"))
	}
	cmd := exec.CommandContext(ctx, opt.Neighbour[0], opt.Neighbour[1:]...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return fail(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	stop = func() error { return errors.Join(input.Close(), cmd.Wait()) }
	if _, err := io.ReadFull(output, make([]byte, len("busy\n"))); err != nil {
		return fail(errors.Join(err, stop()))
	}
	return stop, nil
}
