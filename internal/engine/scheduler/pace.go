package scheduler

import (
	"math"
	"time"
)

// pace estimates how many tokens a second leave the queue while there is one: exponentially weighted sums of tokens and
// of time, both with the time constant paceWindow. The time in which nobody waits does not count.
type pace struct {
	tokens, seconds float64
	last            time.Time
}

const (
	paceWindow = 10 * time.Second
	minRetry   = time.Second
	maxRetry   = time.Minute
)

// resume starts the clock when the queue was empty.
func (p *pace) resume(now time.Time) { p.last = now }

// take counts tokens that leave the queue.
func (p *pace) take(now time.Time, tokens int) {
	dt := max(0, now.Sub(p.last).Seconds())
	keep := math.Exp(-dt / paceWindow.Seconds())
	p.tokens = p.tokens*keep + float64(tokens)
	p.seconds = p.seconds*keep + paceWindow.Seconds()*(1-keep)
	p.last = now
}

// wait estimates how long it takes until so many tokens have left, in whole seconds; a second when nothing is known.
func (p *pace) wait(tokens int) time.Duration {
	if p.tokens <= 0 || p.seconds <= 0 {
		return minRetry
	}
	seconds := math.Ceil(float64(tokens) * p.seconds / p.tokens)
	return min(max(time.Duration(min(seconds, maxRetry.Seconds()))*time.Second, minRetry), maxRetry)
}
