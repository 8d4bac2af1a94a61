package bench

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
)

// Load reads the configuration of a benchmark that keeps models in the cache directory, and opens the runtime.
func Load(s *app.Flags, cmd *cobra.Command) (c app.Config, cache string, err error) {
	if c, err = s.Load(cmd); err != nil {
		return c, "", err
	}
	if cache, err = app.CacheDir(c); err != nil {
		return c, "", err
	}
	return c, cache, app.OpenRuntime(cmd.Context(), c)
}

// Flags are those that all benchmarks have.
type Flags struct {
	Options
	JSON bool
}

// Add defines the flags; judged names the ratio that the thresholds are for, "" for none.
func (b *Flags) Add(cmd *cobra.Command, judged string) {
	f := cmd.Flags()
	f.IntVar(&b.Blocks, "blocks", 10, "blocks, in each of which everything is measured once; six or more give 95 % intervals")
	f.BoolVar(&b.JSON, "json", false, "one JSON object a line, the summary last")
	if judged != "" {
		f.Float64Var(&b.AtLeast, "at-least", 0, "fail when all of the interval of "+judged+" is below this")
		f.Float64Var(&b.AtMost, "at-most", 0, "fail when all of the interval of "+judged+" is above this")
	}
}

// AddModel defines the flags that choose a model with random weights; --model chooses a real one.
func (b *Flags) AddModel(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.Shape, "shape", "gpt2", Shapes)
	b.AddWeights(cmd)
}

// AddWeights defines the flag that chooses formats of weights.
func (b *Flags) AddWeights(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&b.Weights, "weights", []string{"f32"}, "weight formats: "+strings.Join(Formats(), ", "))
}

// Measure opens the runtime, completes the options and runs a benchmark, whose results go to standard output.
func (b *Flags) Measure(s *app.Flags, cmd *cobra.Command, run func(Report) error) error {
	c, cache, err := Load(s, cmd)
	if err != nil {
		return err
	}
	b.CacheDir = cache
	if b.Threads = c.Threads; b.Threads == 0 {
		b.Threads = runtime.GOMAXPROCS(0)
	}
	b.Progress = os.Stderr
	if f := cmd.Flags(); f.Lookup("shape") != nil && f.Changed("model") {
		if f.Changed("shape") {
			return errors.New("--model and --shape both say what is measured; give one")
		}
		if b.Shape, _, err = app.ModelDir(c); err != nil {
			return err
		}
	}
	report, done := Output(os.Stdout, b.JSON)
	if err := run(report); err != nil {
		done()
		return err
	}
	done()
	return nil
}

// Command has a command run a benchmark with its options, which hold those of all benchmarks.
func Command[O any](s *app.Flags, cmd *cobra.Command, b *Flags, opt *O, options *Options, run func(context.Context, O, Report) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return b.Measure(s, cmd, func(report Report) error {
			*options = b.Options
			return run(cmd.Context(), *opt, report)
		})
	}
	return cmd
}
