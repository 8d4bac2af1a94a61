package runner

import (
	"context"
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"nightshift/replaystore"
)

func TestGovernor(t *testing.T) {
	begin := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	type said = replaystore.LoadSignal
	busy := func(p99 float64) said { return said{Server: "a", Active: 3, ITLCount: 100, ITLP99: p99} }
	full := said{Server: "a", Active: 16, Queued: 1, ITLCount: 100, ITLP99: 1}
	other := said{Server: "b", Active: 1, ITLCount: 100, ITLP99: 99}
	for name, steps := range map[string][]struct {
		at   int // seconds
		said said
		want float64
	}{
		"far from the target":         {{0, busy(1), 1}, {2, busy(69), 1}},
		"near the target":             {{0, busy(90), 0.5}, {2, busy(90), 0.25}, {4, busy(80), 0.25}, {6, busy(69), 0.3125}},
		"requests wait":               {{0, full, 0.5}, {2, full, 0.25}},
		"never less than the minimum": {{0, full, 0.5}, {2, full, 0.25}, {4, full, 0.125}, {6, full, 0.1}, {8, full, 0.1}},
		"one change in an interval":   {{0, full, 0.5}, {1, full, 0.5}, {2, full, 0.25}},
		"nothing to do":               {{0, full, 0.5}, {1, said{Server: "a"}, 1}, {2, full, 0.5}},
		"the worst of all":            {{0, other, 0.5}, {2, busy(1), 0.25}},
		"a server that is gone":       {{0, other, 0.5}, {11, busy(1), 0.625}, {13, busy(1), 0.78125}},
		"a server without an answer":  {{0, full, 0.5}, {2, said{Server: "a", Active: 1}, 0.625}},
	} {
		g := newGovernor(Governor{Target: 100 * time.Millisecond, MinShare: 0.1}, begin.Add(time.Hour))
		for i, s := range steps {
			now := begin.Add(time.Duration(s.at) * time.Second)
			g.hear(s.said, now)
			if got := g.now(now); math.Abs(got-s.want) > 1e-12 {
				t.Errorf("%s: step %d: share %v, want %v", name, i, got, s.want)
			}
		}
		if got := g.now(begin.Add(59 * time.Minute)); got != 1 {
			t.Errorf("%s: every server is silent, and the share is %v", name, got)
		}
	}
	g := newGovernor(Governor{Target: time.Second, MinShare: 0.1}, begin.Add(time.Hour))
	g.hear(full, begin.Add(time.Hour-time.Second))
	if before, after := g.now(begin.Add(time.Hour-time.Second)), g.now(begin.Add(time.Hour)); before != 0.5 || after != 1 {
		t.Errorf("around half of the deadline: shares %v and %v", before, after)
	}
}

// TestPulses counts signals and the time between them by a clock of its own.
func TestPulses(t *testing.T) {
	for _, c := range []struct {
		shares []float64 // one a pulse, then the night ends
		want   time.Duration
		stops  int
	}{{[]float64{1, 1}, 2 * pulse, 0}, {[]float64{0.5, 0.1, 1}, pulse * 16 / 10, 2}, {[]float64{0}, 0, 1}} {
		ctx, stop := context.WithCancel(t.Context())
		running, ran, all, stops, n := true, time.Duration(0), time.Duration(0), 0, 0
		had := pulses(ctx, func() float64 {
			if n++; n == len(c.shares) {
				stop()
			}
			return c.shares[n-1]
		}, func(s os.Signal) error {
			running = s == syscall.SIGCONT
			if !running {
				stops++
			}
			return nil
		}, func(_ context.Context, d time.Duration) {
			if all += d; running {
				ran += d
			}
		})
		if ran != c.want || all != time.Duration(len(c.shares))*pulse || stops != c.stops || !running || math.Abs(had-float64(ran)/float64(all)) > 1e-9 {
			t.Errorf("shares %v: ran %v of %v, stopped %d times, runs at the end: %v; said to have had %v", c.shares, ran, all, stops, running, had)
		}
	}
	gone := func(os.Signal) error { return os.ErrProcessDone }
	if had := pulses(t.Context(), func() float64 { return 0.5 }, gone, func(context.Context, time.Duration) {}); had != 1 {
		t.Errorf("a child that ended at once had %v of its time", had)
	}
}
