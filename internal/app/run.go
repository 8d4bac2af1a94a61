package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/telemetry"
	"nightshift/serve"
	"nightshift/serve/api"
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

// Lend runs a server for the time of use, on an address and with a key that only use knows: what commands ask a server they ask this one
// where none runs on the data directory. Nobody learns beside it.
func (p *Parts) Lend(ctx context.Context, use func(ctx context.Context, at Address) error) error {
	private := *p
	key := rand.Text()
	private.Config.Listen, private.Config.Keys = "127.0.0.1:0", []api.Key{{Name: "command", Key: key, Roles: []string{"admin"}}}
	var err error
	if private.Log, err = telemetry.Log(os.Stderr, "warn", p.Config.Log.Format); err != nil {
		return err
	}
	server, engine, err := private.NewServer("none", nil)
	if err != nil {
		return err
	}
	defer engine.Close()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	group, inner := errgroup.WithContext(inner)
	group.Go(func() error { return server.Run(inner) })
	group.Go(func() error {
		defer stop()
		if !ready(inner, server) {
			return inner.Err()
		}
		return use(inner, Address{URL: "http://" + server.Address(), PID: os.Getpid(), Key: key})
	})
	return group.Wait()
}

// ready waits until a server answers; false says that ctx ended before.
func ready(ctx context.Context, server *serve.Server) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if reasons, _ := server.Ready(ctx); len(reasons) == 0 && server.Address() != "" {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// announce waits until the server is ready, then says where it is: to people on standard output, to other commands in
// the data directory.
func (p *Parts) announce(ctx context.Context, server *serve.Server) error {
	if !ready(ctx, server) {
		return nil // it was asked to stop
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
