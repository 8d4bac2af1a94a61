package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// staging is a one-row cache in which a prompt that is no first one, see Engine.isFirst, is computed before its sequence joins the decode
// batch, with bindings of its own: continuing a sequence with several tokens is for one row only, see graphs.Model.Decode. Its memory is taken as it is used.
type staging struct {
	graphs   graphPair
	bindings map[*ort.Session]*ort.Binding
	cache    *cache
	adapters *adapters
	tensors  []*ort.Tensor
	factors  []*ort.Tensor // over adapters
	logits   []float32     // [chunk, vocabulary], shared with the other rows
}

func newStaging(e *Engine, logits []float32) (*staging, error) {
	s := &staging{graphs: e.sessions.prompts, bindings: map[*ort.Session]*ort.Binding{}, cache: newCache(e.model.Config, 1, e.model.Config.Context),
		adapters: newAdapters(e.bank, 1, graphs.RankStep), logits: logits}
	for _, g := range []graph{s.graphs.base, s.graphs.adapted} {
		if err := s.bind(g); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// bind makes the binding of a graph, which the other one may be too.
func (s *staging) bind(g graph) error {
	if s.bindings[g.Session] != nil {
		return nil
	}
	binding, err := g.NewBinding()
	if err != nil {
		return err
	}
	s.bindings[g.Session] = binding
	tensors, err := s.cache.bind(binding, 0, 1)
	s.tensors = append(s.tensors, tensors...)
	if err == nil && g.factors {
		s.factors, err = s.adapters.bind(binding, 0, 1)
	}
	return err
}

// close frees the bindings and then what they were bound to.
func (s *staging) close() error {
	for _, b := range s.bindings {
		b.Close()
	}
	for _, t := range append(s.tensors, s.factors...) {
		t.Close()
	}
	return errors.Join(s.cache.close(), s.adapters.close())
}

// load brings the adapter of a sequence into the slot, a larger or smaller one where its ranks differ from the last one's.
func (s *staging) load(q *sequence) error {
	if ranks := ranksOf(q); ranks != s.adapters.ranks {
		memory, factors := s.adapters, s.factors
		s.adapters = newAdapters(memory.bank, 1, ranks)
		var err error
		s.factors, err = s.adapters.bind(s.bindings[s.graphs.adapted.Session], 0, 1)
		if err != nil { // some inputs may lie over the old memory, which stays
			return err
		}
		for _, t := range factors {
			t.Close()
		}
		if err := memory.close(); err != nil {
			return err
		}
	}
	s.adapters.load(0, []*sequence{q})
	return nil
}

// run computes positions [from, to) of a sequence and leaves the logits of the positions from first on in s.logits.
func (s *staging) run(cfg arch.Shape, q *sequence, from, to, first int) error {
	n, g := to-from, s.graphs.of(len(q.rows) > 0)
	binding := s.bindings[g.Session]
	s.cache.touched[0] = max(s.cache.touched[0], to)
	if g.factors {
		if err := s.load(q); err != nil {
			return err
		}
	}
	ids, positions, index := make([]int64, n), make([]int64, n), make([]int64, 0, n)
	for i := range n {
		ids[i], positions[i] = int64(q.tokens[from+i]), int64(from+i)
		if from+i >= first {
			index = append(index, int64(i))
		}
	}
	inputs := []struct {
		name string
		make func() (*ort.Tensor, error)
	}{
		{"input_ids", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1, int64(n)}, ids) }},
		{"position_ids", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1, int64(n)}, positions) }},
		{"logit_index", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{int64(len(index))}, index) }},
		{"seqlens_k", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1}, []int32{int32(to - 1)}) }},
		{"total_sequence_length", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1}, []int32{int32(to)}) }},
	}
	for _, in := range inputs {
		t, err := in.make()
		if err != nil {
			return err
		}
		defer t.Close() // the binding keeps it until the next chunk's takes its place
		if err := binding.Input(in.name, t); err != nil {
			return err
		}
	}
	out, err := ort.NewTensor([]int64{int64(len(index)), int64(cfg.Vocab)}, s.logits[:len(index)*cfg.Vocab])
	if err != nil {
		return err
	}
	defer out.Close()
	if err := binding.Output("logits", out); err != nil {
		return err
	}
	return binding.Run()
}

// prefill computes one chunk of a prompt under way. After the last chunk the first token is sampled and the sequence moves into
// the decode batch.
func (e *Engine) prefill(s *sequence) {
	if e.dropPrompt(s, time.Now()) {
		return
	}
	e.prompts.took(s)
	err := e.chunk(s)
	switch {
	case err != nil:
		e.finish(s, "", err)
	case s.prefilled < s.prompt:
		return
	case s.score != nil:
		e.finish(s, "", nil)
	case s.limit == s.prompt: // only the prompt's log-probabilities were wanted
		e.finish(s, FinishLength, nil)
	case !e.accept(s, e.prompts.logits[:e.model.Config.Vocab]):
		e.batch.join(s)
	}
	e.endPrompt(s)
}

// dropPrompt ends a sequence whose prompt is under way when its request is cancelled or has met its deadline, and says whether it did.
func (e *Engine) dropPrompt(s *sequence, now time.Time) bool {
	err := s.ctx.Err()
	if err == nil && (s.prompted || !s.timedOut(now)) { // a prompt's log-probabilities come whole or not at all
		return false
	}
	e.finish(s, FinishTimeout, err)
	e.endPrompt(s)
	return true
}

// endPrompt takes a sequence out of its staging row.
func (e *Engine) endPrompt(s *sequence) {
	if err := e.prompts.end(s); err != nil {
		slog.Error("memory of a prompt that has ended was not given back", "error", err)
	}
	e.stats.prefilling.Store(int64(len(e.prompts.list)))
	e.stats.prefillBytes.Store(int64(e.prompts.bytes()))
}

// recall copies what is known of a sequence's prompt into its staging row, from where it has come to.
func (e *Engine) recall(s *sequence) {
	begin := time.Now()
	known := e.prefixes.find(s.pin.Digest, s.tokens, s.prefilled, s.reusable(), s.staging.cache)
	e.stats.recalled(known-s.prefilled, s.recalled == 0)
	s.recalled += known - s.prefilled
	s.prefilled = known
	s.prefillTime += time.Since(begin)
}

// nextChunk is where the next chunk of a sequence's prompt ends: at the next position of the grid.
func (e *Engine) nextChunk(s *sequence) int {
	return min(s.prompt, (s.prefilled/e.cfg.Chunk+1)*e.cfg.Chunk)
}

// chunk computes the prompt up to the next position of the grid, and keeps what ends there for prompts that begin alike. It
// leaves out what became known since the last chunk: another prompt under way may begin alike.
func (e *Engine) chunk(s *sequence) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked("compute the prompt", r)
		}
	}()
	e.recall(s)
	begin := time.Now()
	from, to := s.prefilled, e.nextChunk(s)
	first := s.firstLogit(from, to)
	if err := s.staging.run(e.model.Config, s, from, to, first); err != nil {
		return fmt.Errorf("compute prompt positions %d to %d: %w", from, to, err)
	}
	e.model.mask(e.prompts.logits[:(to-first)*e.model.Config.Vocab])
	s.prefilled = to
	e.prefixes.add(s.pin.Digest, s.tokens[:to], s.staging.cache)
	s.prefillTime += time.Since(begin)
	e.stats.promptTokens.Add(int64(to - from))
	e.stats.prefillBytes.Store(int64(e.prompts.bytes()))
	return s.readLogits(first, to, e.prompts.logits, e.model.Config.Vocab)
}
