package localstore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

func config(dir string) Config {
	return Config{Dir: dir, Memory: replaytest.Limits, SegmentBytes: 16 << 10}
}

func TestMain(m *testing.M) {
	replaytest.Main(m, func(dir string) (replaystore.Store, error) { return Open(config(dir)) })
}

func env(dir string) replaytest.Env {
	return replaytest.Env{Dir: dir, Open: func() (replaystore.Store, error) { return Open(config(dir)) }}
}

func TestConformance(t *testing.T) {
	replaytest.Run(t, func(t *testing.T) replaytest.Env { return env(t.TempDir()) })
}

func TestCrash(t *testing.T) {
	dir := t.TempDir()
	replaytest.Crash(t, dir, env(dir))
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(config(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config(dir)); !errors.Is(err, ErrInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("secret: %v %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(config(dir)); err == nil {
		t.Fatal("a damaged secret is taken")
	}
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	s, err = Open(config(dir)) // the failed one has let go of the lock
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(Config{Dir: filepath.Join(dir, "lock")}); err == nil {
		t.Fatal("a file is taken as a directory")
	}
}

func TestMemorySizes(t *testing.T) {
	cfg := config(t.TempDir())
	replaytest.Resize(t, func(all replaystore.MemoryLimits, tracks map[string]replaystore.MemoryLimits) replaystore.Store {
		cfg.Memory, cfg.Tracks = all, tracks
		s, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
