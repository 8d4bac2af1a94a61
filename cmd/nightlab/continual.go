package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/bench"
	"nightshift/lab/continual"
	"nightshift/update/train"
)

// continualFlags are those of nightlab continual.
type continualFlags struct {
	quick, json bool
	preset, dir string
	methods     []string
	workers     int
	article     continual.Article
}

// ofArticle are the flags that --preset article has and the benchmark has not.
var ofArticle = []string{"memory", "epochs", "batch", "learning-rate", "seed"}

func continualCommand(s *app.Flags) *cobra.Command {
	f := continualFlags{article: continual.DefaultArticle()}
	cmd := &cobra.Command{Use: "continual", Short: "What methods of continual learning keep and learn, on five tasks and a stream",
		Long: "Take methods of continual learning through five tasks one after another, and through a stream of feedback of which a tenth is\n" +
			"wrong, on a small model that is made for it first, with equal optimizer steps and tokens. Everything that was measured is kept: a\n" +
			"benchmark that is interrupted goes on where it was. It writes a report (report.html), figures (results.json) and the matrices of all\n" +
			"runs (runs.jsonl).\n\n" +
			"The whole benchmark takes an hour or two on two cores. --quick has the tasks alone, two orders with one seed, two thirds of the steps, a\n" +
			"smaller exam and settings that are not tuned: it is for a look, its intervals are wide. --preset article is the smallest example of\n" +
			"rehearsal: two tasks, and ten samples of the first one in every batch of the second."}
	flags := cmd.Flags()
	flags.BoolVar(&f.quick, "quick", false, "a first look within ten minutes")
	flags.StringVar(&f.preset, "preset", "", "article: two tasks and a memory of ten samples")
	flags.BoolVar(&f.json, "json", false, "one JSON object a run, the figures last")
	flags.StringVar(&f.dir, "dir", "", "where records and report are kept (default: in the cache)")
	flags.StringSliceVar(&f.methods, "methods", nil, "only these, and naive and joint; by default all: "+strings.Join(methodKeys(), ", "))
	flags.IntVar(&f.workers, "workers", runtime.GOMAXPROCS(0), "runs at a time, each on one thread; no figure depends on it")
	flags.IntVar(&f.article.Memory, "memory", f.article.Memory, "of --preset article: samples of the first task")
	flags.IntVar(&f.article.Epochs, "epochs", f.article.Epochs, "of --preset article: of each task")
	flags.IntVar(&f.article.Batch, "batch", f.article.Batch, "of --preset article: new samples of a step")
	flags.Float64Var(&f.article.Rate, "learning-rate", f.article.Rate, "of --preset article: of Adam, constant")
	flags.Uint64Var(&f.article.Seed, "seed", f.article.Seed, "of --preset article")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, name := range ofArticle {
			if f.preset == "" && flags.Changed(name) {
				return fmt.Errorf("--%s belongs to --preset article", name)
			}
		}
		if f.preset != "" && f.preset != "article" {
			return fmt.Errorf("preset %q is not known: use article", f.preset)
		}
		_, cache, err := bench.Load(s, cmd)
		if err != nil {
			return err
		}
		if f.preset == "article" {
			return f.runArticle(cmd, cache)
		}
		return f.run(cmd, cache)
	}
	return cmd
}

func methodKeys() []string {
	var keys []string
	for _, m := range continual.Methods() {
		keys = append(keys, m.Key)
	}
	return keys
}

// run is the benchmark.
func (f *continualFlags) run(cmd *cobra.Command, cache string) error {
	opt, name := continual.Full(), "full"
	if f.quick {
		opt, name = continual.Quick(), "quick"
	}
	for _, key := range f.methods {
		if !slices.Contains(methodKeys(), key) {
			return fmt.Errorf("method %q is not known: choose of %s", key, strings.Join(methodKeys(), ", "))
		}
	}
	if len(f.methods) > 0 {
		opt.Methods = slices.DeleteFunc(opt.Methods, func(m continual.Method) bool {
			return m.Name != continual.Naive && m.Name != continual.Joint && !slices.Contains(f.methods, m.Key)
		})
	}
	opt.Workers = f.workers
	if f.dir == "" {
		f.dir = filepath.Join(cache, "continual", name)
	}
	b := continual.Bench{Options: opt, Recipe: continual.DefaultRecipe(), CacheDir: cache, Dir: f.dir, Progress: os.Stderr}
	report, err := b.Run(cmd.Context())
	if err != nil {
		return err
	}
	if f.json {
		lines := json.NewEncoder(os.Stdout)
		for _, r := range report.Records {
			r.Curve = nil
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return lines.Encode(report.Results())
	}
	for _, s := range report.Summaries {
		if err := s.Table(os.Stdout); err != nil {
			return err
		}
		fmt.Println()
	}
	for _, line := range report.Results().Advice {
		fmt.Println(line)
	}
	fmt.Printf("\nreport: %s\n", filepath.Join(f.dir, continual.ReportFile))
	return nil
}

// runArticle is the smallest example.
func (f *continualFlags) runArticle(cmd *cobra.Command, cache string) error {
	progress := func(s train.Step) error {
		if s.Step%100 == 0 || s.Step == s.Steps {
			fmt.Fprintf(os.Stderr, "step %d of %d, loss %.3f\n", s.Step, s.Steps, s.Loss)
		}
		return nil
	}
	model, err := continual.OpenModel(cmd.Context(), cache, continual.DefaultRecipe(), progress)
	if err != nil {
		return err
	}
	result, err := f.article.Run(cmd.Context(), model, continual.DefaultSizes(), progress)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(os.Stdout).Encode(result.Results())
	}
	fmt.Printf("Mean loss in nats per token of answers to questions in new words; %d steps a task, a memory of %d samples:\n\n", result.Steps, f.article.Memory)
	out := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
	fmt.Fprintf(out, "\t%s\t%s\tboth\n", result.Tasks[0], result.Tasks[1])
	for _, row := range []struct {
		name   string
		losses continual.Losses
	}{
		{"before", result.Before}, {"after the first task", result.Middle},
		{"after the second, without memory", result.Naive}, {"after the second, with memory", result.After},
	} {
		fmt.Fprintf(out, "%s\t%.3f\t%.3f\t%.3f\n", row.name, row.losses.First, row.losses.Second, row.losses.Mean)
	}
	return out.Flush()
}
