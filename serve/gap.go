package serve

import (
	"math"
	"sync"
	"time"
)

// Buckets of gaps: eight to a doubling, from a tenth of a millisecond on, so that a quantile is at most 9 % too large. The last
// one has all that is longer than some 100 s.
const (
	gapBuckets  = 161
	gapLeast    = 100 * time.Microsecond
	gapDoubling = 8
	gapTurns    = 3 // that are looked back: with the time between load signals, six seconds
)

// gaps are the times between the tokens of all answers in the last turns. They are counted where the API takes a token, so they
// hold what a reader of a stream sees, and a reader who stops reading for a while counts as one long gap.
type gaps struct {
	mu    sync.Mutex
	turn  int
	turns [gapTurns][gapBuckets]int
}

// add counts a gap.
func (g *gaps) add(d time.Duration) {
	bucket := 0
	if d > gapLeast {
		bucket = min(gapBuckets-1, int(math.Ceil(gapDoubling*math.Log2(float64(d)/float64(gapLeast)))))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turns[g.turn][bucket]++
}

// next begins a turn and forgets the oldest one.
func (g *gaps) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn = (g.turn + 1) % gapTurns
	g.turns[g.turn] = [gapBuckets]int{}
}

// quantiles returns the median and the 99th percentile (nearest rank, the upper end of its bucket) and of how many gaps.
func (g *gaps) quantiles() (p50, p99 time.Duration, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sum [gapBuckets]int
	for _, turn := range g.turns {
		for i, c := range turn {
			sum[i] += c
			n += c
		}
	}
	return quantile(&sum, (n+1)/2), quantile(&sum, (99*n+99)/100), n
}

// quantile is the upper end of the bucket that holds the gap of a rank, which is counted from 1; 0 without gaps.
func quantile(counts *[gapBuckets]int, rank int) time.Duration {
	below := 0
	for i, c := range counts {
		if below += c; c > 0 && below >= rank {
			return time.Duration(float64(gapLeast) * math.Exp2(float64(i)/gapDoubling))
		}
	}
	return 0
}
