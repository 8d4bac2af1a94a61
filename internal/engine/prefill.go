package engine

import (
	"errors"
	"fmt"
	"time"

	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// staging is the one-row cache in which a prompt is computed before its sequence joins a decode batch.
type staging struct {
	cache    *cache
	adapters *adapters
	binding  *ort.Binding
	tensors  []*ort.Tensor
	factors  []*ort.Tensor // over adapters
	logits   []float32     // [chunk, vocabulary]
}

func newStaging(e *Engine) (*staging, error) {
	binding, err := e.session.NewBinding()
	if err != nil {
		return nil, err
	}
	s := &staging{binding: binding, cache: newCache(e.model.Config, 1, e.model.Config.Context), adapters: newAdapters(e.bank, 1, gpt2.RankStep), logits: ort.AlignedFloats(e.cfg.Chunk * e.model.Config.Vocab)}
	s.tensors, err = s.cache.bind(binding, 1)
	if err == nil {
		s.factors, err = s.adapters.bind(binding, 1)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close frees the binding and then what it was bound to.
func (s *staging) close() error {
	s.binding.Close()
	for _, t := range append(s.tensors, s.factors...) {
		t.Close()
	}
	err := errors.Join(s.cache.close(), s.adapters.close(), ort.FreeFloats(s.logits))
	s.logits = nil
	return err
}

// load brings the adapter of a sequence into the slot, a larger or smaller one where its ranks differ from the last one's.
func (s *staging) load(q *sequence) error {
	if ranks := ranksOf(q); ranks != s.adapters.ranks {
		memory, factors := s.adapters, s.factors
		s.adapters = newAdapters(memory.bank, 1, ranks)
		var err error
		s.factors, err = s.adapters.bind(s.binding, 1)
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
	s.adapters.load(q)
	return nil
}

// run computes positions [from, to) of a sequence and leaves the logits of the positions from first on in s.logits.
func (s *staging) run(cfg gpt2.Config, q *sequence, from, to, first int) error {
	n, adapted := to-from, len(q.rows) > 0
	if adapted {
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
		{"adapters", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1}, []bool{adapted}) }},
	}
	for _, in := range inputs {
		t, err := in.make()
		if err != nil {
			return err
		}
		defer t.Close() // the binding keeps it until the next chunk's takes its place
		if err := s.binding.Input(in.name, t); err != nil {
			return err
		}
	}
	out, err := ort.NewTensor([]int64{int64(len(index)), int64(cfg.Vocab)}, s.logits[:len(index)*cfg.Vocab])
	if err != nil {
		return err
	}
	defer out.Close()
	if err := s.binding.Output("logits", out); err != nil {
		return err
	}
	return s.binding.Run()
}

// prefill computes one chunk of the filling sequence. After the last chunk the first token is sampled and the sequence
// moves into a decode batch.
func (e *Engine) prefill() {
	s := e.filling
	err := s.ctx.Err()
	late := err == nil && !s.prompted && s.timedOut(time.Now()) // a prompt's log-probabilities come whole or not at all
	if err == nil && !late {
		err = e.chunk(s)
	}
	switch {
	case err != nil, late:
		e.filling = nil
		e.finish(s, FinishTimeout, err)
	case s.prefilled < s.prompt:
	case s.score != nil:
		e.filling = nil
		e.finish(s, "", nil)
	case s.limit == s.prompt: // only the prompt's log-probabilities were wanted
		e.filling = nil
		e.finish(s, FinishLength, nil)
	default:
		e.filling = nil
		if !e.accept(s, e.staging.logits[:e.model.Config.Vocab]) {
			e.batch.join(s)
		}
	}
}

// recall fills the staging cache with what is known of a sequence's prompt.
func (e *Engine) recall(s *sequence) {
	begin := time.Now()
	s.recalled = e.prefixes.find(s.pin.Digest, s.tokens, s.reusable(), e.staging.cache)
	s.prefilled = s.recalled
	s.prefillTime += time.Since(begin)
	e.stats.recalled(s.recalled)
}

// nextChunk is where the next chunk of a sequence's prompt ends: at the next position of the grid.
func (e *Engine) nextChunk(s *sequence) int {
	return min(s.prompt, (s.prefilled/e.cfg.Chunk+1)*e.cfg.Chunk)
}

// chunk computes the prompt up to the next position of the grid, and keeps what ends there for prompts that begin alike.
func (e *Engine) chunk(s *sequence) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked("compute the prompt", r)
		}
	}()
	begin := time.Now()
	from, to := s.prefilled, e.nextChunk(s)
	first := s.firstLogit(from, to)
	if err := e.staging.run(e.model.Config, s, from, to, first); err != nil {
		return fmt.Errorf("compute prompt positions %d to %d: %w", from, to, err)
	}
	s.prefilled = to
	e.prefixes.add(s.pin.Digest, s.tokens[:to], e.staging.cache)
	s.prefillTime += time.Since(begin)
	e.stats.promptTokens.Add(int64(to - from))
	return s.readLogits(first, to, e.staging.logits, e.model.Config.Vocab)
}
