package replaytest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"nightshift/replaystore"
)

// writers is how many goroutines append at once in Bench.
const writers = 64

// Bench measures a store as servers use it: appends that wait for the disk, and appends that do not, with the time that
// the slowest hundredth of them adds to an answer.
func Bench(b *testing.B, open func(b *testing.B) replaystore.Store) {
	b.Run("Append", func(b *testing.B) {
		s := open(b)
		bench(b, func(e replaystore.Event) error { return s.Append(b.Context(), e) })
	})
	b.Run("AppendAsync", func(b *testing.B) {
		s := open(b)
		bench(b, func(e replaystore.Event) error {
			if !s.AppendAsync(e) {
				b.Error("an interaction was not kept")
			}
			return nil
		})
	})
	b.Run("Paced", func(b *testing.B) { // one answer every half millisecond: 2,000 a second
		s := open(b)
		took := make([]time.Duration, 0, b.N)
		pace := time.NewTicker(500 * time.Microsecond)
		defer pace.Stop()
		b.ResetTimer()
		for range b.N {
			e := Chat("default")
			<-pace.C
			begin := time.Now()
			s.AppendAsync(e)
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	})
}

// bench spreads b.N events over the writers.
func bench(b *testing.B, appendOne func(replaystore.Event) error) {
	b.ReportAllocs()
	events := make(chan replaystore.Event, b.N)
	for range b.N {
		events <- Chat("default")
	}
	close(events)
	var group sync.WaitGroup
	b.ResetTimer()
	for range writers {
		group.Go(func() {
			for e := range events {
				if err := appendOne(e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
