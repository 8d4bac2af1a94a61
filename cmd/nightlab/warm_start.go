package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
	"nightshift/lab/continual"
	"nightshift/update/train"
)

func warmStartCommand(s *app.Flags) *cobra.Command {
	opt := continual.DefaultWarmStart()
	var dir string
	var asJSON bool
	cmd := &cobra.Command{Use: "warm-start", Short: "How many steps a warm start saves a new track",
		Long: "Make warm starts (Reptile) of tracks that learn facts of five domains, on the model of nightlab continual, and have new tracks learn\n" +
			"other facts: from a warm start, and from zero. Each row is a number of steps, the right answers after them to questions in new words,\n" +
			"and in how many steps from the warm start as many were right. What was measured is kept: a benchmark that is interrupted goes on.\n\n" +
			"It took 17 minutes on two cores that did other things as well; the first time the model is made besides."}
	f := cmd.Flags()
	f.IntVar(&opt.Seeds, "seeds", opt.Seeds, "warm starts of all domains, and as many that one domain did not give to")
	f.IntVar(&opt.Rounds, "rounds", opt.Rounds, "rounds in which one is made")
	f.IntVar(&opt.Each, "steps", opt.Each, "steps of a track in a round")
	f.Float64Var(&opt.Share, "share", opt.Share, "part of the way that the first round goes")
	f.BoolVar(&opt.Tuning, "tune", false, "measure with the facts and phrasings by which the defaults of the three were chosen, not with those of the results")
	f.IntVar(&opt.Workers, "workers", runtime.GOMAXPROCS(0), "warm starts at a time, each on one thread; no figure depends on it")
	f.StringVar(&dir, "dir", "", "where records are kept (default: in the cache)")
	f.BoolVar(&asJSON, "json", false, "the figures as JSON, steps_ratio last")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, cache, err := bench.Load(s, cmd)
		if err != nil {
			return err
		}
		if dir == "" {
			dir = filepath.Join(cache, "continual", "warm-start")
		}
		return measureWarmStart(cmd.Context(), opt, cache, dir, asJSON)
	}
	return cmd
}

// measureWarmStart makes the model where it must, measures what is not measured yet, and prints the figures.
func measureWarmStart(ctx context.Context, opt continual.WarmStart, cache, dir string, asJSON bool) error {
	var err error
	opt.Model, err = continual.OpenModel(ctx, cache, continual.DefaultRecipe(), func(p train.Step) error {
		if p.Step%100 == 0 || p.Step == p.Steps {
			fmt.Fprintf(os.Stderr, "make the model: step %d of %d, loss %.3f\n", p.Step, p.Steps, p.Loss)
		}
		return nil
	})
	if err != nil {
		return err
	}
	begin := time.Now()
	opt.Report = func(done, total int, r continual.WarmStartRecord) {
		of := "all domains"
		if r.Apart != "" {
			of = "all domains but " + r.Apart
		}
		fmt.Fprintf(os.Stderr, "warm start %d of %d: %s, seed %d; %s\n", done, total, of, r.Seed+1, time.Since(begin).Round(time.Second))
	}
	records, err := opt.Run(ctx, dir)
	if err != nil {
		return err
	}
	if asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", " ")
		return out.Encode(opt.Results(records))
	}
	fmt.Println("New tracks of all domains, right answers with 95 % intervals over domains and seeds:")
	if err := opt.SummarizeWarmStart(records, false).Table(os.Stdout, opt.Steps); err != nil {
		return err
	}
	fmt.Println("\nNew tracks of a domain that no track gave to the warm start:")
	return opt.SummarizeWarmStart(records, true).Table(os.Stdout, opt.Steps)
}
