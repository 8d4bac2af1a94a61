package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/lab/seasons"
)

func correctionsCommand(s *app.Flags) *cobra.Command {
	n := nightsFlags{model: true}
	var c seasons.Corrections
	cmd := &cobra.Command{Use: "corrections", Short: "A few corrections and a night, fact by fact", Args: cobra.NoArgs,
		Long: "Ask a question about a fact of the demo shop, correct its answer as an editor does, run a night, and ask again: the same question, others\n" +
			"about the same fact that nobody used, and two about each other fact. With --people so many customers correct 20 answers about two facts\n" +
			"at a time instead. Each night has an installation of its own. Settings are the configuration's; run it without one for the\n" +
			"defaults. --model may name another model that was trained on the shop's corpus. Exit status 1: a night published nothing, more than a\n" +
			"fifth of the questions about the fact (of people: a tenth) are answered otherwise, or an answer about another fact was lost (of\n" +
			"people: more than one in a hundred)."}
	f := cmd.Flags()
	f.BoolVar(&n.json, "json", false, "one JSON object a line")
	f.IntVar(&n.threads, "night-threads", 0, "threads of one night (0: all)")
	f.IntVar(&c.Facts, "facts", 10, "facts to correct, one a night, or with --people two")
	f.IntVar(&c.People, "people", 0, "customers who correct (0: an editor)")
	f.Uint64Var(&c.Seed, "seed", 1, "chooses facts, values, questions and words")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if c.Setup, err = n.setup(s, cmd); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Clerk.Close()) }()
		c.Tell = func(done, total int, x seasons.Corrected) {
			fmt.Fprintf(os.Stderr, "night %d of %d: %s: %s (%d of %d other phrasings right, %d others lost, %.0f s)\n",
				done, total, x, x.State, x.Right, x.Others, len(x.Lost), x.Seconds)
		}
		list, err := c.Run(cmd.Context())
		if err != nil {
			return err
		}
		var fell []string
		for _, x := range list {
			if why := x.Fell(); why != "" {
				fell = append(fell, why)
			}
			if n.json {
				if err := json.NewEncoder(os.Stdout).Encode(x); err != nil {
					return err
				}
			}
		}
		if !n.json {
			if err := seasons.CorrectionsTable(os.Stdout, list); err != nil {
				return err
			}
		}
		if len(fell) > 0 {
			return errors.New(strings.Join(fell, "; "))
		}
		return nil
	}
	return cmd
}
