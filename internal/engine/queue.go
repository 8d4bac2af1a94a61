package engine

import (
	"math"
	"slices"
	"sync"
	"time"
)

// queue holds the requests that wait for their prompts to be begun, bounded by their number and by the tokens that they may take
// (prompt and answer). Scores go first and always find a place: a version is tested with them before it serves, and a server
// that is full must be able to go back to an older one. Whoever asks for a score waits for it, so there are as many as
// callers. For generations see turns.
//
// To take one out, or to look for those that are cancelled or late, is one pass over all that wait: microseconds, once a
// chunk of a prompt and once a step.
type queue struct {
	maxRequests, maxTokens int

	mu       sync.Mutex
	waiting  []*sequence // in the order of arrival
	turns    turns
	tokens   int // of waiting and reserved requests
	reserved int // requests that have a place and are still being prepared
	closed   bool
	pace     pace
}

// reserve makes room for the places and tokens of a request, before any work is done for it. A request alone is always
// taken, whatever its size, and so is a score.
func (q *queue) reserve(places, tokens int, score bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	n := len(q.waiting) + q.reserved
	excess, over := 0, n+places-q.maxRequests
	if n > 0 {
		excess = q.tokens + tokens - q.maxTokens
		if over > 0 {
			excess = max(excess, q.tokens*min(over, n)/n)
		}
	}
	if !score && n > 0 && (excess > 0 || over > 0) {
		return &BusyError{Waiting: n, Tokens: q.tokens, RetryAfter: q.pace.wait(excess)}
	}
	q.tokens += tokens
	q.reserved += places
	return nil
}

// push adds the sequences of a request whose places were reserved.
func (q *queue) push(list []*sequence) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reserved -= len(list)
	if q.closed {
		for _, s := range list {
			q.tokens -= s.cost
		}
		return ErrClosed
	}
	if len(q.waiting) == 0 {
		q.pace.resume(list[0].submitted)
	}
	q.waiting = append(q.waiting, list...)
	for _, s := range list {
		if s.score == nil {
			q.turns.enter(s)
		}
	}
	return nil
}

// pop takes the request that starts next, nil when there is none: the first score, or else, when there is a slot for it, the
// generation whose turn it is. When starts is not nil, that one is taken only if starts says so; no other is taken in its place.
func (q *queue) pop(slot bool, now time.Time, starts func(*sequence) bool) *sequence {
	q.mu.Lock()
	defer q.mu.Unlock()
	next := slices.IndexFunc(q.waiting, func(s *sequence) bool { return s.score != nil })
	debt := q.turns.debt
	if next < 0 && slot {
		next, debt = q.turns.next(q.waiting, now)
	}
	if next < 0 || starts != nil && !starts(q.waiting[next]) {
		return nil
	}
	s := q.waiting[next]
	q.turns.debt = debt
	q.waiting = slices.Delete(q.waiting, next, next+1)
	if s.score == nil {
		q.turns.start(s)
	}
	q.tokens -= s.cost
	q.pace.take(now, s.cost)
	return s
}

// settle tells the queue that a request has ended, and so how much of what was counted for it it took.
func (q *queue) settle(s *sequence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turns.settle(s)
}

// sweep appends to gone the requests that are cancelled or have waited for too long, and takes them out of the queue.
func (q *queue) sweep(now time.Time, gone []*sequence) []*sequence {
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := 0
	for i, s := range q.waiting {
		if s.ctx.Err() != nil || s.late(now) {
			q.tokens -= s.cost
			if s.score == nil {
				q.turns.leave(s)
			}
			gone = append(gone, s)
			continue
		}
		if kept != i {
			q.waiting[kept] = s
		}
		kept++
	}
	clear(q.waiting[kept:])
	q.waiting = q.waiting[:kept]
	return gone
}

// close refuses all further requests and returns those that wait.
func (q *queue) close() []*sequence {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.waiting
	for _, s := range waiting {
		q.tokens -= s.cost
	}
	q.waiting, q.closed = nil, true
	return waiting
}

// busy describes the present queue to a request that has waited in it for too long.
func (q *queue) busy(waited time.Duration) *BusyError {
	q.mu.Lock()
	defer q.mu.Unlock()
	return &BusyError{Waiting: len(q.waiting), Tokens: q.tokens, RetryAfter: q.pace.wait(q.tokens), Waited: waited}
}

// size is the number of waiting requests and their tokens.
func (q *queue) size() (requests, tokens int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting), q.tokens
}

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
