// Package scheduler decides what an engine computes next: which waiting sequence starts, whose prompt gets a chunk, which short prompts
// are computed together, and when the running sequences decode. [Scheduler.Next] hands out one piece of [Work] at a time; the caller
// carries it out and reports what came of it.
//
// Work comes in iterations: prefill of one chunk's positions at most, then one decode step of every sequence whose prompt is computed.
//
// Invariants. Running sequences wait for one chunk's positions at most between two tokens. At most Slots generations have started and
// not ended, and at most [MaxPrefills] prompts are in flight. Nobody starves, neither in the queue nor in flight. The same calls at
// the same times give the same work; an iteration without arrivals allocates nothing.
//
// It knows no model, no memory and no goroutine. It is not safe for concurrent use.
package scheduler

import (
	"slices"
	"time"
)

// Config is what a scheduler has to keep to.
type Config struct {
	// Slots is how many generations run at once at most, from the start of their prompts on.
	Slots int
	// Chunk is the prefill grid: chunks end at multiples of it, or with their prompt.
	Chunk int
	// MaxRequests and MaxTokens bound the queue.
	MaxRequests, MaxTokens int
	// Known is how many positions of a waiting sequence's prompt need not be computed; nil is none of any.
	Known func(*Sequence) int
}

// Kind is a kind of work.
type Kind int

// The kinds of work. Idle and Decode end an iteration.
const (
	// Idle is nothing, until a sequence is pushed.
	Idle Kind = iota
	// Drop is a sequence that is cancelled or late, in the queue or in flight: it ends.
	Drop
	// Admit is a sequence that leaves the queue: its Staging row is its own now, and the caller sets Prefilled to what is known.
	Admit
	// Prefill is one chunk of a sequence's prompt, up to ChunkEnd.
	Prefill
	// PrefillTogether is whole prompts of like length in one run. They are in flight no more.
	PrefillTogether
	// Decode is one step of every sequence whose prompt is computed; there may be none left.
	Decode
)

// Work is what comes next. Sequence is of Drop, Admit and Prefill; Together is of PrefillTogether, and good until its iteration ends.
type Work struct {
	Kind     Kind
	Sequence *Sequence
	Together []*Sequence
}

// Scheduler holds the sequences that wait and those in flight.
type Scheduler struct {
	cfg      Config
	waiting  []*Sequence // in the order of arrival
	tokens   int         // of waiting and reserved sequences
	reserved int         // places of sequences that are still being prepared
	running  int         // generations that have started and not ended
	shares   fairShare
	pace     pace
	prefills prefills

	// Of the present iteration.
	open      bool
	gone      []*Sequence // to be dropped; they are out of the queue
	unchecked int         // prefills that may have to be dropped: those of lower index
	filling   bool        // more chunks may come
	left      int         // positions that they may have
	admitted  *Sequence   // whose chunk is next
	together  []*Sequence // prompts that are computed together with others
	grouped   int         // of them those that were handed out
}

// New returns an empty scheduler.
func New(cfg Config) *Scheduler { return &Scheduler{cfg: cfg} }

// Next says what to do next. Between two calls the caller has done what the first one said.
func (s *Scheduler) Next(now time.Time) Work {
	if !s.open {
		s.begin(now)
	}
	if len(s.gone) > 0 {
		q := s.gone[0]
		s.gone = slices.Delete(s.gone, 0, 1)
		return Work{Kind: Drop, Sequence: q}
	}
	for s.unchecked > 0 {
		s.unchecked--
		if q := s.prefills.list[s.unchecked]; q.over(now) {
			return Work{Kind: Drop, Sequence: q}
		}
	}
	for s.filling {
		if w := s.fill(now); w.Kind != Idle {
			return w
		}
	}
	if group := s.group(); len(group) > 0 {
		return Work{Kind: PrefillTogether, Together: group}
	}
	s.open = false
	if s.left < s.cfg.Chunk || s.running > s.prefills.generations() {
		return Work{Kind: Decode}
	}
	return Work{}
}

// begin begins an iteration.
func (s *Scheduler) begin(now time.Time) {
	s.open, s.filling, s.left = true, true, s.cfg.Chunk
	s.sweep(now)
	s.unchecked = len(s.prefills.list)
	s.prefills.begin()
	clear(s.together)
	s.together, s.grouped = s.together[:0], 0
}

// fill decides on one chunk more, unless the next one would make the iteration's positions more than the grid's. It is Idle when none
// follows, or when the chunk is a prompt that was put aside to be computed together with others.
func (s *Scheduler) fill(now time.Time) Work {
	q := s.admitted
	s.admitted = nil
	if q == nil {
		q = s.prefills.next()
		if s.admitted = s.admit(q, now); s.admitted != nil {
			return Work{Kind: Admit, Sequence: s.admitted}
		}
	}
	if q == nil || s.ChunkEnd(q)-q.Prefilled > s.left {
		s.filling = false
		return Work{}
	}
	s.left -= s.ChunkEnd(q) - q.Prefilled
	if q.over(now) {
		return Work{Kind: Drop, Sequence: q}
	}
	s.prefills.took(q)
	if s.isWhole(q) {
		s.prefills.end(q)
		s.together = append(s.together, q)
		return Work{}
	}
	return Work{Kind: Prefill, Sequence: q}
}

// admit starts the waiting sequence that comes first, when there are a staging row and a slot for it and it overtakes the prompt in
// flight that is next, if there is one. It is nil when none starts.
func (s *Scheduler) admit(next *Sequence, now time.Time) *Sequence {
	row := s.prefills.free()
	if row < 0 || s.prefills.due() {
		return nil
	}
	i, debt := s.pick(now)
	if i < 0 || next != nil && !s.overtakes(s.waiting[i], next) {
		return nil
	}
	q := s.take(i, debt, now)
	q.Staging = row
	s.prefills.list = append(s.prefills.list, q)
	return q
}

// ChunkEnd is where the next chunk of a sequence's prompt ends: at the next position of the grid.
func (s *Scheduler) ChunkEnd(q *Sequence) int {
	return min(q.Prompt, (q.Prefilled/s.cfg.Chunk+1)*s.cfg.Chunk)
}

// Prefilling are the sequences in flight, in the order in which they started. The slice is good until the next call of a method.
func (s *Scheduler) Prefilling() []*Sequence { return s.prefills.list }

// EndPrefill takes a sequence out of flight, whose prompt is computed or which ends: its staging row is free.
func (s *Scheduler) EndPrefill(q *Sequence) { s.prefills.end(q) }

// End tells that a sequence has ended, in the queue or later, and how many tokens it has, prompt and answer: its slot is free, and
// its group is charged for no more than it took. To tell it again changes nothing.
func (s *Scheduler) End(q *Sequence, tokens int) {
	if q.charged {
		s.running--
		s.shares.settle(q, tokens)
	}
}

// Drain takes all sequences out that do not decode, and perhaps some that do since the present iteration.
func (s *Scheduler) Drain() []*Sequence {
	for _, q := range s.waiting {
		s.tokens -= q.Cost
	}
	list := slices.Concat(s.gone, s.waiting, s.prefills.list, s.together)
	s.gone, s.waiting, s.prefills, s.together, s.grouped = nil, nil, prefills{}, nil, 0
	return list
}
