package main

import (
	"os"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
)

func adaptersCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.AdaptersOptions
	cmd := &cobra.Command{Use: "adapters", Short: "A batch on the base model, on one adapter, and on a different adapter a row"}
	b.Add(cmd, "mixed_over_one")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntVar(&opt.Batch, "batch", 16, "rows of the batch")
	f.IntSliceVar(&opt.Registered, "registered", []int{0, 16, 64, 256}, "numbers of registered adapters that the rows draw from")
	f.IntVar(&opt.Prompt, "prompt", 32, "tokens of each prompt")
	f.IntVar(&opt.Tokens, "tokens", 64, "tokens that each row decodes while it is measured")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Adapters)
}

func busyCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.BusyOptions
	cmd := &cobra.Command{Use: "busy", Short: "Decoding beside a process that keeps one core busy"}
	b.Add(cmd, "share_of_quiet")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntSliceVar(&opt.Batches, "batch", []int{1, 8}, "batch sizes")
	f.IntVar(&opt.Prompt, "prompt", 32, "tokens of each prompt")
	f.IntVar(&opt.Tokens, "tokens", 64, "tokens that each row decodes while it is measured")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		opt.Neighbour = []string{program, "neighbour"}
		return b.Measure(s, cmd, func(report bench.Report) error {
			opt.Options = b.Options
			return bench.Busy(cmd.Context(), opt, report)
		})
	}
	return cmd
}

func neighbourCommand() *cobra.Command {
	return &cobra.Command{Use: "neighbour", Short: "Keep one core busy until standard input ends", Hidden: true,
		RunE: func(*cobra.Command, []string) error { return bench.Neighbour(os.Stdin, os.Stdout) }}
}
