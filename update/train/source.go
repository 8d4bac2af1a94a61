package train

import (
	"math/rand/v2"
	"slices"
)

// Source gives the examples of the next microbatch; Fit calls it with its own random source, so that a seed fixes the
// run.
type Source func(r *rand.Rand, rows, columns int) []Sequence

// epochs goes through a list again and again, each time in a new random order.
type epochs struct {
	list  []Sequence
	order []int
}

// peek is the next sequence.
func (e *epochs) peek(r *rand.Rand) Sequence {
	if len(e.order) == 0 {
		e.order = r.Perm(len(e.list))
	}
	return e.list[e.order[0]]
}

// draw takes sequences from whatever next names until one no longer fits into rows rows of columns tokens. The one that
// does not fit begins the next microbatch of its list. taken, when not nil, is told of each one taken.
func draw(r *rand.Rand, rows, columns int, next func() *epochs, taken func()) []Sequence {
	var batch []Sequence
	free := make([]int, rows)
	for i := range free {
		free[i] = columns
	}
	for {
		from := next()
		s := from.peek(r)
		need := min(len(s.Tokens), columns)
		row := slices.IndexFunc(free, func(f int) bool { return f >= need })
		if row < 0 {
			return batch
		}
		free[row] -= need
		from.order = from.order[1:]
		batch = append(batch, s)
		if taken != nil {
			taken()
		}
	}
}

// Shuffled is a Source that goes through the list in epochs, each in a new random order, and takes for every
// microbatch as many sequences as fit.
func Shuffled(list []Sequence) Source {
	all := &epochs{list: list}
	return func(r *rand.Rand, rows, columns int) []Sequence {
		return draw(r, rows, columns, func() *epochs { return all }, nil)
	}
}

// Mixed is a Source that fills microbatches with fresh and rehearsed sequences in turn, ratio rehearsed ones for each
// fresh one, both shuffled in epochs of their own.
func Mixed(fresh, rehearsed []Sequence, ratio float64) Source {
	turn := &turns{fresh: &epochs{list: fresh}, rehearsed: &epochs{list: rehearsed}, ratio: ratio}
	return func(r *rand.Rand, rows, columns int) []Sequence {
		return draw(r, rows, columns, turn.next, turn.took)
	}
}

// Alternating is a Source whose microbatches are all fresh or all rehearsed, ratio rehearsed ones for each fresh one. Steps
// of one microbatch then go from one task to the other, which is what lets Rounds draw their gradients together.
func Alternating(fresh, rehearsed []Sequence, ratio float64) Source {
	turn := &turns{fresh: &epochs{list: fresh}, rehearsed: &epochs{list: rehearsed}, ratio: ratio}
	return func(r *rand.Rand, rows, columns int) []Sequence {
		list := turn.next()
		turn.took()
		return draw(r, rows, columns, func() *epochs { return list }, nil)
	}
}

// turns says which list is next: each fresh turn owes ratio rehearsed ones.
type turns struct {
	fresh, rehearsed *epochs
	ratio, debt      float64
}

func (t *turns) next() *epochs {
	if t.debt >= 1 {
		return t.rehearsed
	}
	return t.fresh
}

func (t *turns) took() {
	if t.debt >= 1 {
		t.debt--
	} else {
		t.debt += t.ratio
	}
}
