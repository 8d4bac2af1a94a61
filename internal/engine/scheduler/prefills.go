package scheduler

import "slices"

// MaxPrefills is how many prompts are in flight at most. One that overtakes another has at most half as much left, so that there is a
// row for a prompt of one chunk whatever is in flight, up to a longest one of eight chunks and among equals.
const MaxPrefills = 4

// prefills are the sequences whose prompts are in flight. The next chunk goes to
//
//   - a score,
//   - or else one of the lowest Priority,
//   - among these the one with the fewest positions left, and of those with as many the one that started first,
//
// except that of any four iterations in a row the one that started first gets a chunk in one, and in every other while another group
// of its priority is what goes before it. So each ends after four times the iterations that it and those that started before it take,
// and nobody starves.
type prefills struct {
	list   []*Sequence // in the order in which they started
	passed int         // iterations in which others were computed since list[0] was; those of another group count eldestShare times
	others int         // what the present iteration adds to passed
}

// begin begins an iteration.
func (p *prefills) begin() { p.passed, p.others = p.passed+p.others, 0 }

// free is the lowest staging row that nobody uses, -1 when there is none.
func (p *prefills) free() int {
	for row := range MaxPrefills {
		if !slices.ContainsFunc(p.list, func(q *Sequence) bool { return q.Staging == row }) {
			return row
		}
	}
	return -1
}

// due says whether the chunk that comes next is of the sequence that started first, whatever goes before it.
func (p *prefills) due() bool { return len(p.list) > 0 && p.passed >= eldestShare }

// next is the sequence whose chunk comes next, nil when there is none.
func (p *prefills) next() (best *Sequence) {
	for _, q := range p.list {
		if best == nil || !p.due() && precedes(q, best) {
			best = q
		}
	}
	return best
}

// took notes that a sequence gets a chunk. After a chunk of the first one there is no room for others in the iteration, or it has ended.
func (p *prefills) took(q *Sequence) {
	eldest := p.list[0]
	switch {
	case q == eldest:
		p.passed, p.others = 0, 0
	case !q.Score && q.Priority == eldest.Priority && q.Group != eldest.Group:
		p.others = eldestShare
	default:
		p.others = max(p.others, 1)
	}
}

// end takes a sequence out.
func (p *prefills) end(q *Sequence) {
	i := slices.Index(p.list, q)
	p.list = slices.Delete(p.list, i, i+1)
	if i == 0 {
		p.passed, p.others = 0, 0
	}
}

// generations is how many of the sequences have a slot.
func (p *prefills) generations() (n int) {
	for _, q := range p.list {
		if !q.Score {
			n++
		}
	}
	return n
}

// precedes says whether the next chunk goes to q rather than to o, which started before it.
func precedes(q, o *Sequence) bool {
	if r := q.rank(o); r != 0 {
		return r < 0
	}
	return q.left() < o.left()
}

// overtakes says whether a waiting sequence starts before o, which is in flight and goes before all others that are. Of scores and among
// equals in priority it takes a row only where that gains much.
func (s *Scheduler) overtakes(q, o *Sequence) bool {
	if r := q.rank(o); r != 0 || q.Score {
		return r < 0
	}
	known := 0
	if s.cfg.Known != nil {
		known = s.cfg.Known(q)
	}
	return 2*(q.left()-known) <= o.left()
}
