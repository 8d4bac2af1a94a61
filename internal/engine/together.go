package engine

import (
	"fmt"
	"time"

	"nightshift/internal/engine/scheduler"
)

// begin takes sequences of like length into the batch, computes their prompts right in the rows in which they will decode, and delivers
// their first tokens.
func (b *batch) begin(group []*scheduler.Sequence) {
	from := len(b.rows)
	for _, q := range group {
		s := of(q)
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
			err = panicked("compute prompts", r)
		}
	}()
	begin := time.Now()
	if err := b.adapt(); err != nil {
		return fmt.Errorf("prepare first prompts: %w", err)
	}
	rows := b.rows[from:]
	longest, positions := 0, 0
	for _, s := range rows {
		longest = max(longest, s.Prompt)
		positions += s.Prompt
	}
	if err := b.runTogether(from, longest); err != nil {
		return fmt.Errorf("compute %d first prompts of at most %d positions: %w", len(rows), longest, err)
	}
	took := time.Since(begin)
	for _, s := range rows {
		s.Prefilled = s.Prompt
		s.prefillTime += took
	}
	b.engine.stats.promptTokens.Add(int64(positions))
	b.engine.stats.firsts.Add(int64(len(rows)))
	b.engine.stats.firstRuns.Add(1)
	return nil
}

// runTogether runs the graph once over the rows from one on, each padded at its end to the longest. What a padded position leaves in the
// cache lies behind its sequence's end, where it is overwritten before it is read.
func (b *batch) runTogether(from, longest int) error {
	rows := b.rows[from:]
	adapted := anyAdapted(rows)
	st, err := b.newStep(b.engine.sessions.prompts.of(adapted), from, stepShape{len(rows), longest, adapted}, len(rows))
	if err != nil {
		return err
	}
	defer st.close()
	for i, s := range rows {
		for j, id := range s.tokens[:s.Prompt] {
			st.ids[i*longest+j], st.positions[i*longest+j] = int64(id), int64(j)
		}
		st.index[i] = int64(i*longest + s.Prompt - 1)
		st.lengths[i] = int32(s.Prompt - 1)
		b.cache.Use(from+i, longest)
	}
	b.loadAdapters(st.graph, from)
	st.total[0] = int32(longest)
	err = st.binding.Run()
	b.engine.model.mask(b.logits.Rows(len(rows)))
	return err
}
