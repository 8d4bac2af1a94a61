package main

import (
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/registry"
	"nightshift/internal/retention"
)

// nightMatrix shows what the versions of a track know of what its nights learned.
func nightMatrix(s *app.Flags) *cobra.Command {
	var asJSON bool
	var track string
	cmd := &cobra.Command{Use: "matrix", Short: "Show what each version of a track knows of what its nights learned, and what was forgotten"}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().StringVar(&track, "track", registry.Default, "track")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := s.OpenRegistry(cmd)
		if err != nil {
			return err
		}
		if err := r.FindTrack(track); err != nil {
			return err
		}
		report, err := retention.Read(r, track)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(os.Stdout).Encode(report)
		}
		return report.Table(os.Stdout)
	}
	return cmd
}
