// Package bench measures the program on the machine it runs on: on random weights of a named shape, beside the machine's
// own memory bandwidth and matrix rates.
//
// Machines differ, and one machine differs from minute to minute. So whatever is compared runs in the same blocks: each
// block measures every case and the machine's limits once, in random order, and what is reported is the median over blocks
// of the ratio within a block, with an interval for it. Absolute rates are medians too, and mean little elsewhere; the
// ratios and the shares of the limits are what to compare.
//
// A Result is one line: a case in one block, a case over all blocks, or the summary of a run, which is its last line.
// Nothing here knows other programs; what they reach can be compared through the limits that each line carries. Page makes
// a page of documentation from such lines.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Options are what all benchmarks have in common.
type Options struct {
	Shape    string
	Weights  []string // weight formats, of Formats; those of one run are compared with the first
	CacheDir string   // random models are kept there
	Threads  int      // of one computation
	Blocks   int
	AtLeast  float64   // what the ratio that is judged must reach; 0 judges nothing
	AtMost   float64   // what it must not exceed; 0 judges nothing
	Progress io.Writer // nil: none
}

// Report takes the lines of a run as they come, the summary last.
type Report func(Result) error

// ErrJudged is the end of a run whose ratio is, with its whole interval, on the wrong side of the threshold.
var ErrJudged = errors.New("the measured ratio misses its threshold")

// check refuses options that cannot be measured.
func (o Options) check() error {
	if o.Blocks < 1 {
		return fmt.Errorf("%d blocks: measure at least one", o.Blocks)
	}
	if o.Threads < 1 {
		return fmt.Errorf("%d threads: use at least one", o.Threads)
	}
	return nil
}

// formats refuses weight formats and shapes that cannot be measured.
func (o Options) formats() error {
	if len(o.Weights) == 0 {
		return errors.New("no weight format is given")
	}
	for _, w := range o.Weights {
		if _, err := formatOf(w); err != nil {
			return err
		}
	}
	_, err := Shape(o.Shape)
	return err
}

// one is the only weight format of a benchmark that measures one at a time.
func (o Options) one() (string, error) {
	if err := errors.Join(o.check(), o.formats()); err != nil {
		return "", err
	}
	if len(o.Weights) != 1 {
		return "", fmt.Errorf("%d weight formats are given; this benchmark measures one at a time", len(o.Weights))
	}
	return o.Weights[0], nil
}

// say tells people what is going on.
func (o Options) say(format string, args ...any) {
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, format+"\n", args...)
	}
}

// running starts run in the background and returns what ends it and waits for it.
func running(ctx context.Context, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() error { cancel(); return <-done }
}
