package main

import (
	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
)

func lookupCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.LookupOptions
	cmd := &cobra.Command{Use: "lookup", Short: "One answer at a time of the model that ships, with drafts out of the text and without"}
	b.Add(cmd, "over_plain")
	b.AddWeights(cmd)
	b.Shape = "demo"
	f := cmd.Flags()
	f.IntVar(&opt.Dialogues, "dialogues", 12, "dialogues, each about three facts that are asked for twice")
	f.IntVar(&opt.Longest, "longest", 8, "tokens of the longest draft")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Lookup)
}

func stepsCommand(s *app.Flags) *cobra.Command {
	var b bench.Flags
	var opt bench.StepsOptions
	cmd := &cobra.Command{Use: "steps", Short: "Decode steps of several tokens of one sequence beside steps of one, by weight format"}
	b.Add(cmd, "over_one")
	b.AddModel(cmd)
	f := cmd.Flags()
	f.IntSliceVar(&opt.Tokens, "tokens", []int{1, 2, 3, 4, 5, 6, 8, 9, 12, 16}, "tokens of a step")
	f.IntVar(&opt.Prompt, "prompt", 64, "tokens of the sequence before the step")
	f.IntVar(&opt.Steps, "steps", 3, "steps of each kind in each block")
	return bench.Command(s, cmd, &b, &opt, &opt.Options, bench.Steps)
}
