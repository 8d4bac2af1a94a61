package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

func config(addr, prefix, dir string) Config {
	return Config{Addrs: []string{addr}, Prefix: prefix, Dir: dir, Memory: replaytest.Limits, SegmentBytes: 16 << 10, Timeout: 5 * time.Second}
}

func TestMain(m *testing.M) {
	replaytest.Main(m, func(arg string) (replaystore.Store, error) {
		parts := strings.SplitN(arg, " ", 3)
		return Open(context.Background(), config(parts[0], parts[1], parts[2]))
	})
}

func prefix() string { return "test-" + replaystore.NewID() }

func openConfig(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func envOf(cfg Config) replaytest.Env {
	return replaytest.Env{Dir: cfg.Dir, Open: func() (replaystore.Store, error) { return Open(context.Background(), cfg) }}
}

func TestConformanceMiniredis(t *testing.T) {
	replaytest.Run(t, func(t *testing.T) replaytest.Env {
		return envOf(config(miniredis.RunT(t).Addr(), "n", t.TempDir()))
	})
}

func TestConformanceRedis(t *testing.T) {
	addr := replaytest.RedisAddr(t)
	replaytest.Run(t, func(t *testing.T) replaytest.Env { return envOf(config(addr, prefix(), t.TempDir())) })
}

func TestCrash(t *testing.T) {
	cfg := config(replaytest.RedisAddr(t), prefix(), t.TempDir())
	replaytest.Crash(t, strings.Join([]string{cfg.Addrs[0], cfg.Prefix, cfg.Dir}, " "), envOf(cfg))
}

func client(t *testing.T, addr string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFlushIsRepaired(t *testing.T) {
	server := replaytest.StartRedis(t)
	s := openConfig(t, config(server.Addr, "n", t.TempDir()))
	for n := range 10 {
		must(t, s.Append(t.Context(), replaytest.Interaction("default", n)))
	}
	must(t, s.Admit(t.Context(), "default", replaytest.Item(50, "a"), replaytest.Item(52, "b")))
	_, err := s.Erase(t.Context(), "subject-1")
	must(t, err)
	before := replaytest.ScanAll(t, s, "default", 100)
	_, cursor, err := s.Scan(t.Context(), "default", "", 4)
	must(t, err)
	memory, err := s.Rehearsal(t.Context(), "default")
	must(t, err)

	must(t, client(t, server.Addr).FlushAll(t.Context()).Err())
	must(t, s.Append(t.Context(), replaytest.Interaction("default", 30)))
	after := replaytest.ScanAll(t, s, "default", 100)
	for _, key := range append(before, "i:int-0030") {
		if n := slices.Index(after, key); n < 0 || slices.Contains(after[n+1:], key) {
			t.Errorf("%s is not there once: %v", key, after)
		}
	}
	if len(after) != len(before)+1 {
		t.Errorf("got %v", after)
	}
	events, _, err := s.Scan(t.Context(), "default", cursor, 100) // a reader from before misses nothing
	must(t, err)
	if len(events) != len(after) {
		t.Errorf("a reader from before sees %d of %d", len(events), len(after))
	}
	if again, err := s.Rehearsal(t.Context(), "default"); err != nil || fmt.Sprint(again) != fmt.Sprint(memory) {
		t.Errorf("memory %+v, was %+v", again, memory)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Resent == 0 || st.Pending != 0 || st.Degraded != "" {
		t.Errorf("stats %+v %v", st, err)
	}
}

func TestRestartIsRepaired(t *testing.T) {
	server := replaytest.StartRedis(t)
	dir := t.TempDir()
	cfg := config(server.Addr, "n", dir)
	s := openConfig(t, cfg)
	must(t, s.Append(t.Context(), replaytest.Interaction("default", 1)))
	must(t, s.Sync(t.Context()))
	server.Stop()
	must(t, s.Append(t.Context(), replaytest.Interaction("default", 2)))
	if err := s.Sync(t.Context()); err == nil {
		t.Fatal("synced with a dead server")
	}
	st, err := s.Stats(t.Context())
	if err != nil || st.Degraded == "" || st.Pending == 0 || st.OldestPending.IsZero() {
		t.Fatalf("stats %+v %v", st, err)
	}
	if _, ok, err := s.Interaction(t.Context(), "default", "int-0002"); !ok || err != nil {
		t.Fatalf("local lookup: %t %v", ok, err)
	}
	if _, _, err := s.Interaction(t.Context(), "default", "int-0009"); err == nil {
		t.Fatal("not found, said without asking")
	}
	must(t, s.Admit(t.Context(), "default", replaytest.Item(1, "a")))
	must(t, s.Close())
	s = openConfig(t, cfg) // a server that is down is no error
	must(t, s.Append(t.Context(), replaytest.Interaction("default", 3)))
	if _, err := s.Erase(t.Context(), "subject-0"); err == nil || !strings.Contains(err.Error(), "finished when Redis is back") {
		t.Fatalf("forget: %v", err)
	}
	server.Start()
	if got := replaytest.ScanAll(t, s, "default", 10); !slices.Equal(got, []string{"i:int-0001", "i:int-0002"}) {
		t.Fatalf("got %v", got)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Degraded != "" || st.Pending != 0 || st.ShippedThrough.IsZero() {
		t.Fatalf("stats %+v %v", st, err)
	}
}

func TestTwoServers(t *testing.T) {
	addr := replaytest.RedisAddr(t)
	p, dirA, dirB := prefix(), t.TempDir(), t.TempDir()
	a, b, updater := openConfig(t, config(addr, p, dirA)), openConfig(t, config(addr, p, dirB)), openConfig(t, config(addr, p, t.TempDir()))
	for n := range 20 {
		s, other := a, b
		if n%2 == 1 {
			s, other = b, a
		}
		e := replaytest.Interaction("default", n)
		e.Interaction.Answer = "ANSWER-OF-" + e.Interaction.Subject
		must(t, s.Append(t.Context(), e))
		must(t, other.Append(t.Context(), replaytest.Feedback("default", n, "f"), replaytest.Interaction("default", n)))
	}
	must(t, a.Sync(t.Context()))
	must(t, b.Sync(t.Context()))
	got := replaytest.ScanAll(t, updater, "default", 7)
	if len(got) != 40 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 40 {
		t.Fatalf("%d events", len(got))
	}
	if _, ok, err := updater.Interaction(t.Context(), "default", "int-0003"); !ok || err != nil {
		t.Fatalf("lookup across: %t %v", ok, err)
	}
	must(t, a.Admit(t.Context(), "default", replaytest.Item(5, "s")))
	must(t, a.Sync(t.Context()))
	if r, err := b.Rehearsal(t.Context(), "default"); err != nil || len(r.Items()) != 1 {
		t.Fatalf("memory across: %+v %v", r, err)
	}
	report, err := updater.Erase(t.Context(), "subject-1")
	must(t, err)
	if report.Interactions != 7 || report.Feedback != 7 {
		t.Errorf("report %+v", report)
	}
	must(t, a.Sync(t.Context()))
	must(t, b.Sync(t.Context()))
	replaytest.AssertGone(t, dirA, "ANSWER-OF-subject-1")
	replaytest.AssertGone(t, dirB, "ANSWER-OF-subject-1")
	if _, ok, err := a.Interaction(t.Context(), "default", "int-0001"); ok || err != nil {
		t.Errorf("erased, and still with a: %t %v", ok, err)
	}
	if got := replaytest.ScanAll(t, updater, "default", 7); len(got) != 27 {
		t.Errorf("%d events left", len(got))
	}
}

func TestShards(t *testing.T) {
	addr := replaytest.RedisAddr(t)
	cfg := config(addr, prefix(), t.TempDir())
	cfg.Shards = 3
	s := openConfig(t, cfg)
	for n := range 30 {
		must(t, s.Append(t.Context(), replaytest.Interaction("default", n), replaytest.Feedback("default", n, "f")))
	}
	got := replaytest.ScanAll(t, s, "default", 7)
	if len(got) != 60 || slices.Index(got, "i:int-0005") > slices.Index(got, "f:int-0005/f") {
		t.Fatalf("got %v", got)
	}
	other := config(addr, cfg.Prefix, t.TempDir())
	if _, err := Open(t.Context(), other); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "3 shards") {
		t.Fatalf("another number of shards: %v", err)
	}
	other = config(addr, prefix(), cfg.Dir)
	if _, err := Open(t.Context(), other); !errors.Is(err, ErrInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	must(t, s.Close())
	foreign := other
	foreign.Dir = t.TempDir()
	must(t, openConfig(t, foreign).Close())
	if _, err := Open(t.Context(), other); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another store") {
		t.Fatalf("another store's journal: %v", err)
	}
}

func TestEvictingRedisIsRefused(t *testing.T) {
	server := replaytest.StartRedis(t, "--maxmemory-policy", "allkeys-lru")
	cfg := config(server.Addr, "n", t.TempDir())
	if _, err := Open(t.Context(), cfg); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "noeviction") {
		t.Fatalf("got %v", err)
	}
	c := client(t, server.Addr)
	must(t, c.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	s := openConfig(t, cfg)
	must(t, c.ConfigSet(t.Context(), "maxmemory-policy", "volatile-ttl").Err())
	if err := s.Sync(t.Context()); !errors.Is(err, ErrRefused) {
		t.Fatalf("got %v", err)
	}
}

func TestFullRedisIsDegraded(t *testing.T) {
	server := replaytest.StartRedis(t)
	s := openConfig(t, config(server.Addr, "n", t.TempDir()))
	c := client(t, server.Addr)
	must(t, c.ConfigSet(t.Context(), "maxmemory", "1").Err())
	must(t, s.Append(t.Context(), replaytest.Interaction("default", 1)))
	if err := s.Sync(t.Context()); err == nil {
		t.Fatal("synced with a full server")
	}
	if st, err := s.Stats(t.Context()); err != nil || !strings.Contains(st.Degraded, "out of memory") || st.Pending != 1 {
		t.Fatalf("stats %+v %v", st, err)
	}
	must(t, c.ConfigSet(t.Context(), "maxmemory", "0").Err())
	if got := replaytest.ScanAll(t, s, "default", 10); len(got) != 1 {
		t.Fatalf("got %v", got)
	}
	if got := reason(errors.New("MISCONF Redis is configured to save")); !strings.Contains(got, "cannot save") {
		t.Errorf("reason %q", got)
	}
}

func TestOldSegmentsAreDropped(t *testing.T) {
	server := miniredis.RunT(t)
	cfg := config(server.Addr(), "n", t.TempDir())
	cfg.SegmentBytes = 1 << 10
	cfg.Probe = time.Hour // the shipper rests unless it is asked
	s := openConfig(t, cfg)
	for n := range 30 {
		must(t, s.Append(t.Context(), replaytest.Interaction("default", n)))
	}
	must(t, s.Sync(t.Context()))
	must(t, s.Close())
	s = openConfig(t, cfg)
	s.stop()
	<-s.done
	before := s.journal.Stats().Segments
	must(t, s.ship.dropBefore(time.Now().Add(-time.Hour)))
	if s.journal.Stats().Segments != before {
		t.Fatal("young segments dropped")
	}
	must(t, s.ship.dropBefore(time.Now().Add(time.Hour)))
	if got := s.journal.Stats().Segments; got >= before || got > 2 {
		t.Fatalf("%d segments of %d", got, before)
	}
	if _, ok, err := s.Interaction(t.Context(), "default", "int-0000"); !ok || err != nil {
		t.Fatalf("from Redis: %t %v", ok, err)
	}
}

func TestConfig(t *testing.T) {
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("no address taken")
	}
	if _, err := Open(t.Context(), Config{Addrs: []string{"x"}}); err == nil {
		t.Error("no directory taken")
	}
	cfg, err := Config{Addrs: []string{"a:1", "b:1"}, Dir: "d"}.withDefaults()
	must(t, err)
	c := cfg.client()
	defer c.Close()
	cluster, ok := c.(*redis.ClusterClient)
	if !ok || cluster.Options().ClusterStateReloadInterval != time.Second || !cluster.Options().ContextTimeoutEnabled || cluster.Options().ReadTimeout != 500*time.Millisecond {
		t.Errorf("cluster client %T", c)
	}
	cfg.MasterName = "m"
	f := cfg.client()
	defer f.Close()
	if _, ok := f.(*redis.Client); !ok {
		t.Errorf("Sentinel client %T", f)
	}
}

func TestMemorySizes(t *testing.T) {
	cfg := config(miniredis.RunT(t).Addr(), "n", t.TempDir())
	replaytest.Resize(t, func(all replaystore.MemoryLimits, tracks map[string]replaystore.MemoryLimits) replaystore.Store {
		cfg.Memory, cfg.Tracks = all, tracks
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
