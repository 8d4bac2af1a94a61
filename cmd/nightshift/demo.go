package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/engine"
	"nightshift/internal/walkthrough"
	"nightshift/models/demo"
	"nightshift/update/pretrain"
	"nightshift/update/train"
)

func demoCommand(s *app.Settings) *cobra.Command {
	opt := walkthrough.Options{Out: os.Stdout}
	var asJSON, keep bool
	cmd := &cobra.Command{Use: "demo", Short: "See the whole loop on the model that ships: ask, correct, learn, swap, ask again, roll back"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as one last line of JSON")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the directory with configuration, data and the server's log")
	cmd.Flags().IntVar(&opt.Streams, "streams", 4, "streams that keep running while versions are swapped")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := s.Load(cmd)
		if err != nil {
			return err
		}
		if err := app.OpenRuntime(cmd.Context(), c); err != nil { // fetched before the clock starts
			return err
		}
		return showDemo(cmd.Context(), opt, asJSON, keep)
	}
	cmd.AddCommand(demoModel(s))
	return cmd
}

// showDemo runs the walkthrough in a directory of its own, and fails when it shows less than it should.
func showDemo(ctx context.Context, opt walkthrough.Options, asJSON, keep bool) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	opt.Command = []string{self}
	if opt.Dir, err = os.MkdirTemp("", "nightshift-demo-"); err != nil {
		return fmt.Errorf("make the demo's directory: %w", err)
	}
	if asJSON {
		opt.Out = os.Stderr
	}
	fmt.Fprintf(opt.Out, "configuration, data and log are in %s\n", opt.Dir)
	result, err := walkthrough.Run(ctx, opt)
	if err != nil {
		return err
	}
	fmt.Fprintln(opt.Out)
	if err := result.Table(opt.Out); err != nil {
		return err
	}
	if asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			return err
		}
	}
	if len(result.Failures) > 0 {
		return fmt.Errorf("the demo fell short: %s (see %s)", strings.Join(result.Failures, "; "), opt.Dir)
	}
	if keep {
		return nil
	}
	return os.RemoveAll(opt.Dir)
}

// demoModel trains the model that ships.
func demoModel(s *app.Settings) *cobra.Command {
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
