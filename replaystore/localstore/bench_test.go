package localstore

import (
	"testing"

	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
)

func BenchmarkStore(b *testing.B) {
	replaytest.Bench(b, func(b *testing.B) replaystore.Store {
		s, err := Open(Config{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	})
}
