package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/config"
	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/redisstore"
)

// openStore opens the configured replay store. role keeps the journals of processes that share a data directory apart.
func openStore(ctx context.Context, c config.Config, role string, log *slog.Logger) (replaystore.Store, error) {
	if c.Store.Kind == "local" {
		return localstore.Open(localstore.Config{Dir: filepath.Join(c.Data, "store"), Log: log})
	}
	return openRedis(ctx, c, filepath.Join(c.Data, "spool-"+role), log)
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
		return "", fmt.Errorf("Redis at %s: %s", at, stats.Degraded)
	}
	return "Redis at " + at, nil
}
