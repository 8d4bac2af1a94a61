package serve

import (
	"math"
	"sync"
	"time"
)

// Buckets of inter-token latencies: eight to a doubling, from a tenth of a millisecond on, so that a quantile is at most 9 % too
// large. The last one has all that is longer than some 100 s.
const (
	itlBuckets   = 161
	itlMin       = 100 * time.Microsecond
	itlDoubling  = 8
	itlIntervals = 3 // that are looked back: with the time between load signals, six seconds
)

// interToken holds the inter-token latencies (ITL) of all answers in the last intervals. They are counted where the API takes a token,
// so they are what a reader of a stream sees, and a reader who stops reading for a while counts as one long latency.
type interToken struct {
	mu      sync.Mutex
	current int
	counts  [itlIntervals][itlBuckets]int
}

// add counts a latency.
func (l *interToken) add(d time.Duration) {
	bucket := 0
	if d > itlMin {
		bucket = min(itlBuckets-1, int(math.Ceil(itlDoubling*math.Log2(float64(d)/float64(itlMin)))))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[l.current][bucket]++
}

// next begins an interval and drops the oldest one.
func (l *interToken) next() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = (l.current + 1) % itlIntervals
	l.counts[l.current] = [itlBuckets]int{}
}

// quantiles returns the median and the 99th percentile (nearest rank, the upper end of its bucket) and of how many latencies.
func (l *interToken) quantiles() (p50, p99 time.Duration, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum [itlBuckets]int
	for _, interval := range l.counts {
		for i, c := range interval {
			sum[i] += c
			n += c
		}
	}
	return quantile(&sum, (n+1)/2), quantile(&sum, (99*n+99)/100), n
}

// quantile is the upper end of the bucket that holds the latency of a rank, which is counted from 1; 0 without any.
func quantile(counts *[itlBuckets]int, rank int) time.Duration {
	below := 0
	for i, c := range counts {
		if below += c; c > 0 && below >= rank {
			return time.Duration(float64(itlMin) * math.Exp2(float64(i)/itlDoubling))
		}
	}
	return 0
}
