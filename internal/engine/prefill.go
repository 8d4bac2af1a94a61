package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nightshift/internal/engine/kv"
	"nightshift/internal/engine/scheduler"
	"nightshift/onnx/ort"
)

// staging computes the prompts in flight, each in a row of its own.
type staging struct {
	rows   [scheduler.MaxPrefills]*stagingRow
	logits *kv.Logits // of the last chunk's positions, whoever's it was
}

// stagingRow computes one prompt before its sequence joins the batch, with bindings of its own: continuing a sequence with several
// tokens is for one row only, see graphs.Model.Decode.
type stagingRow struct {
	graphs   graphPair
	bindings map[*ort.Session]*ort.Binding
	memory   *kv.Staging
}

func newStaging(e *Engine) (*staging, error) {
	s := &staging{logits: kv.NewLogits(e.cfg.Chunk, e.model.Config.Vocab)}
	for i := range s.rows {
		r := &stagingRow{graphs: e.sessions.prompts, bindings: map[*ort.Session]*ort.Binding{}, memory: kv.NewStaging(e.model.Config, e.bank.memory)}
		s.rows[i] = r
		for _, g := range []graph{r.graphs.base, r.graphs.adapted} {
			if err := r.bind(g); err != nil {
				return nil, errors.Join(err, s.close())
			}
		}
	}
	return s, nil
}

// close frees the bindings and then what they were bound to.
func (s *staging) close() error {
	var err error
	for i, r := range s.rows {
		if r == nil {
			continue
		}
		for _, b := range r.bindings {
			b.Close()
		}
		err = errors.Join(err, r.memory.Close())
		s.rows[i] = nil
	}
	err = errors.Join(err, s.logits.Close())
	s.logits = nil
	return err
}

// vacate ends the use of a row. The first row keeps the memory that it has taken, the others only what short prompts need.
func (s *staging) vacate(row int) error {
	if row == 0 {
		return nil
	}
	return s.rows[row].memory.Cache.Release(0, kv.Spare/len(s.rows))
}

// bytes is the memory that the rows have taken for keys and values, but for parts of pages.
func (s *staging) bytes() (n int) {
	for _, r := range s.rows {
		n += r.memory.Cache.Bytes(0)
	}
	return n
}

// bind makes the binding of a graph, which the other one may be too.
func (r *stagingRow) bind(g graph) error {
	if r.bindings[g.Session] != nil {
		return nil
	}
	binding, err := g.NewBinding()
	if err != nil {
		return err
	}
	r.bindings[g.Session] = binding
	return r.memory.Bind(binding, g.factors)
}

// run computes positions [from, to) of a sequence and leaves the logits of the positions from first on in logits.
func (r *stagingRow) run(s *sequence, from, to, first int, logits *kv.Logits) error {
	g := r.graphs.of(len(s.rows) > 0)
	binding := r.bindings[g.Session]
	r.memory.Cache.Use(0, to)
	if g.factors {
		if err := r.memory.Load(binding, s.pin.Digest, s.rows); err != nil {
			return err
		}
	}
	in := newInputs(1, to-from, to-first)
	for i := range in.ids {
		in.ids[i], in.positions[i] = int64(s.tokens[from+i]), int64(from+i)
	}
	for i := range in.index {
		in.index[i] = int64(first - from + i)
	}
	in.lengths[0], in.total[0] = int32(to-1), int32(to)
	tensors, err := in.bind(binding)
	defer func() {
		for _, t := range tensors { // the binding keeps them until the next chunk's take their places
			t.Close()
		}
	}()
	if err != nil {
		return err
	}
	out, err := logits.Bind(binding, len(in.index))
	if out != nil {
		tensors = append(tensors, out)
	}
	if err != nil {
		return err
	}
	return binding.Run()
}

// prefill computes one chunk of a prompt in flight. After the last chunk the first token is sampled and the sequence moves into
// the decode batch.
func (e *Engine) prefill(s *sequence) {
	logits, err := e.chunk(s)
	switch {
	case err != nil:
		e.finish(s, "", err)
	case s.Prefilled < s.Prompt:
		return
	case s.score != nil:
		e.finish(s, "", nil)
	case s.limit == s.Prompt: // only the prompt's log-probabilities were wanted
		e.finish(s, FinishLength, nil)
	case !e.accept(s, logits):
		e.batch.join(s)
	}
	e.endPrefill(s)
}

// endPrefill takes a sequence out of its staging row.
func (e *Engine) endPrefill(s *sequence) {
	e.scheduling.Lock()
	e.scheduler.EndPrefill(&s.Sequence)
	e.scheduling.Unlock()
	if err := e.staging.vacate(s.Staging); err != nil {
		slog.Error("memory of a prompt that has ended was not given back", "error", err)
	}
	e.stats.prefillBytes.Store(int64(e.staging.bytes()))
}

// recall copies what is known of a sequence's prompt into its staging row, from where it has come to.
func (e *Engine) recall(s *sequence) {
	begin := time.Now()
	known := e.prefixes.Find(s.pin.Digest, s.tokens, s.Prefilled, s.reusable(), e.staging.rows[s.Staging].memory.Cache)
	e.stats.recalled(known-s.Prefilled, s.recalled == 0)
	s.recalled += known - s.Prefilled
	s.Prefilled = known
	s.prefillTime += time.Since(begin)
}

// chunk computes the prompt up to the next position of the grid, and keeps what ends there for prompts that begin alike. It
// leaves out what became known since the last chunk: another prompt in flight may begin alike. It returns the last position's logits.
func (e *Engine) chunk(s *sequence) (logits []float32, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked("compute the prompt", r)
		}
	}()
	e.recall(s)
	begin := time.Now()
	from, to := s.Prefilled, e.scheduler.ChunkEnd(&s.Sequence)
	first := s.firstLogit(from, to)
	if err := e.staging.rows[s.Staging].run(s, from, to, first, e.staging.logits); err != nil {
		return nil, fmt.Errorf("compute prompt positions %d to %d: %w", from, to, err)
	}
	e.model.mask(e.staging.logits.Rows(to - first))
	s.Prefilled = to
	e.prefixes.Add(s.pin.Digest, s.tokens[:to], e.staging.rows[s.Staging].memory.Cache)
	s.prefillTime += time.Since(begin)
	e.stats.promptTokens.Add(int64(to - from))
	e.stats.prefillBytes.Store(int64(e.staging.bytes()))
	return e.staging.logits.Row(to - 1 - first), s.readLogits(first, to, e.staging.logits)
}
