package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nightshift/internal/bench"
)

func benchCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this program on this machine, beside the machine's own limits"}
	cmd.AddCommand(benchDecode(s), benchTrain(s))
	return cmd
}

// benchOutput prints results as a table for people or as JSON lines for programs.
func benchOutput(w io.Writer, asJSON bool) (report func(bench.Result) error, done func() error) {
	if asJSON {
		lines := json.NewEncoder(w)
		return func(r bench.Result) error { return lines.Encode(r) }, func() error { return nil }
	}
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "bench\tshape\tbatch\ttokens/s\tstep ms p50\tp99\tpeak MB\tachieved\tlimit\tshare\t")
	return func(r bench.Result) error {
		if r.Summary {
			return nil
		}
		limit, unit := r.Bandwidth, "GB/s"
		if r.MatrixRate > 0 {
			limit, unit = r.MatrixRate, "GFLOP/s"
		}
		_, err := fmt.Fprintf(t, "%s\t%s\t%d\t%.1f\t%.2f\t%.2f\t%.0f\t%.1f\t%.1f %s\t%.0f %%\t\n", r.Bench, r.Shape, r.Batch, r.TokensPerSecond, r.StepP50, r.StepP99,
			r.PeakRSS, r.Achieved, limit, unit, 100*r.RooflineShare)
		return err
	}, t.Flush
}

func benchDecode(s *settings) *cobra.Command {
	var opt bench.DecodeOptions
	var weights string
	var asJSON bool
	cmd := &cobra.Command{Use: "decode", Short: "Tokens per second of the engine at several batch sizes", Args: cobra.NoArgs}
	f := cmd.Flags()
	f.StringVar(&opt.Shape, "shape", "gpt2", "gpt2, gpt2-medium, gpt2-large, gpt2-xl, demo, or layers,heads,width,vocabulary,context")
	f.StringVar(&weights, "weights", "f32", "weight format: f32")
	f.IntSliceVar(&opt.Batches, "batch", []int{1, 8}, "batch sizes")
	f.IntVar(&opt.Prompt, "prompt", 32, "tokens of each prompt")
	f.IntVar(&opt.Tokens, "tokens", 64, "tokens of each answer")
	f.BoolVar(&asJSON, "json", false, "one JSON object a line, the summary last")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if weights != "f32" {
			return fmt.Errorf("--weights %s: only f32 can be measured", weights)
		}
		for _, b := range opt.Batches {
			if b < 1 {
				return fmt.Errorf("--batch %d: batch sizes must be positive", b)
			}
		}
		cache, threads, err := s.benchSetup(cmd)
		if err != nil {
			return err
		}
		opt.CacheDir, opt.Threads = cache, threads
		report, done := benchOutput(os.Stdout, asJSON)
		if err := bench.Decode(cmd.Context(), opt, report); err != nil {
			return err
		}
		return done()
	}
	return cmd
}

func benchTrain(s *settings) *cobra.Command {
	opt := bench.TrainOptions{}
	var asJSON bool
	cmd := &cobra.Command{Use: "train", Short: "Forward and backward passes of LoRA training for every linear", Args: cobra.NoArgs}
	f := cmd.Flags()
	f.StringVar(&opt.Shape, "shape", "gpt2", "gpt2, gpt2-medium, gpt2-large, gpt2-xl, demo, or layers,heads,width,vocabulary,context")
	f.IntVar(&opt.Rows, "rows", 8, "rows of a microbatch")
	f.IntVar(&opt.Columns, "columns", 128, "tokens of a row, all with loss")
	f.IntVar(&opt.Rank, "rank", 8, "rank of the adapter")
	f.IntVar(&opt.Steps, "steps", 5, "steps to measure")
	f.BoolVar(&asJSON, "json", false, "one JSON object a line, the summary last")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cache, threads, err := s.benchSetup(cmd)
		if err != nil {
			return err
		}
		opt.CacheDir, opt.Threads = cache, threads
		report, done := benchOutput(os.Stdout, asJSON)
		if err := bench.Train(cmd.Context(), opt, report); err != nil {
			return err
		}
		return done()
	}
	return cmd
}

// benchSetup opens the runtime and says where random models are kept and how many threads compute.
func (s *settings) benchSetup(cmd *cobra.Command) (cache string, threads int, err error) {
	c, err := s.load(cmd)
	if err != nil {
		return "", 0, err
	}
	if cache, err = cacheDir(c); err != nil {
		return "", 0, err
	}
	threads = c.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return cache, threads, openRuntime(cmd.Context(), c)
}
