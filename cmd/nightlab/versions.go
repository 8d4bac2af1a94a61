package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
)

func versionsCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.VersionsOptions
	cmd := &cobra.Command{Use: "versions", Short: "A server of many registered versions, and what requests wait for theirs"}
	b.Add(cmd, "adapter_wait_max_ms")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntVar(&opt.Versions, "versions", 1000, "registered versions, of rank 8, of every linear")
	f.Float64Var(&opt.Skew, "skew", 1, "the k-th most popular version is asked for in proportion to 1/k to this power")
	f.IntVar(&opt.Rows, "bank-rows", 0, "rows of the adapter bank; 0: as many as the program has for the model")
	f.IntVar(&opt.Concurrency, "concurrency", 16, "clients, each of which asks again when it has its answer")
	f.IntVar(&opt.Requests, "requests", 100, "requests in each block")
	f.IntVar(&opt.Prompt, "prompt", 32, "tokens of each prompt")
	f.IntVar(&opt.Tokens, "tokens", 16, "tokens of the longest answer; the shortest is half of it")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Versions)
}

func prefixCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.PrefixOptions
	cmd := &cobra.Command{Use: "prefix", Short: "Time to the first token of prompts that begin with something new, and with what was asked before"}
	b.Add(cmd, "warm_over_cold")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntVar(&opt.System, "system", 400, "tokens that prompts begin with")
	f.IntVar(&opt.Question, "question", 20, "tokens that differ")
	f.IntVar(&opt.Requests, "requests", 4, "requests of each kind in each block")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Prefix)
}

func invarianceCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.InvarianceOptions
	cmd := &cobra.Command{Use: "invariance", Short: "Whether answers are the same, bit for bit, alone and in batches among strangers"}
	b.Add(cmd, "")
	f := cmd.Flags()
	blocks := f.Lookup("blocks")
	blocks.Usage, blocks.DefValue, b.Blocks = "times that all requests are asked again, in another order", "1", 1
	f.StringVar(&b.Shape, "shape", bench.Shipped, bench.Shipped+" for the model that ships, "+bench.Shapes)
	b.AddWeights(cmd)
	f.IntVar(&opt.Requests, "requests", 1000, "requests for each weight format")
	f.IntVar(&opt.Prompt, "prompt", 200, "tokens of the longest prompt")
	f.IntVar(&opt.Tokens, "tokens", 16, "tokens of the longest answer")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Invariance)
}
