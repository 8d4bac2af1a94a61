package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/serve"
	"nightshift/update"
)

// Serve runs the server, and beside it what else is given, until ctx is done.
func (p *Parts) Serve(ctx context.Context, updater string, plan serve.Plan, beside func(context.Context) error) error {
	server, engine, err := p.NewServer(updater, plan)
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
	if gone := os.Remove(AddressFile(p.Config)); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		p.Log.Warn("remove the address file", "error", gone)
	}
	return err
}

// announce waits until the server is ready, then says where it is: to people on standard output, to other commands in
// the data directory.
func (p *Parts) announce(ctx context.Context, server *serve.Server) error {
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
	if err := (Address{URL: url, PID: os.Getpid()}).Write(AddressFile(p.Config)); err != nil {
		return fmt.Errorf("write the address file: %w", err)
	}
	fmt.Printf("nightshift is ready\n  API      %s/v1\n  console  %s/\n  docs     %s/docs\n  data     %s\n", url, url, url, p.Config.Data)
	return nil
}

// Learn runs the updater until ctx is done, and sends what commands beside it could not.
func (p *Parts) Learn(ctx context.Context, updater *update.Updater) error {
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error { return updater.Run(inner) })
	group.Go(func() error { return shipSpares(inner, p.Config, p.Log) })
	return quiet(ctx, group.Wait())
}
