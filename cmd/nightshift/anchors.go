package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nightshift/internal/anchors"
	"nightshift/internal/app"
	"nightshift/internal/engine"
)

// anchorsCommand shows what there is, by kind of question.
func anchorsCommand(s *app.Flags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "anchors", Short: "Show what a model must not forget, its anchors and its starter memory, by kind and origin",
		Long: "Show what a model must not forget: examples that measure it (anchors.jsonl) and examples that nights rehearse\n(rehearsal.jsonl). A model that brings none answers questions that ship with the program; its first night sees to it."}
	cmd.AddCommand(anchorsMake(s))
	cmd.Flags().BoolVar(&asJSON, "json", false, "the table as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, place, _, err := openPlace(s, cmd)
		if err != nil {
			return err
		}
		state, _, err := place.Look()
		if err != nil {
			return err
		}
		rows, err := place.Kinds()
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(struct {
				State anchors.State  `json:"state"`
				Kinds []anchors.Kind `json:"kinds"`
			}{state, rows})
		}
		if err := printKinds(os.Stdout, rows); err != nil {
			return err
		}
		_, err = fmt.Println(stateWords[state])
		return err
	}
	return cmd
}

// stateWords say what follows from what there is.
var stateWords = map[anchors.State]string{
	anchors.Missing:  "the model has no anchors: nightshift anchors make makes them, or the first night",
	anchors.Theirs:   "the anchors were brought along, and are not made again",
	anchors.Current:  "made of the model's own answers",
	anchors.Outdated: "made of the answers of another model or chat template: nightshift anchors make makes them anew, or the next night",
	anchors.More:     "made of the model's own answers; questions have changed since: nightshift anchors make answers the new ones",
}

// printKinds prints the table for people.
func printKinds(out io.Writer, rows []anchors.Kind) error {
	t := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "kind\tanchors\trehearsed\tfrom")
	for _, k := range rows {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", k.Name, k.Anchors, k.Rehearsal, k.From)
	}
	return t.Flush()
}

// anchorsMake has the model answer questions, those of a file besides.
func anchorsMake(s *app.Flags) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "make", Short: "Have the model answer questions, and keep its answers as anchors and starter memory",
		Long: "Have the model answer questions, and keep its answers as anchors and starter memory. Those that it has answered are not asked again, unless\nthe model has changed. --questions adds questions of your own for good: one a line, as text or as {\"messages\": [...]}; a line such as\n[returns] names the kind of those below it."}
	cmd.Flags().StringVar(&file, "questions", "", "file of questions to add, one a line: text, or {messages}")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, place, m, err := openPlace(s, cmd)
		if err != nil {
			return err
		}
		if _, err := place.Plan(); err != nil { // before anything is written
			return err
		}
		if file != "" {
			list, err := anchors.ReadQuestions(file)
			if err != nil {
				return err
			}
			added, err := place.AddQuestions(list)
			if err != nil {
				return err
			}
			fmt.Printf("%d questions of %s are new\n", added, file)
		}
		record, err := makeAnchors(cmd, c, place, m)
		if err != nil {
			return err
		}
		_, err = fmt.Printf("%s, in %s\n", record.Sentence(), place.Where())
		return err
	}
	return cmd
}

// openPlace loads the configuration's model, and where its anchors are.
func openPlace(s *app.Flags, cmd *cobra.Command) (app.Config, anchors.Place, *engine.Model, error) {
	c, err := s.Load(cmd)
	if err != nil {
		return c, anchors.Place{}, nil, err
	}
	dir, cache, err := app.ModelDir(c)
	if err != nil {
		return c, anchors.Place{}, nil, err
	}
	m, err := engine.LoadModelAs(dir, cache, c.Weights)
	if err != nil {
		return c, anchors.Place{}, nil, err
	}
	return c, c.Anchors(dir, m), m, nil
}

// makeAnchors has a model answer what it has not answered yet.
func makeAnchors(cmd *cobra.Command, c app.Config, place anchors.Place, m *engine.Model) (anchors.Record, error) {
	if err := app.OpenRuntime(cmd.Context(), c); err != nil {
		return anchors.Record{}, err
	}
	show := stagePrinter()
	return place.Make(cmd.Context(), m, anchors.Options{Threads: c.Threads, Progress: func(done, total int) { show("answer questions", done, total) }})
}
