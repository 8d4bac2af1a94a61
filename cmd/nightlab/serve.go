package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
)

func swapCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.SwapOptions
	cmd := &cobra.Command{Use: "swap", Short: "A server under load whose version changes all the time, beside one whose version stays"}
	b.Add(cmd, "itl_p99_ratio")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.DurationVar(&opt.Duration, "duration", time.Minute, "of the load, with and again without swaps, over all blocks")
	f.DurationVar(&opt.Every, "every", time.Second, "time between two swaps")
	f.IntVar(&opt.Concurrency, "concurrency", 8, "clients, each of which asks again when it has its answer")
	f.IntVar(&opt.Prompt, "prompt", 32, "tokens of each prompt")
	f.IntVar(&opt.Tokens, "tokens", 64, "tokens of each answer")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Swap)
}

func startCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.StartOptions
	cmd := &cobra.Command{Use: "start", Short: "The program from its start until it is ready, and its memory"}
	b.Add(cmd, "rss_over_use")
	b.AddWeights(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&opt.Shapes, "shape", []string{"demo", "gpt2"}, "shapes, the flag repeated: "+bench.Shapes)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		program, err := nightshift()
		if err != nil {
			return err
		}
		return b.Measure(s, cmd, func(report bench.Report) error {
			opt.Options = b.Options
			opt.Program = []string{program, "run", "--set", "cache=" + b.CacheDir}
			return bench.Start(cmd.Context(), opt, report)
		})
	}
	return cmd
}

func nightMemoryCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.NightMemoryOptions
	cmd := &cobra.Command{Use: "night-memory", Short: "The memory of a server alone, and of it and a real night on the model that ships"}
	cmd.Flags().IntVar(&opt.Streams, "streams", 4, "streams that keep running")
	cmd.Flags().BoolVar(&b.JSON, "json", false, "one JSON object a line, the summary last")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		program, err := nightshift()
		if err != nil {
			return err
		}
		opt.Program = []string{program}
		return b.Measure(s, cmd, func(report bench.Report) error {
			opt.Options = b.Options
			return bench.NightMemory(cmd.Context(), opt, report)
		})
	}
	return cmd
}

func ingestCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.IngestOptions
	cmd := &cobra.Command{Use: "ingest", Short: "Interactions per second into the replay store, and what recording adds to an answer"}
	b.Add(cmd, "added_http_ms_p99")
	f := cmd.Flags()
	f.IntVar(&opt.Interactions, "interactions", 2000, "interactions in each block")
	f.IntVar(&opt.Writers, "writers", 64, "writers at the same time")
	f.Float64Var(&opt.Rate, "rate", 200, "interactions a second while what they add to an answer is measured")
	f.IntVar(&opt.Requests, "requests", 500, "requests over HTTP in each block, of a server that records and of one that does not")
	f.StringVar(&opt.Redis, "redis", "", "host:port of a Redis to measure as well; a few keys that begin with nightshift-bench- stay there")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Ingest)
}

// nightshift is the program that is measured: the one beside this program.
func nightshift() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	program := filepath.Join(filepath.Dir(self), "nightshift")
	if _, err := os.Stat(program); err != nil {
		return "", fmt.Errorf("find the program to measure beside this one: %w; make build makes both", err)
	}
	return program, nil
}
