package serve

import (
	"testing"
	"time"
)

func TestInterTokenLatencyOfTheLastTurns(t *testing.T) {
	var l interToken
	if p50, p99, n := l.quantiles(); p50 != 0 || p99 != 0 || n != 0 {
		t.Errorf("without tokens: %v %v %d", p50, p99, n)
	}
	near := func(got, want time.Duration) bool { return got >= want && float64(got) <= 1.1*float64(want) }
	for range 97 {
		l.add(4 * time.Millisecond)
	}
	for range 3 {
		l.add(70 * time.Millisecond)
	}
	l.next()
	if p50, p99, n := l.quantiles(); !near(p50, 4*time.Millisecond) || !near(p99, 70*time.Millisecond) || n != 100 {
		t.Errorf("quantiles %v %v of %d", p50, p99, n)
	}
	for range 900 {
		l.add(time.Millisecond)
	}
	if p50, p99, n := l.quantiles(); !near(p50, time.Millisecond) || !near(p99, 4*time.Millisecond) || n != 1000 {
		t.Errorf("with a second interval: %v %v of %d", p50, p99, n)
	}
	for range itlIntervals - 1 {
		l.next()
	}
	if _, p99, n := l.quantiles(); !near(p99, time.Millisecond) || n != 900 {
		t.Errorf("the first interval is still there: %v of %d", p99, n)
	}
	l.next()
	for _, d := range []time.Duration{0, -1, 1 << 60} { // what clocks can come up with
		l.add(d)
	}
	if p50, p99, n := l.quantiles(); p50 != itlMin || p99 < 100*time.Second || n != 3 {
		t.Errorf("odd latencies: %v %v of %d", p50, p99, n)
	}
}
