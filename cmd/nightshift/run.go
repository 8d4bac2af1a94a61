package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/nightrecord"
	"nightshift/serve"
	"nightshift/update"
	"nightshift/update/night"
)

// Where a server's nights are run, as /v1/status tells it.
const (
	updaterInside = "in-process"
	updaterRemote = "remote"
	updaterNone   = "none"
)

func runCommand(s *app.Flags) *cobra.Command {
	return &cobra.Command{Use: "run", Short: "Serve and learn in one process",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := s.Open(cmd, app.Serving)
			if err != nil {
				return err
			}
			nights, err := p.NewNights(night.Deps{})
			if err != nil {
				return p.Closing(err)
			}
			return p.Closing(p.Serve(cmd.Context(), updaterInside, nights.Plan, update.New(nights).Run))
		}}
}

func serveCommand(s *app.Flags) *cobra.Command {
	return &cobra.Command{Use: "serve", Short: "Serve; an update process beside it learns (over Redis)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := s.Open(cmd, app.Serving)
			if err != nil {
				return err
			}
			if p.Config.Store.Kind == "local" {
				p.Log.Warn("nobody learns from this server: a local store has one process; use the command run, or store.kind redis and the command update")
				return p.Closing(p.Serve(cmd.Context(), updaterNone, nil, nil))
			}
			nights, err := p.NewNights(night.Deps{}) // to look at what they would find; none is run
			if err != nil {
				return p.Closing(err)
			}
			return p.Closing(p.Serve(cmd.Context(), updaterRemote, elsewhere(nights.Plan), nil))
		}}
}

// elsewhere is a plan of nights that another process runs, which may be configured otherwise.
func elsewhere(plan serve.Plan) serve.Plan {
	return func(ctx context.Context, track string) (nightrecord.Plan, error) {
		p, err := plan(ctx, track)
		p.Sentences = append(slices.Clip(p.Sentences), "This is by this server's configuration; nights are run by another process, with its own.")
		return p, err
	}
}
