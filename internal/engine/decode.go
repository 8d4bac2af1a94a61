package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nightshift/internal/engine/kv"
)

// batch is what decodes together. Its sequences fill rows 0 to n−1 without gaps: a leaving row is replaced by the last one. Every row
// has room for the whole context, of which memory is taken as it is used.
type batch struct {
	engine   *Engine
	cache    *kv.Cache
	adapters *kv.AdapterSlots
	rows     []*sequence
	steps    []*step // by stepShape.index; nil: not built yet
	lookup   *lookup
	picker   *picker
	logits   *kv.Logits // of slots rows, or 1 + longest draft
}

func newBatch(e *Engine) *batch {
	slots, cfg := e.cfg.Slots, e.model.Config
	return &batch{engine: e, cache: kv.NewCache(cfg, slots, cfg.Context), adapters: kv.NewAdapterSlots(e.bank.memory, slots, kv.Ranks(0)), rows: make([]*sequence, 0, slots),
		steps: make([]*step, 2*(slots+e.cfg.Lookup)), lookup: newLookup(e.cfg.Lookup), picker: newPicker(e.cfg.Threads, slots), logits: kv.NewLogits(max(slots, 1+e.cfg.Lookup), cfg.Vocab)}
}

// close frees the bindings and then what they were bound to.
func (b *batch) close() error {
	b.closeSteps()
	err := errors.Join(b.cache.Close(), b.adapters.Close(), b.logits.Close())
	b.cache, b.adapters, b.logits = nil, nil, nil
	return err
}

// closeSteps frees the bindings.
func (b *batch) closeSteps() {
	for i, st := range b.steps {
		if st != nil {
			st.close()
			b.steps[i] = nil
		}
	}
}

// join copies a sequence whose prompt is computed out of its staging row into the batch.
func (b *batch) join(s *sequence) {
	s.row = len(b.rows)
	b.rows = append(b.rows, s)
	b.cache.CopyRow(s.row, b.engine.staging.rows[s.Staging].memory.Cache, 0, s.Prefilled)
	b.engine.stats.active.Store(int64(len(b.rows)))
}

// leave takes a sequence out of its batch and closes the gap. All but the last token of a sequence are in its row.
func (b *batch) leave(s *sequence) {
	last := len(b.rows) - 1
	if moved := b.rows[last]; moved != s {
		b.cache.CopyRow(s.row, b.cache, last, len(moved.tokens)-1)
		moved.row = s.row
		b.rows[s.row] = moved
	}
	b.rows[last] = nil
	b.rows = b.rows[:last]
	b.lookup.forget(s)
	b.engine.stats.active.Store(int64(len(b.rows)))
}

// decode runs one step, if there are sequences: one token a row, and the draft of a sequence that is alone.
func (b *batch) decode() {
	b.dropEnded(time.Now())
	if len(b.rows) > 0 {
		switch err := b.step(); {
		case err != nil:
			b.fail(err)
		case len(b.lookup.draft) > 0:
			b.deliverDraft()
		default:
			b.deliver(0)
		}
	}
	if err := b.account(); err != nil {
		slog.Error("memory of sequences that have ended was not given back", "error", err)
	}
}

// dropEnded ends the sequences whose requests are cancelled or have met their deadline.
func (b *batch) dropEnded(now time.Time) {
	for i := len(b.rows) - 1; i >= 0; i-- {
		s := b.rows[i]
		if err := s.Context.Err(); err != nil || s.TimedOut(now) {
			b.leave(s)
			b.engine.finish(s, FinishTimeout, err)
		}
	}
}

// fail ends every sequence of the batch.
func (b *batch) fail(err error) {
	for len(b.rows) > 0 {
		s := b.rows[len(b.rows)-1]
		b.leave(s)
		b.engine.finish(s, "", err)
	}
}

// propose drafts tokens for a sequence that decodes alone. Continuing with several tokens is for one row only, see
// graphs.Model.Decode. The last token that the step picks comes after the draft, and it must fit too.
func (b *batch) propose() {
	if b.lookup.limit == 0 || len(b.rows) != 1 {
		b.lookup.draft = b.lookup.draft[:0]
		return
	}
	s := b.rows[0]
	b.lookup.propose(s, s.limit-len(s.tokens)-1, b.engine.model.Ends)
}

// deliver samples a token for every row from one on and sends them from the last row on, so that a leaving row moves only rows that are
// done.
func (b *batch) deliver(from int) {
	picks := b.picker.sample(b.rows[from:], b.logits.Rows(len(b.rows)-from), b.engine.model.Config.Vocab)
	for i := len(picks) - 1; i >= 0; i-- {
		if s := b.rows[from+i]; b.engine.deliver(s, picks[i]) {
			b.leave(s)
		}
	}
}

// deliverDraft samples the tokens of a step that carried a draft: for as long as they are what the draft says, and one more.
func (b *batch) deliverDraft() {
	s, draft := b.rows[0], b.lookup.draft
	for i := range len(draft) + 1 {
		if b.engine.accept(s, b.logits.Row(i)) {
			b.lookup.learn(i)
			b.leave(s)
			return
		}
		if i == len(draft) || s.tokens[len(s.tokens)-1] != draft[i] {
			b.lookup.learn(i)
			return
		}
	}
}

// step computes the next token's logits of every row into b.logits, and those after every token of a draft.
func (b *batch) step() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked("decode a token", r)
		}
	}()
	b.propose()
	st, err := b.prepare()
	if err != nil {
		return fmt.Errorf("prepare a decode step: %w", err)
	}
	if err := st.binding.Run(); err != nil {
		st.close() // whatever is wrong with it, the next step gets a fresh one
		b.steps[st.shape.index(b.engine.cfg.Slots)] = nil
		return fmt.Errorf("decode a token: %w", err)
	}
	b.engine.model.mask(b.logits.Rows(len(st.index)))
	b.engine.stats.steps.Add(1)
	b.engine.stats.rows.Add(int64(len(b.rows)))
	return nil
}

// accept samples the sequence's next token and sends it to the stream; done says whether the answer has ended with it.
func (e *Engine) accept(s *sequence, logits []float32) (done bool) {
	return e.deliver(s, s.pick(logits))
}

// deliver sends a sampled token to the stream; done says whether the answer has ended with it.
func (e *Engine) deliver(s *sequence, p picked) (done bool) {
	defer func() {
		if r := recover(); r != nil {
			e.finish(s, "", panicked("deliver a token", r))
			done = true
		}
	}()
	if p.err != nil {
		slog.Error("a decode step gave no token", "version", s.pin.Digest, "error", p.err)
		e.finish(s, "", fmt.Errorf("sample a token: %w", p.err))
		return true
	}
	s.arrived(time.Now())
	s.tokens = append(s.tokens, p.token)
	e.stats.answerTokens.Add(1)
	piece := Piece{Choice: s.choice, Token: p.token, LogProb: p.logProb, Top: p.top, HasToken: true}
	if s.eos && e.model.IsEnd(p.token) {
		piece.End = true
		s.stream.pieces <- piece
		e.finish(s, FinishStop, nil)
		return true
	}
	fresh, stopped, err := s.out.push(p.token)
	if err != nil {
		e.finish(s, "", fmt.Errorf("turn a token into text: %w", err))
		return true
	}
	piece.Text, piece.Plain = fresh.text, fresh.plain
	s.stream.pieces <- piece
	switch {
	case stopped:
		e.finish(s, FinishStop, nil)
	case len(s.tokens) >= s.limit:
		e.finish(s, FinishLength, nil)
	default:
		return false
	}
	return true
}
