package engine

import (
	"errors"
	"slices"

	"nightshift/internal/engine/kv"
)

// promptRows is how many prompts are under way at most. One that overtakes another has at most half as much left, so that there is a
// row for a prompt of one chunk whatever is under way, up to a longest one of eight chunks and among equals.
const promptRows = 4

// prompts are the sequences whose prompts are under way, each in a staging row of its own. The next chunk goes to
//
//   - a score,
//   - or else one of the lowest Priority,
//   - among these the one with the fewest positions left, and of those with as many the one that started first,
//
// except that of any four turns of the loop in a row the one that started first gets a chunk in one, and in every other while
// another group of its priority is what goes before it. So each ends after four times the turns that it and those that started
// before it take, and nobody starves.
type prompts struct {
	rows   [promptRows]*staging
	list   []*sequence // in the order in which they started
	logits *kv.Logits  // of the last chunk, whoever's it was
	passed int         // turns in which others were computed since list[0] was; those of another group count eldestShare times
	others int         // what the present turn adds to passed
}

func newPrompts(e *Engine) (*prompts, error) {
	p := &prompts{list: make([]*sequence, 0, promptRows), logits: kv.NewLogits(e.cfg.Chunk, e.model.Config.Vocab)}
	for i := range p.rows {
		var err error
		if p.rows[i], err = newStaging(e, p.logits); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

// close frees the rows and then what they wrote to.
func (p *prompts) close() error {
	var err error
	for i, row := range p.rows {
		if row != nil {
			err = errors.Join(err, row.close())
		}
		p.rows[i] = nil
	}
	err = errors.Join(err, p.logits.Close())
	p.logits = nil
	return err
}

// free is the first row that nobody uses, nil when there is none.
func (p *prompts) free() *staging {
	for _, row := range p.rows {
		if !slices.ContainsFunc(p.list, func(s *sequence) bool { return s.staging == row }) {
			return row
		}
	}
	return nil
}

// start puts a sequence into a free row.
func (p *prompts) start(s *sequence, row *staging) {
	s.staging = row
	p.list = append(p.list, s)
}

// end takes a sequence out of its row. The first row keeps the memory that it has taken, the others only what short prompts need.
func (p *prompts) end(s *sequence) error {
	i := slices.Index(p.list, s)
	p.list = slices.Delete(p.list, i, i+1)
	if i == 0 {
		p.passed, p.others = 0, 0
	}
	row := s.staging
	s.staging = nil
	if row == p.rows[0] {
		return nil
	}
	return row.memory.Cache.Release(0, kv.Spare/promptRows)
}

// begin begins a turn of the loop.
func (p *prompts) begin() { p.passed, p.others = p.passed+p.others, 0 }

// due says whether the chunk that comes next is of the sequence that started first, whatever goes before it.
func (p *prompts) due() bool { return len(p.list) > 0 && p.passed >= eldestShare }

// next is the sequence under way whose chunk comes next, nil when there is none.
func (p *prompts) next() (best *sequence) {
	for _, s := range p.list {
		if best == nil || !p.due() && s.precedes(best) {
			best = s
		}
	}
	return best
}

// took notes that a sequence gets a chunk. After a chunk of the first one there is no room for others in the turn, or it has ended.
func (p *prompts) took(s *sequence) {
	eldest := p.list[0]
	switch {
	case s == eldest:
		p.passed, p.others = 0, 0
	case s.score == nil && s.priority == eldest.priority && s.group != eldest.group:
		p.others = eldestShare
	default:
		p.others = max(p.others, 1)
	}
}

// generations is how many of the sequences will want a row of the batch.
func (p *prompts) generations() (n int) {
	for _, s := range p.list {
		if s.score == nil {
			n++
		}
	}
	return n
}

// bytes is the memory that the rows have taken for keys and values, but for parts of pages.
func (p *prompts) bytes() (n int) {
	for _, row := range p.rows {
		n += row.memory.Cache.Bytes(0)
	}
	return n
}

// left is how many positions of the prompt are still to be computed.
func (s *sequence) left() int { return s.prompt - s.prefilled }

// rank compares what goes before all lengths: negative when s goes before o, 0 when their lengths decide.
func (s *sequence) rank(o *sequence) int {
	switch {
	case s.score != nil && o.score == nil:
		return -1
	case s.score == nil && o.score != nil:
		return 1
	case s.priority < o.priority:
		return -1
	case s.priority > o.priority:
		return 1
	}
	return 0
}

// precedes says whether the next chunk goes to s rather than to o, which started before it.
func (s *sequence) precedes(o *sequence) bool {
	if r := s.rank(o); r != 0 {
		return r < 0
	}
	return s.left() < o.left()
}

// overtakes says whether a waiting sequence, of whose prompt so many positions are known, starts before o, which is under way and
// goes before all others that are. Of scores and among equals in priority it takes a row only where that gains much.
func (s *sequence) overtakes(o *sequence, known int) bool {
	if r := s.rank(o); r != 0 {
		return r < 0
	}
	return s.score == nil && 2*(s.left()-known) <= o.left()
}
