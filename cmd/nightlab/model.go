package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/engine"
	"nightshift/lab/pretrain"
	"nightshift/models/demo"
	"nightshift/update/train"
)

// modelCommand trains the model that ships.
func modelCommand(s *app.Flags) *cobra.Command {
	opt := pretrain.Defaults()
	var asJSON bool
	cmd := &cobra.Command{Use: "model DIR", Short: "Train the model that ships from its seeded corpus and measure it"}
	f := cmd.Flags()
	f.IntVar(&opt.Train.Steps, "steps", opt.Train.Steps, "optimizer steps")
	f.Uint64Var(&opt.Seed, "seed", opt.Seed, "seed of corpus and weights")
	f.BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := s.Load(cmd)
		if err != nil {
			return err
		}
		if err := app.OpenRuntime(cmd.Context(), c); err != nil {
			return err
		}
		opt.Threads = c.Threads
		if err := pretrain.Build(cmd.Context(), args[0], opt, stepPrinter(asJSON)); err != nil {
			return err
		}
		return measureModel(cmd.Context(), args[0], asJSON)
	}
	return cmd
}

// stepPrinter reports training steps, for people twenty steps at a time.
func stepPrinter(asJSON bool) func(train.Step) error {
	begin, tokens := time.Now(), 0
	return func(p train.Step) error {
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(p)
		}
		tokens += p.Tokens
		if p.Step%20 != 0 && p.Step != p.Steps {
			return nil
		}
		spent := time.Since(begin)
		left := spent / time.Duration(p.Step) * time.Duration(p.Steps-p.Step)
		_, err := fmt.Printf("step %d of %d  loss %.4f  rate %.2g  %.0f tokens/s  %s left\n", p.Step, p.Steps, p.Loss, p.Rate, float64(tokens)/spent.Seconds(), left.Round(time.Second))
		return err
	}
}

// measureModel asks a model directory the held-out questions and prints what it knows.
func measureModel(ctx context.Context, dir string, asJSON bool) error {
	model, err := engine.LoadModel(dir, "")
	if err != nil {
		return err
	}
	e, err := engine.New(model, engine.Config{})
	if err != nil {
		return err
	}
	defer e.Close()
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { stop(); <-done }()
	for _, group := range []demo.Group{demo.Heldout, demo.Demo} {
		q, err := pretrain.Evaluate(ctx, e, group)
		if err != nil {
			return err
		}
		if asJSON {
			if err := json.NewEncoder(os.Stdout).Encode(struct {
				Group string `json:"group"`
				pretrain.Quality
			}{group.String(), q}); err != nil {
				return err
			}
			continue
		}
		fmt.Printf("%s questions: %.1f %% of %d answered with the right fact\n", group, 100*q.Facts, q.Asked)
		if q.Foreign > 0 {
			fmt.Printf("%s questions about other things: %.1f %% of %d refused\n", group, 100*q.Refusals, q.Foreign)
		}
		for _, x := range q.Examples {
			fmt.Println("  wrong:", x)
		}
	}
	return nil
}
