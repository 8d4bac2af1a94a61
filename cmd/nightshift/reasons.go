package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"nightshift/internal/registry"
	"nightshift/update/history"
	"nightshift/update/selection"
)

// unusedStates are what can become of what a night does not use, in the order in which it is listed.
var unusedStates = []string{"waits", "rejected", "retired"}

// stateOf says what became of something that is not used.
func stateOf(r selection.Reason) string {
	switch {
	case r.Of != "":
		return "retired"
	case r.Waits:
		return "waits"
	}
	return "rejected"
}

// reasons lists why a night does not use what it had: what waits first, then what is rejected, then what is retired.
func reasons(r *registry.Registry, night string) ([]selection.Reason, error) {
	list, err := history.Reasons(r, night)
	if err != nil {
		return nil, fmt.Errorf("explain night %s: %w", night, err)
	}
	slices.SortStableFunc(list, func(a, b selection.Reason) int {
		return cmp.Compare(slices.Index(unusedStates, stateOf(a)), slices.Index(unusedStates, stateOf(b)))
	})
	return list, nil
}

// printReasons prints a list of reasons for people.
func printReasons(out io.Writer, list []selection.Reason) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "the night used all that it had")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\n", stateOf(r), r.ID, r.Why)
	}
	return table.Flush()
}
