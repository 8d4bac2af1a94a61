package journal

import (
	"bytes"
	"sync"
	"testing"
)

// writers is how many goroutines append at once.
const writers = 64

// BenchmarkAppend waits for every record to be on disk.
func BenchmarkAppend(b *testing.B) {
	j, err := Open(Config{FS: Dir(b.TempDir())})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close() //nolint:errcheck // a benchmark
	payload := bytes.Repeat([]byte("x"), 1500)
	b.ReportAllocs()
	var group sync.WaitGroup
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ResetTimer()
	for range writers {
		group.Go(func() {
			for range work {
				if _, err := j.Append(b.Context(), payload); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkWrite does not wait.
func BenchmarkWrite(b *testing.B) {
	j, err := Open(Config{FS: Dir(b.TempDir()), MaxUnsynced: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close() //nolint:errcheck // a benchmark
	payload := bytes.Repeat([]byte("x"), 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Write(payload); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
