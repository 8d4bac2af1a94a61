package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/nightrecord"
)

// nightList lists the nights, the newest first.
func nightList(s *app.Flags) *cobra.Command {
	var asJSON bool
	var track string
	var limit int
	cmd := &cobra.Command{Use: "list", Short: "List the nights, the newest first"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one record as JSON a line")
	cmd.Flags().StringVar(&track, "track", "", "only the nights of this track")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		if track != "" {
			if err := r.FindTrack(track); err != nil {
				return err
			}
		}
		if limit < 1 {
			return fmt.Errorf("--limit: want at least 1, not %d", limit)
		}
		ids, err := r.ListNights()
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
		if !asJSON {
			fmt.Fprintln(t, "night\ttrack\tstate\tstarted\treason")
		}
		for _, id := range slices.Backward(ids) {
			n, _, err := readNight(r, id)
			if err != nil || track != "" && n.Track != track {
				continue // a directory without a record, or with a damaged one: night show tells
			}
			if err := listNight(t, n, asJSON); err != nil {
				return err
			}
			if limit--; limit == 0 {
				break
			}
		}
		return t.Flush()
	}
	return cmd
}

// listNight prints a night as a line.
func listNight(t *tabwriter.Writer, n nightrecord.Night, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(n)
	}
	_, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.80s\n", n.ID, n.Track, n.State, n.Started.Format("2006-01-02 15:04"), n.Reason)
	return err
}
