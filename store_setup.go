package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/config"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/redisstore"
)

// openStore opens the configured replay store and reads its secret. role keeps the journals of processes that share a
// data directory apart.
func openStore(ctx context.Context, c config.Config, role string, log *slog.Logger) (replaystore.Store, []byte, error) {
	var store replaystore.Store
	var err error
	dir := filepath.Join(c.Data, "store")
	if c.Store.Kind == "local" {
		store, err = localstore.Open(localstore.Config{Dir: dir, Log: log})
	} else {
		dir = filepath.Join(c.Data, "spool-"+role)
		store, err = openRedis(ctx, c, dir, log)
	}
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "secret")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errors.Join(fmt.Errorf("open the store: its secret is not known here yet, and Redis at %s cannot be reached; the first start needs it",
			strings.Join(c.Store.Redis.Addresses, ", ")), store.Close())
	}
	secret, err := replaystore.LoadSecret(file, nil)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, secret, nil
}

// openRedis opens the Redis store with its journal in dir.
func openRedis(ctx context.Context, c config.Config, dir string, log *slog.Logger) (replaystore.Store, error) {
	r := c.Store.Redis
	cfg := redisstore.Config{Addrs: r.Addresses, MasterName: r.Master, Cluster: r.Cluster, Username: r.Username, Password: r.Password, DB: r.Database,
		Prefix: r.Prefix, Timeout: r.Timeout, Dir: dir, Log: log}
	if r.TLS {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return redisstore.Open(ctx, cfg)
}

// examineStore says where the store is and whether it can be reached.
func examineStore(ctx context.Context, c config.Config) (string, error) {
	if c.Store.Kind == "local" {
		return "local files in " + filepath.Join(c.Data, "store"), nil
	}
	at := strings.Join(c.Store.Redis.Addresses, ", ")
	dir, err := os.MkdirTemp("", "nightshift-doctor-")
	if err != nil {
		return "", fmt.Errorf("look at Redis: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	store, err := openRedis(ctx, c, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer store.Close() //nolint:errcheck // nothing was written
	stats, err := store.Stats(ctx)
	if err != nil {
		return "", err
	}
	if stats.Degraded != "" {
		return "", fmt.Errorf("reach Redis at %s: %s", at, stats.Degraded)
	}
	return "Redis at " + at, nil
}
