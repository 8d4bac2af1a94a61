package engine

import (
	"fmt"
	"slices"
	"time"
)

// firstsApart is by how many positions prompts that are computed together differ at most: the shorter ones are padded, and a run of
// its own costs about as much as so many positions.
const firstsApart = 8

// isFirst says whether a sequence's prompt can be computed together with others: it ends within its first chunk, nothing of it is
// known, and only its last logits are wanted. Such prompts are collected in a turn, and those of like length computed in one run, right in the
// rows of the batch in which they will decode. All others need a staging row: the runtime continues a sequence with
// several tokens in a batch of one only, see graphs.Model.Decode.
func (e *Engine) isFirst(s *sequence) bool {
	return s.score == nil && !s.prompted && s.prefilled == 0 && s.prompt < e.cfg.Chunk
}

// collect moves a sequence out of its staging row to those that are computed at the end of the turn.
func (e *Engine) collect(s *sequence) {
	if e.dropPrompt(s, time.Now()) {
		return
	}
	e.prompts.took(s)
	e.endPrompt(s)
	e.firsts = append(e.firsts, s)
}

// computeFirsts computes what the turn has collected.
func (e *Engine) computeFirsts() {
	slices.SortStableFunc(e.firsts, func(a, b *sequence) int { return a.prompt - b.prompt })
	for left := e.firsts; len(left) > 0; {
		n := 1
		for n < len(left) && left[n].alike(left[0]) {
			n++
		}
		e.batch.begin(left[:n])
		left = left[n:]
	}
	clear(e.firsts)
	e.firsts = e.firsts[:0]
}

// alike says whether the prompt of s can be computed together with that of o, which is no longer. One of a single token is not padded: what
// an adapter adds to a single row rounds differently from what it adds to one of several.
func (s *sequence) alike(o *sequence) bool {
	return s.prompt == o.prompt || o.prompt > 1 && s.prompt-o.prompt <= firstsApart
}

// begin takes sequences of like length into the batch, computes their prompts and delivers their first tokens.
func (b *batch) begin(group []*sequence) {
	from := len(b.rows)
	for _, s := range group {
		s.row = len(b.rows)
		b.rows = append(b.rows, s)
	}
	if err := b.prefill(from); err != nil {
		for i := len(b.rows) - 1; i >= from; i-- {
			s := b.rows[i]
			b.leave(s)
			b.engine.finish(s, "", err)
		}
		return
	}
	b.engine.stats.active.Store(int64(len(b.rows)))
	b.deliver(from) // leaving rows count themselves
}

// prefill computes the prompts of the rows from from on, from their first position to their last, and leaves the logits of
// the last ones in front of b.logits.
func (b *batch) prefill(from int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked("compute first prompts", r)
		}
	}()
	begin := time.Now()
	if err := b.adapt(); err != nil {
		return fmt.Errorf("prepare first prompts: %w", err)
	}
	rows := b.rows[from:]
	longest, positions := 0, 0
	for _, s := range rows {
		longest = max(longest, s.prompt)
		positions += s.prompt
	}
	if err := b.runFirsts(from, longest); err != nil {
		return fmt.Errorf("compute %d first prompts of at most %d positions: %w", len(rows), longest, err)
	}
	took := time.Since(begin)
	for _, s := range rows {
		s.prefilled = s.prompt
		s.prefillTime += took
	}
	b.engine.stats.promptTokens.Add(int64(positions))
	b.engine.stats.firsts.Add(int64(len(rows)))
	b.engine.stats.firstRuns.Add(1)
	return nil
}

// runFirsts runs the graph once over the rows from one on, each padded at its end to the longest. What a padded position leaves in the
// cache lies behind its sequence's end, where it is overwritten before it is read.
func (b *batch) runFirsts(from, longest int) error {
	rows := b.rows[from:]
	adapted := anyAdapted(rows)
	st, err := b.newStep(b.engine.sessions.prompts.of(adapted), from, stepShape{len(rows), longest, adapted}, len(rows))
	if err != nil {
		return err
	}
	defer st.close()
	for i, s := range rows {
		for j, id := range s.tokens[:s.prompt] {
			st.ids[i*longest+j], st.positions[i*longest+j] = int64(id), int64(j)
		}
		st.index[i] = int64(i*longest + s.prompt - 1)
		st.lengths[i] = int32(s.prompt - 1)
		b.cache.touched[from+i] = max(b.cache.touched[from+i], longest)
	}
	if st.graph.factors {
		b.adapters.load(from, rows)
	}
	st.total[0] = int32(longest)
	err = st.binding.Run()
	b.engine.model.mask(b.logits[:len(rows)*b.engine.model.Config.Vocab])
	return err
}
