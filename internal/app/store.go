package app

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
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/redisstore"
	"nightshift/update/night"
)

// openStore opens the configured replay store and reads its secret. role keeps the journals of processes that share a
// data directory apart; a command that ends by itself has the updater's, or one of its own while an updater runs.
func openStore(ctx context.Context, c Config, role Role, log *slog.Logger) (replaystore.Store, []byte, error) {
	var store replaystore.Store
	var err error
	dir := filepath.Join(c.Data, "store")
	if c.Store.Kind == "local" {
		store, err = localstore.Open(localConfig(c, dir, log))
	} else {
		dir = spool(c, role)
		cfg := redisConfig(c, dir, log)
		var opened *redisstore.Store
		if opened, err = redisstore.Open(ctx, cfg); role == Once && errors.Is(err, redisstore.ErrInUse) {
			if opened, err = redisstore.OpenSpare(ctx, cfg); err == nil {
				dir = opened.Dir()
			}
		}
		if err == nil {
			store = opened
		}
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

// spool is the directory of a role's journal of what goes to Redis.
func spool(c Config, role Role) string {
	if role == Once {
		role = Learning
	}
	return filepath.Join(c.Data, "spool-"+string(role))
}

// localConfig is the configuration of the local store in dir.
func localConfig(c Config, dir string, log *slog.Logger) localstore.Config {
	memory, tracks := memoryLimits(c)
	return localstore.Config{Dir: dir, Memory: memory, Tracks: tracks, Log: log}
}

// memoryLimits are those of every track's rehearsal memory, and of the tracks that differ.
func memoryLimits(c Config) (replaystore.MemoryLimits, map[string]replaystore.MemoryLimits) {
	of := func(m night.Memory) replaystore.MemoryLimits {
		return replaystore.MemoryLimits{Recent: m.Recent, PerStratum: m.PerStratum, Strata: m.Strata}
	}
	tracks := map[string]replaystore.MemoryLimits{}
	for name := range c.Tracks {
		tracks[name] = of(c.UpdateOf(name).Memory)
	}
	return of(c.Update.Memory), tracks
}

// redisConfig is the configuration of the Redis store with its journal in dir.
func redisConfig(c Config, dir string, log *slog.Logger) redisstore.Config {
	r := c.Store.Redis
	cfg := redisstore.Config{Addrs: r.Addresses, MasterName: r.Master, Cluster: r.Cluster, Username: r.Username, Password: r.Password, DB: r.Database,
		Prefix: r.Prefix, Timeout: r.Timeout, Dir: dir, Log: log}
	cfg.Memory, cfg.Tracks = memoryLimits(c)
	if r.TLS {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return cfg
}

// shipTime is how long a command that is done waits for Redis to have what it wrote.
const shipTime = 15 * time.Second

// shipLast has Redis take what a command wrote before the command ends. Where it does not, nothing is lost: the journal
// stays, and the next updater on this data directory ships it.
func shipLast(store replaystore.Store, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), shipTime)
	defer cancel()
	if err := store.Sync(ctx); err != nil {
		log.Warn("Redis has not taken everything that this command wrote; it is kept in the data directory, and the next updater on it sends it", "error", err)
	}
}

// sparesEvery is how often an updater looks for what commands left behind.
const sparesEvery = time.Minute

// shipSpares ships what commands on this data directory left behind, now and every minute, until ctx is done.
func shipSpares(ctx context.Context, c Config, log *slog.Logger) error {
	tick := time.NewTicker(sparesEvery)
	defer tick.Stop()
	for {
		if err := redisstore.ShipSpares(ctx, redisConfig(c, spool(c, Learning), log)); err != nil && ctx.Err() == nil {
			log.Warn("what a command wrote cannot be sent to Redis yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ExamineStore says where the store is and whether it can be reached.
func ExamineStore(ctx context.Context, c Config) (string, error) {
	if c.Store.Kind == "local" {
		return "local files in " + filepath.Join(c.Data, "store"), nil
	}
	at := strings.Join(c.Store.Redis.Addresses, ", ")
	dir, err := os.MkdirTemp("", "nightshift-doctor-")
	if err != nil {
		return "", fmt.Errorf("look at Redis: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	store, err := redisstore.Open(ctx, redisConfig(c, dir, slog.New(slog.DiscardHandler)))
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
