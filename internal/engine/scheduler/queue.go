package scheduler

import (
	"slices"
	"time"
)

// The queue holds the sequences that wait for their prompts to be begun, bounded by their number and by the tokens that they may take.
// Scores go first and always find a place: a version is tested with them before it serves, and a server that is full must be able to
// go back to an older one. Whoever asks for a score waits for it, so there are as many as callers. For generations see fairShare.
//
// To take one out, or to look for those that are cancelled or late, is one pass over all that wait: microseconds, once a
// chunk of a prompt and once an iteration.

// Load is a queue, and when there is room in it.
type Load struct {
	Waiting, Tokens int
	// RetryAfter is how long it takes, about, until there is room, in whole seconds from one second to a minute.
	RetryAfter time.Duration
}

// Reserve makes room for the places and tokens of sequences, before any work is done for them. What is alone is always taken, whatever
// its size, and so is a score. It is false for want of room, with the queue as it is found.
func (s *Scheduler) Reserve(places, tokens int, score bool) (full Load, ok bool) {
	n := len(s.waiting) + s.reserved
	excess, over := 0, n+places-s.cfg.MaxRequests
	if n > 0 {
		excess = s.tokens + tokens - s.cfg.MaxTokens
		if over > 0 {
			excess = max(excess, s.tokens*min(over, n)/n)
		}
	}
	if !score && n > 0 && (excess > 0 || over > 0) {
		return Load{n, s.tokens, s.pace.wait(excess)}, false
	}
	s.tokens += tokens
	s.reserved += places
	return Load{}, true
}

// Push adds sequences whose places were reserved.
func (s *Scheduler) Push(list []*Sequence) {
	s.reserved -= len(list)
	if len(s.waiting) == 0 {
		s.pace.resume(list[0].Submitted)
	}
	s.waiting = append(s.waiting, list...)
	for _, q := range list {
		if !q.Score {
			s.shares.enter(q)
		}
	}
}

// Withdraw gives back what was reserved for sequences that are not pushed.
func (s *Scheduler) Withdraw(list []*Sequence) {
	s.reserved -= len(list)
	for _, q := range list {
		s.tokens -= q.Cost
	}
}

// Load is the present queue; RetryAfter is until all of it has started.
func (s *Scheduler) Load() Load { return Load{len(s.waiting), s.tokens, s.pace.wait(s.tokens)} }

// pick is the index of the waiting sequence that starts next: the first score, or else, when there is a slot for it, the generation that the
// shares name; -1 when there is none. debt is that of the shares once it has started.
func (s *Scheduler) pick(now time.Time) (index, debt int) {
	if i := slices.IndexFunc(s.waiting, func(q *Sequence) bool { return q.Score }); i >= 0 || s.running >= s.cfg.Slots {
		return i, s.shares.debt
	}
	return s.shares.next(s.waiting, now)
}

// take takes out what pick has found.
func (s *Scheduler) take(index, debt int, now time.Time) *Sequence {
	q := s.waiting[index]
	s.shares.debt = debt
	s.waiting = slices.Delete(s.waiting, index, index+1)
	if !q.Score {
		s.running++
		s.shares.start(q)
	}
	s.tokens -= q.Cost
	s.pace.take(now, q.Cost)
	return q
}

// sweep moves the sequences that are cancelled or have waited for too long out of the queue to those that are gone.
func (s *Scheduler) sweep(now time.Time) {
	kept := 0
	for i, q := range s.waiting {
		if q.Context.Err() != nil || q.late(now) {
			s.tokens -= q.Cost
			if !q.Score {
				s.shares.leave(q)
			}
			s.gone = append(s.gone, q)
			continue
		}
		if kept != i {
			s.waiting[kept] = q
		}
		kept++
	}
	clear(s.waiting[kept:])
	s.waiting = s.waiting[:kept]
}
