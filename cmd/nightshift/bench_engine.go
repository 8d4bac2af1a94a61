package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
)

func benchRoofline(s *app.Flags) *cobra.Command {
	var b bench.Flags
	cmd := &cobra.Command{Use: "roofline", Short: "What the machine gives: memory bandwidth, float32 and int8 matrix rates"}
	b.Add(cmd, "")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return b.Measure(s, cmd, func(report bench.Report) error { return bench.Roofline(cmd.Context(), b.Options, report) })
	}
	return cmd
}

func benchDecode(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.DecodeOptions
	cmd := &cobra.Command{Use: "decode", Short: "Tokens per second of the engine, by batch size, context and weight format"}
	b.Add(cmd, "roofline_share")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntSliceVar(&opt.Batches, "batch", []int{1, 8}, "batch sizes")
	f.BoolVar(&opt.Mixed, "mixed", false, "measure prompts of mixed lengths too, from a quarter to seven quarters of --prompt")
	f.IntSliceVar(&opt.Prompts, "prompt", []int{32}, "tokens of each prompt: the context is that and half of --tokens")
	f.IntVar(&opt.Tokens, "tokens", 64, "tokens that each row decodes while it is measured")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Decode)
}

func benchPrefill(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.PrefillOptions
	cmd := &cobra.Command{Use: "prefill", Short: "Tokens of prompts per second, by length and weight format"}
	b.Add(cmd, "roofline_share")
	b.AddModel(cmd)
	cmd.Flags().IntSliceVar(&opt.Prompts, "prompt", []int{128, 512}, "tokens of each prompt")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Prefill)
}

func benchTrain(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.TrainOptions
	cmd := &cobra.Command{Use: "train", Short: "Forward and backward passes of LoRA training for every linear"}
	b.Add(cmd, "roofline_share")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntVar(&opt.Rows, "rows", 8, "rows of a microbatch")
	f.IntVar(&opt.Columns, "columns", 128, "tokens of a row, all with loss")
	f.IntVar(&opt.Rank, "rank", 8, "rank of the adapter")
	f.IntVar(&opt.Steps, "steps", 1, "steps in each block")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Train)
}

func benchQuantize(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.QuantizeOptions
	cmd := &cobra.Command{Use: "quantize", Short: "What int8 and int4 weights cost in quality, on the model that ships and with outlier channels",
		Long: "Convert the model that ships, and the same with outlier channels, into int8 and int4 as import does, and compare them with float32:\n" +
			"log-probabilities of held-out text, right answers to questions that nothing was trained on, and the error of the worst linear.\n" +
			"Exit status 1: int8 loses more than 0.005 or int4 more than 0.03 nats per token, or less than 95 % of the right facts are kept."}
	f := cmd.Flags()
	f.StringSliceVar(&opt.Models, "case", []string{bench.Shipped, bench.Outliers}, "models to convert: "+bench.Shipped+", "+bench.Outliers)
	f.StringSliceVar(&b.Weights, "weights", []string{"int8", "int4"}, "weight formats: int8, int4")
	f.BoolVar(&b.JSON, "json", false, "one JSON object a line, the summary last")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Quantize)
}
