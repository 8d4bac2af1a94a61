package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/app"
	"nightshift/internal/cli"
	"nightshift/lab/seasons"
	"nightshift/update/work"
)

// nightsFlags are those of benchmarks of whole nights.
type nightsFlags struct {
	dir     string
	json    bool
	limit   int
	threads int
	model   bool // another model than the one that ships may be named
}

func (n *nightsFlags) add(cmd *cobra.Command, dir string) {
	f := cmd.Flags()
	f.StringVar(&n.dir, "dir", dir, "directory of the records; a benchmark that was interrupted goes on from them")
	f.BoolVar(&n.json, "json", false, "one JSON object a line, the summary last")
	f.IntVar(&n.limit, "limit", 0, "end after so many nights, unfinished; the next run goes on (0: run all)")
	f.IntVar(&n.threads, "night-threads", 1, "threads of one night")
}

// setup opens the model that ships and prepares nights with the configuration's settings. The clerk must be closed.
func (n *nightsFlags) setup(s *app.Flags, cmd *cobra.Command) (seasons.Setup, error) {
	var none seasons.Setup
	c, err := s.Load(cmd)
	if err != nil {
		return none, err
	}
	if c.Model != "" && !n.model {
		return none, errors.New("the simulated customers know the facts of the model that ships: leave model empty")
	}
	c.Threads, c.Update.Threads, c.Update.Nice = n.threads, n.threads, 0
	p := &app.Parts{Config: c}
	if err := p.OpenModel(cmd.Context()); err != nil {
		return none, err
	}
	self, err := os.Executable()
	if err != nil {
		return none, fmt.Errorf("find this program: %w", err)
	}
	clerk, err := seasons.NewClerk(p.Model, n.threads)
	if err != nil {
		return none, err
	}
	return seasons.Setup{Model: p.Model, Update: p.NightConfig(), Clerk: clerk, Work: []string{self, "work"}, Log: slog.New(slog.DiscardHandler)}, nil
}

func gateCommand(s *app.Flags) *cobra.Command {
	var n nightsFlags
	trial := seasons.Trial{Sizes: seasons.DefaultSizes()}
	var good, bad int
	cmd := &cobra.Command{Use: "gate", Short: "The gate on nights that are known to be good or bad",
		Long: "Run real nights over simulated customers of the demo shop, whose candidates are known to be good or bad, and count what the gate\n" +
			"lets pass. Bad are those that learned shuffled answers, whose training broke off, whose weights were scaled by ten or hold what is\n" +
			"no number, and those of nights in which one person plants lies. Of shuffled answers and lies a candidate counts as passed when it is\n" +
			"activated and tells one to any question that nobody had asked. Settings are the configuration's; run it without one for the defaults. Exit status 1: fewer than nine tenths of the good candidates passed, or a bad one did."}
	n.add(cmd, "bench-gate")
	f := cmd.Flags()
	f.IntVar(&good, "good", 100, "good candidates")
	f.IntVar(&bad, "bad", 25, "bad candidates of each of the five kinds")
	f.IntVar(&trial.Sizes.Facts, "facts", trial.Sizes.Facts, "facts that change in a night")
	f.IntVar(&trial.Sizes.People, "people", trial.Sizes.People, "customers who say something in a night")
	f.IntVar(&trial.Workers, "workers", 2, "nights at the same time")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if trial.Setup, err = n.setup(s, cmd); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, trial.Clerk.Close()) }()
		trial.Dir, trial.Limit = n.dir, n.limit
		trial.Counts = map[string]int{}
		for _, k := range seasons.Kinds() {
			trial.Counts[k] = bad
		}
		trial.Counts[seasons.Good] = good
		return n.gate(cmd.Context(), trial)
	}
	return cmd
}

// gate runs the trial and prints what came of it.
func (n *nightsFlags) gate(ctx context.Context, trial seasons.Trial) error {
	trial.Tell = func(done, total int, o seasons.Outcome) {
		fmt.Fprintf(os.Stderr, "night %d of %d: %s %s, seed %d: %s %s (%.0f %% of the changed facts right, %.0f s)\n",
			done, total, o.Kind, o.Variant, o.Seed, o.State, strings.Join(o.Refused, ", "), 100*o.Changed, o.Seconds)
	}
	list, finished, err := trial.Run(ctx)
	if err != nil {
		return err
	}
	r := seasons.NewResult(list)
	if n.json {
		out := json.NewEncoder(os.Stdout)
		for _, o := range list {
			if err := out.Encode(o); err != nil {
				return err
			}
		}
		if finished {
			err = out.Encode(r)
		}
	} else {
		err = r.Table(os.Stdout)
	}
	switch {
	case err != nil:
		return err
	case !finished:
		fmt.Fprintf(os.Stderr, "not finished: run it again with --dir %s to go on\n", n.dir)
		return cli.ExitCode(3)
	case len(r.Failures) > 0:
		return errors.New(strings.Join(r.Failures, "; "))
	}
	return nil
}

// workCommand is the child process of a night, whose candidate may be spoiled; people have no use for it.
func workCommand(s *app.Flags) *cobra.Command {
	var t seasons.Tampering
	cmd := &cobra.Command{Use: "work DIR", Short: "Do a night's work, with a spoiled candidate where flags say so (started by gate, nights and corrections)", Hidden: true}
	f := cmd.Flags()
	f.Float64Var(&t.Share, "share", 0, "of the steps after which training breaks off")
	f.Float64Var(&t.Scale, "scale", 0, "times what was trained")
	f.BoolVar(&t.NaN, "nan", false, "one weight is no number")
	f.StringVar(&t.Trained, "trained", "", "directory of a candidate to take in place of a trained one")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := s.Load(cmd)
		if err != nil {
			return err
		}
		if err := app.OpenRuntime(cmd.Context(), c); err != nil {
			return err
		}
		return work.RunHooked(cmd.Context(), args[0], t.Hook, os.Stdout)
	}
	return cmd
}

func nightsCommand(s *app.Flags) *cobra.Command {
	var n nightsFlags
	season := seasons.Season{Climate: seasons.DefaultClimate()}
	var count int
	var page string
	cmd := &cobra.Command{Use: "nights", Short: "Night after night over a shop whose facts change",
		Long: "Run night after night over simulated customers of the demo shop. Every few days some facts change; customers correct what is wrong and\n" +
			"approve what is right, a share of feedback is wrong and a share comes days later. After each night the champion is asked about the\n" +
			"facts that changed and those that never do, in words that no customer uses. Settings are the configuration's; run it without\n" +
			"one for the defaults. Exit status 1: fewer than 90 % of the changed facts are right the night after,\n" +
			"more than 3 points of the others are lost after any night, or a version went into service that lost more on the anchors than it may."}
	n.add(cmd, "bench-nights")
	f := cmd.Flags()
	f.IntVar(&season.Nights, "nights", 30, "nights of a season")
	f.IntVar(&count, "seasons", 2, "seasons, each with other facts and other people; they run at the same time")
	f.StringVar(&page, "page", "", "file of a page with drawings to write when all is done")
	c := &season.Climate
	f.IntVar(&c.Every, "every", c.Every, "days between two changes")
	f.IntVar(&c.Facts, "facts", c.Facts, "facts that change each time")
	f.IntVar(&c.Crowd, "crowd", c.Crowd, "people who come at all")
	f.IntVar(&c.People, "people", c.People, "of them on one day")
	f.IntVar(&c.Visits, "visits", c.Visits, "questions of each on a day")
	f.Float64Var(&c.Wrong, "wrong", c.Wrong, "share of feedback that is wrong")
	f.Float64Var(&c.Late, "late", c.Late, "share of feedback that comes one to three days later")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if season.Setup, err = n.setup(s, cmd); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, season.Clerk.Close()) }()
		season.Limit = n.limit
		all, finished, err := n.seasons(cmd.Context(), season, count)
		if err != nil {
			return err
		}
		return n.almanac(seasons.NewAlmanac(all), finished, page, strings.Join(append([]string{"nightlab"}, os.Args[1:]...), " "))
	}
	return cmd
}

// seasons runs seasons at the same time and returns their nights, one after the other.
func (n *nightsFlags) seasons(ctx context.Context, season seasons.Season, count int) (all []seasons.Entry, finished bool, err error) {
	lists, done := make([][]seasons.Entry, count), make([]bool, count)
	group, ctx := errgroup.WithContext(ctx)
	for i := range count {
		one := season
		one.Seed, one.Dir = uint64(i+1), filepath.Join(n.dir, fmt.Sprintf("season-%d", i+1))
		one.Tell = func(x seasons.Entry) {
			fmt.Fprintf(os.Stderr, "season %d, night %d of %d: %s %s (changed facts %.0f %%, unchanged facts %.1f %%, %.0f s)\n",
				i+1, x.Night, one.Nights, x.State, strings.Join(x.Refused, ", "), 100*x.New, 100*x.Steady, x.Seconds)
		}
		group.Go(func() (err error) {
			lists[i], done[i], err = one.Run(ctx)
			return err
		})
	}
	err = group.Wait()
	return slices.Concat(lists...), !slices.Contains(done, false), err
}

// almanac prints what seasons came to.
func (n *nightsFlags) almanac(a seasons.Almanac, finished bool, page, command string) error {
	if !n.json {
		if err := a.Table(os.Stdout); err != nil {
			return err
		}
	} else {
		out := json.NewEncoder(os.Stdout)
		for _, x := range a.All {
			if err := out.Encode(x); err != nil {
				return err
			}
		}
		if finished {
			if err := out.Encode(a); err != nil {
				return err
			}
		}
	}
	if !finished {
		fmt.Fprintf(os.Stderr, "not finished: run it again with --dir %s to go on\n", n.dir)
		return cli.ExitCode(3)
	}
	if page != "" {
		var b bytes.Buffer
		if err := a.HTML(&b, command); err != nil {
			return err
		}
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write the nights' page: %w", err)
		}
	}
	if len(a.Failures) > 0 {
		return errors.New(strings.Join(a.Failures, "; "))
	}
	return nil
}
