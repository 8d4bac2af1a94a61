package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"nightshift/internal/longtest"
)

// TestAcknowledgedIsDurable turns the machine off at random points of concurrent appends, rotations and rewrites, with
// and without failing operations. Whatever was acknowledged is there afterwards, once and under its number; numbers are
// never used twice.
func TestAcknowledgedIsDurable(t *testing.T) {
	rounds := 8000
	if !longtest.Wanted() {
		rounds = 1500
	}
	for seed := range rounds {
		crashRound(t, uint64(seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func crashRound(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 2))
	fs := newCrashFS(seed)
	acked, dropped := map[uint64]string{}, map[uint64]bool{}
	for life := range 3 {
		cfg := Config{FS: fs, SegmentBytes: 256}
		j, err := Open(cfg)
		if err != nil {
			t.Fatalf("life %d: %v", life, err)
		}
		verify(t, j, acked, dropped)
		fs.mu.Lock()
		stop := fs.ops + 20 + rng.IntN(150)
		fail := failing(rand.New(rand.NewPCG(seed, 3)), []float64{0, 0.05, 0.3}[rng.IntN(3)], "write", "sync", "syncdir", "open", "truncate", "remove", "rename")
		fs.fail = func(op, name string) error {
			if fs.ops >= stop {
				fs.dead = true
				return errDead
			}
			if op == "write" && strings.HasSuffix(name, tempSuffix) {
				return nil
			}
			return fail(op, name)
		}
		fs.mu.Unlock()
		work(t, j, fs, life, acked, dropped)
		next := fs.crash()
		j.Close()
		fs = next
	}
	j, err := Open(Config{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	verify(t, j, acked, dropped)
}

// work appends from some goroutines until the machine dies, and rewrites now and then.
func work(t *testing.T, j *Journal, fs *crashFS, life int, acked map[uint64]string, dropped map[uint64]bool) {
	dead := func() bool { fs.mu.Lock(); defer fs.mu.Unlock(); return fs.dead }
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for n := 0; !dead(); n++ {
				p := fmt.Sprintf("%d/%d/%d", life, w, n)
				seq, err := j.Append(t.Context(), []byte(p))
				if err != nil {
					continue
				}
				mu.Lock()
				if old, used := acked[seq]; used {
					t.Errorf("number %d used for %s and %s", seq, old, p)
				}
				acked[seq] = p
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for !dead() {
			_, err := j.Rewrite(t.Context(), func(seq uint64, _ []byte) bool {
				if seq%7 != 0 {
					return false
				}
				mu.Lock()
				dropped[seq] = true
				mu.Unlock()
				return true
			})
			if err != nil && errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

func verify(t *testing.T, j *Journal, acked map[uint64]string, dropped map[uint64]bool) {
	t.Helper()
	got := contents(t, j)
	for seq, want := range acked {
		if p, ok := got[seq]; p != want && (ok || !dropped[seq]) {
			t.Errorf("acknowledged record %d is %q, want %q", seq, p, want)
		}
	}
	for _, p := range got {
		if strings.Count(p, "/") != 2 {
			t.Errorf("record %q was never written", p)
		}
	}
}
