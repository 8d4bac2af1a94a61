package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nightshift/replaystore"
)

// spares is the directory below a store's own in which the journals lie that OpenSpare made, one directory each.
const spares = "spares"

// OpenSpare opens the store with a journal of its own below cfg.Dir, for a command that runs while another process has the
// one in cfg.Dir (ErrInUse). It costs nothing to leave it behind: ShipSpares ships and removes it.
func OpenSpare(ctx context.Context, cfg Config) (*Store, error) {
	for {
		s, err := openSpare(ctx, cfg)
		if !errors.Is(err, ErrInUse) { // ShipSpares came in between making its directory and locking it
			return s, err
		}
	}
}

func openSpare(ctx context.Context, cfg Config) (*Store, error) {
	cfg, own, err := spareOf(cfg, replaystore.NewID())
	if err != nil {
		return nil, fmt.Errorf("open spare journal: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spare journal: %w", err)
	}
	// The store's secret is known here, so that the command also works while Redis is down.
	if _, err := os.Stat(own); err == nil {
		secret, err := replaystore.LoadSecret(own, nil)
		if err == nil {
			_, err = replaystore.LoadSecret(filepath.Join(cfg.Dir, "secret"), secret)
		}
		if err != nil {
			return nil, fmt.Errorf("open spare journal: %w", err)
		}
	}
	return Open(ctx, cfg)
}

// ShipSpares ships what is in the spares below cfg.Dir: of commands that were killed, or that ended while Redis was down. A
// spare whose command still runs is left alone. One that is shipped stays for twice the re-send window, for Redis may yet
// lose what it took, and is then removed. Only the process that has cfg.Dir's own journal may call it.
func ShipSpares(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return fmt.Errorf("ship spare journals: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(cfg.Dir, spares))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ship spare journals: %w", err)
	}
	var failed error
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("ship spare journals: %w", err)
		}
		spare, _, err := spareOf(cfg, e.Name())
		if err == nil {
			err = shipSpare(ctx, spare)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("ship spare journal %s: %w", spare.Dir, err))
		}
	}
	return failed
}

// spareOf is the configuration of the spare with a name, and the file of the store's secret.
func spareOf(cfg Config, name string) (spare Config, secret string, err error) {
	if cfg.Dir == "" {
		return cfg, "", errors.New("give a directory for the local journal")
	}
	secret = filepath.Join(cfg.Dir, "secret")
	cfg.Dir, cfg.Server = filepath.Join(cfg.Dir, spares, name), ""
	return cfg, secret, nil
}

func shipSpare(ctx context.Context, cfg Config) error {
	s, err := Open(ctx, cfg)
	if errors.Is(err, ErrInUse) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, shipTime)
	defer cancel()
	if err := s.Sync(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	last, err := lastWrite(filepath.Join(cfg.Dir, "journal"))
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if cfg.Now().Sub(last) < 2*cfg.Resend {
		return nil
	}
	return os.RemoveAll(cfg.Dir)
}

// shipTime is how long one spare may take to be shipped before the next is tried.
const shipTime = 30 * time.Second

// lastWrite is when a file of a directory was last written.
func lastWrite(dir string) (time.Time, error) {
	var last time.Time
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return last, err
		}
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last, err
}
