package redisstore

import (
	"testing"
	"time"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

// fresh opens a store on a Redis server of its own.
func fresh(b *testing.B) replaystore.Store {
	b.Helper()
	server := replaytest.StartRedis(b)
	s, err := Open(b.Context(), Config{Addrs: []string{server.Addr}, Dir: b.TempDir(), Timeout: 10 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkStore(b *testing.B) { replaytest.Bench(b, fresh) }

// BenchmarkShip counts from the first append to the last event in Redis.
func BenchmarkShip(b *testing.B) {
	s := fresh(b)
	events := make([]replaystore.Event, b.N)
	for n := range events {
		events[n] = replaytest.Chat("default")
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, e := range events {
		if !s.AppendAsync(e) {
			b.Fatal("an interaction was not kept")
		}
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
}
