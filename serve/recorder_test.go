package serve

import (
	"slices"
	"testing"
	"time"

	"nightshift/internal/redact"
	"nightshift/replaystore/localstore"
	"nightshift/replaystore/replaytest"
)

// BenchmarkRecord is what keeping an interaction adds to its answer: redaction, encoding and the journal.
func BenchmarkRecord(b *testing.B) {
	store, err := localstore.Open(localstore.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close() //nolint:errcheck // a benchmark
	redactor, err := redact.New(redact.Config{})
	if err != nil {
		b.Fatal(err)
	}
	r := &recorder{store: store, redactor: redactor, secret: make([]byte, 32)}
	took := make([]time.Duration, 0, b.N)
	pace := time.NewTicker(500 * time.Microsecond) // 2,000 answers a second
	defer pace.Stop()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		i := *replaytest.Chat("default").Interaction
		<-pace.C
		begin := time.Now()
		if !r.Record(i) {
			b.Fatal("an interaction was not kept")
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
}
