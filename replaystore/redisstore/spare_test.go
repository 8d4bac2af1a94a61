package redisstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

// spareDirs are the journals of commands below a store's own.
func spareDirs(t *testing.T, cfg Config) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(cfg.Dir, spares, "*"))
	must(t, err)
	return dirs
}

func TestSpare(t *testing.T) {
	server := replaytest.StartRedis(t)
	cfg := config(server.Addr, "n", t.TempDir())
	must(t, ShipSpares(t.Context(), cfg)) // there are none
	s := openConfig(t, cfg)
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	server.Stop() // the store's secret is known all the same
	spare, err := OpenSpare(t.Context(), cfg)
	must(t, err)
	own, err := replaystore.LoadSecret(filepath.Join(cfg.Dir, "secret"), nil)
	must(t, err)
	if secret, err := replaystore.LoadSecret(filepath.Join(spare.Dir(), "secret"), nil); err != nil || !slices.Equal(secret, own) {
		t.Fatalf("a spare has another secret: %v", err)
	}
	must(t, spare.Append(t.Context(), replaytest.Interaction("default", 1)))
	must(t, ShipSpares(t.Context(), cfg)) // it is in use
	must(t, spare.Close())                // as good as killed: Redis has nothing of it
	if err := ShipSpares(t.Context(), cfg); err == nil || len(spareDirs(t, cfg)) != 1 {
		t.Fatalf("shipped to a dead server: %v", err)
	}
	server.Start()
	must(t, ShipSpares(t.Context(), cfg))
	if got := replaytest.ScanAll(t, s, "default", 10); !slices.Equal(got, []string{"i:int-0001"}) {
		t.Fatalf("got %v", got)
	}
	if len(spareDirs(t, cfg)) != 1 {
		t.Fatal("removed, though Redis may yet lose what it took")
	}
	server.Stop() // and with it everything: this server writes nothing to disk
	server.Start()
	must(t, ShipSpares(t.Context(), cfg))
	if got := replaytest.ScanAll(t, s, "default", 10); !slices.Equal(got, []string{"i:int-0001"}) {
		t.Fatalf("after a loss: %v", got)
	}
	later := cfg
	later.Now = func() time.Time { return time.Now().Add(time.Hour) }
	must(t, ShipSpares(t.Context(), later))
	if dirs := spareDirs(t, cfg); len(dirs) != 0 {
		t.Fatalf("left behind: %v", dirs)
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, "journal")); err != nil {
		t.Fatal(err)
	}
}
