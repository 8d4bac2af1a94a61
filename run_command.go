package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/nightrecord"
	"nightshift/serve"
	"nightshift/update"
)

// Where a server's nights are run, as /v1/status tells it.
const (
	updaterInside = "in-process"
	updaterRemote = "remote"
	updaterNone   = "none"
)

func runCommand(s *settings) *cobra.Command {
	return &cobra.Command{Use: "run", Short: "Serve and learn in one process",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := s.open(cmd, roleServe)
			if err != nil {
				return err
			}
			updater, err := p.updater(update.Deps{})
			if err != nil {
				return closing(p, err)
			}
			return closing(p, p.serve(cmd.Context(), updaterInside, updater.Plan, updater.Run))
		}}
}

func serveCommand(s *settings) *cobra.Command {
	return &cobra.Command{Use: "serve", Short: "Serve; an update process beside it learns (over Redis)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := s.open(cmd, roleServe)
			if err != nil {
				return err
			}
			if p.config.Store.Kind == "local" {
				p.log.Warn("nobody learns from this server: a local store has one process; use the command run, or store.kind redis and the command update")
				return closing(p, p.serve(cmd.Context(), updaterNone, nil, nil))
			}
			updater, err := p.updater(update.Deps{}) // looks at what nights would find, and runs none
			if err != nil {
				return closing(p, err)
			}
			return closing(p, p.serve(cmd.Context(), updaterRemote, elsewhere(updater.Plan), nil))
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

// serve runs the server, and beside it what else is given, until ctx is done.
func (p *parts) serve(ctx context.Context, updater string, plan serve.Plan, beside func(context.Context) error) error {
	server, engine, err := p.server(updater, plan)
	if err != nil {
		return err
	}
	defer engine.Close()
	outer := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return p.announce(ctx, server) })
	if beside != nil {
		group.Go(func() error { return beside(ctx) })
	}
	err = quiet(outer, group.Wait())
	if gone := os.Remove(addressFile(p.config)); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		p.log.Warn("remove the address file", "error", gone)
	}
	return err
}

// announce waits until the server is ready, then says where it is: to people on standard output, to other commands in
// the data directory.
func (p *parts) announce(ctx context.Context, server *serve.Server) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if reasons, _ := server.Ready(ctx); len(reasons) == 0 && server.Address() != "" {
			break
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	url := "http://" + server.Address()
	if err := (address{URL: url, PID: os.Getpid()}).write(addressFile(p.config)); err != nil {
		return fmt.Errorf("write the address file: %w", err)
	}
	fmt.Printf("nightshift is ready\n  API      %s/v1\n  console  %s/\n  docs     %s/docs\n  data     %s\n", url, url, url, p.config.Data)
	return nil
}
