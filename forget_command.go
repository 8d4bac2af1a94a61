package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/serve"
	"nightshift/update"
)

func forgetCommand(s *settings) *cobra.Command {
	var subject string
	var asJSON bool
	cmd := &cobra.Command{Use: "forget --subject USER", Short: "Delete what a person said, everywhere, and list the versions that learned from it", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&subject, "subject", "", "the person, as the field user of requests names them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the result as JSON")
	if err := cmd.MarkFlagRequired("subject"); err != nil {
		panic(err) // the flag is two lines above
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := s.open(cmd, roleOnce)
		if err != nil {
			return err
		}
		return closing(p, p.forget(cmd, subject, asJSON))
	}
	return cmd
}

// forget deletes a person from the store and from the selections of nights.
func (p *parts) forget(cmd *cobra.Command, user string, asJSON bool) error {
	report, err := p.store.Forget(cmd.Context(), serve.Subject(p.secret, user))
	if err != nil {
		return err
	}
	traces, err := update.Forget(p.registry, report)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(struct {
			Store  any `json:"store"`
			Traces any `json:"traces"`
		}{report, traces})
	}
	fmt.Printf("deleted %d interactions, %d pieces of feedback, %d rehearsed examples, and %d examples of %d nights\n",
		report.Interactions, report.Feedback, report.MemoryItems, traces.Examples, len(traces.Nights))
	if len(traces.Versions) == 0 {
		fmt.Println("no version learned from them")
		return nil
	}
	names := make([]string, len(traces.Versions))
	for i, v := range traces.Versions {
		names[i] = v.String()
	}
	fmt.Printf("these versions learned from them: %s\n", strings.Join(names, ", "))
	return nil
}
