package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// batch is what decodes together. Its sequences fill rows 0 to n−1 without gaps: a leaving row is replaced by the last one. Every row
// has room for the whole context, of which memory is taken as it is used.
type batch struct {
	engine   *Engine
	cache    *cache
	adapters *adapters
	rows     []*sequence
	steps    []*step // by stepShape.index; nil: not built yet
	lookup   *lookup
	picker   *picker
	logits   []float32 // [slots or 1 + longest draft, vocabulary]
}

func newBatch(e *Engine) *batch {
	return &batch{engine: e, cache: newCache(e.model.Config, e.cfg.Slots, e.model.Config.Context), adapters: newAdapters(e.bank, e.cfg.Slots, gpt2.RankStep), rows: make([]*sequence, 0, e.cfg.Slots),
		steps: make([]*step, e.cfg.Slots+e.cfg.Lookup), lookup: newLookup(e.cfg.Lookup), picker: newPicker(e.cfg.Threads, e.cfg.Slots),
		logits: ort.AlignedFloats(max(e.cfg.Slots, 1+e.cfg.Lookup) * e.model.Config.Vocab)}
}

// close frees the bindings and then what they were bound to.
func (c *batch) close() error {
	c.closeSteps()
	err := errors.Join(c.cache.close(), c.adapters.close(), ort.FreeFloats(c.logits))
	c.logits = nil
	return err
}

// closeSteps frees the bindings.
func (c *batch) closeSteps() {
	for i, st := range c.steps {
		if st != nil {
			st.close()
			c.steps[i] = nil
		}
	}
}

// join copies a sequence whose prompt is computed out of its staging row into the batch.
func (c *batch) join(s *sequence) {
	s.row = len(c.rows)
	c.rows = append(c.rows, s)
	c.cache.copyRow(s.row, s.staging.cache, 0, s.prefilled)
	c.engine.stats.active.Store(int64(len(c.rows)))
}

// leave takes a sequence out of its batch and closes the gap. All but the last token of a sequence are in its row.
func (c *batch) leave(s *sequence) {
	last := len(c.rows) - 1
	if moved := c.rows[last]; moved != s {
		c.cache.copyRow(s.row, c.cache, last, len(moved.tokens)-1)
		moved.row = s.row
		c.rows[s.row] = moved
	}
	c.rows[last] = nil
	c.rows = c.rows[:last]
	c.lookup.forget(s)
	c.engine.stats.active.Store(int64(len(c.rows)))
}

// decode runs one step, if there are sequences: one token a row, and the draft of a sequence that is alone.
func (c *batch) decode() {
	c.dropEnded(time.Now())
	if len(c.rows) > 0 {
		if err := c.step(); err != nil {
			c.fail(err)
		} else {
			c.deliver()
		}
	}
	if err := c.account(); err != nil {
		slog.Error("memory of sequences that have ended was not given back", "error", err)
	}
}

// dropEnded ends the sequences whose requests are cancelled or have met their deadline.
func (c *batch) dropEnded(now time.Time) {
	for i := len(c.rows) - 1; i >= 0; i-- {
		s := c.rows[i]
		if err := s.ctx.Err(); err != nil || s.timedOut(now) {
			c.leave(s)
			c.engine.finish(s, FinishTimeout, err)
		}
	}
}

// fail ends every sequence of the batch.
func (c *batch) fail(err error) {
	for len(c.rows) > 0 {
		s := c.rows[len(c.rows)-1]
		c.leave(s)
		c.engine.finish(s, "", err)
	}
}

// propose drafts tokens for a sequence that decodes alone. Continuing with several tokens is for one row only, see
// gpt2.Decode. The last token that the step picks comes after the draft, and it must fit too.
func (c *batch) propose() {
	if c.lookup.most == 0 || len(c.rows) != 1 {
		c.lookup.draft = c.lookup.draft[:0]
		return
	}
	s := c.rows[0]
	c.lookup.propose(s, s.limit-len(s.tokens)-1, int32(c.engine.model.Config.EOS))
}

// deliver samples a token for every row and sends them from the last row on, so that a leaving row moves only rows that are done.
func (c *batch) deliver() {
	if len(c.lookup.draft) > 0 {
		c.deliverDraft()
		return
	}
	picks := c.picker.sample(c.rows, c.logits, c.engine.model.Config.Vocab)
	for i := len(picks) - 1; i >= 0; i-- {
		if s := c.rows[i]; c.engine.deliver(s, picks[i]) {
			c.leave(s)
		}
	}
}

// deliverDraft samples the tokens of a step that carried a draft: for as long as they are what the draft says, and one more.
func (c *batch) deliverDraft() {
	s, draft, vocab := c.rows[0], c.lookup.draft, c.engine.model.Config.Vocab
	for i := range len(draft) + 1 {
		if c.engine.accept(s, c.logits[i*vocab:(i+1)*vocab]) {
			c.lookup.learn(i)
			c.leave(s)
			return
		}
		if i == len(draft) || s.tokens[len(s.tokens)-1] != draft[i] {
			c.lookup.learn(i)
			return
		}
	}
}

// step computes the next token's logits of every row into c.logits, and those after every token of a draft.
func (c *batch) step() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked("decode a token", r)
		}
	}()
	c.propose()
	st, err := c.prepare()
	if err != nil {
		return fmt.Errorf("prepare a decode step: %w", err)
	}
	if err := st.binding.Run(); err != nil {
		st.close() // whatever is wrong with it, the next step gets a fresh one
		c.steps[st.shape.index(c.engine.cfg.Slots)] = nil
		return fmt.Errorf("decode a token: %w", err)
	}
	c.engine.stats.steps.Add(1)
	c.engine.stats.rows.Add(int64(len(c.rows)))
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
	if s.eos && int(p.token) == e.model.Config.EOS {
		piece.End = true
		s.stream.pieces <- piece
		e.finish(s, FinishStop, nil)
		return true
	}
	text, stopped, err := s.out.push(p.token)
	if err != nil {
		e.finish(s, "", fmt.Errorf("turn a token into text: %w", err))
		return true
	}
	piece.Text = text
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
