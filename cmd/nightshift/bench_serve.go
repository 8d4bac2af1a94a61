package main

import (
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
)

func benchServe(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.ServeOptions
	cmd := &cobra.Command{Use: "serve", Short: "A whole server over HTTP with streaming, beside its own bare engine"}
	b.Add(cmd, "over_engine")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntSliceVar(&opt.Concurrency, "concurrency", []int{1, 4, 8, 16, 32}, "numbers of clients, each of which asks again when it has its answer")
	f.Float64SliceVar(&opt.Rates, "rate", nil, "requests a second that arrive whether or not others are answered, at random")
	f.DurationVar(&opt.Duration, "duration", 10*time.Second, "of arrivals at a rate, in each block")
	f.IntVar(&opt.Requests, "requests", 2, "requests of each client in each block")
	f.IntVar(&opt.Prompt, "prompt", 32, "tokens of each prompt")
	f.IntVar(&opt.Tokens, "tokens", 64, "tokens of each answer")
	f.IntVar(&opt.Slots, "slots", 16, "sequences that generate at the same time")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Serve)
}
