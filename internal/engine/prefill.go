package engine

import (
	"context"
	"fmt"
	"math"
	"time"

	"nightshift/onnx/gpt2"
	"nightshift/onnx/ort"
)

// staging is the one-row cache in which a prompt is computed before its sequence joins a decode batch.
type staging struct {
	cache   *cache
	binding *ort.Binding
	logits  []float32 // [chunk, vocabulary]
}

func newStaging(e *Engine) (*staging, error) {
	s := &staging{cache: newCache(e.model.Config, 1, e.model.Config.Context), logits: ort.AlignedFloats(e.cfg.Chunk * e.model.Config.Vocab)}
	var err error
	if s.binding, err = e.session.NewBinding(); err != nil {
		return nil, err
	}
	if _, err := s.cache.bind(s.binding, 1); err != nil {
		return nil, err
	}
	return s, e.bank.bind(s.binding)
}

// run computes positions [from, to) of tokens and leaves the logits of the positions from first on in s.logits.
func (s *staging) run(cfg gpt2.Config, tokens []int32, rows []int64, from, to, first int) error {
	n := to - from
	ids, positions, index := make([]int64, n), make([]int64, n), make([]int64, 0, n)
	for i := range n {
		ids[i], positions[i] = int64(tokens[from+i]), int64(from+i)
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
		{"adapter_ids", func() (*ort.Tensor, error) { return ort.NewTensor([]int64{1, int64(len(rows))}, rows) }},
	}
	for _, in := range inputs {
		t, err := in.make()
		if err != nil {
			return err
		}
		defer t.Close()
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

// prefill computes one chunk of the filling sequence, up to the next position of the grid. After the last chunk the
// first token is sampled and the sequence moves into a decode batch.
func (e *Engine) prefill() {
	s := e.filling
	if err := s.ctx.Err(); err != nil {
		e.filling = nil
		e.stats.cancelled.Add(1)
		s.finish("", err)
		return
	}
	begin := time.Now()
	from := s.prefilled
	to := min(s.prompt, (from/e.cfg.Chunk+1)*e.cfg.Chunk)
	first := to - 1
	if s.score != nil {
		first = min(first, max(from, s.score.from-1))
	}
	if err := e.staging.run(e.model.Config, s.tokens, s.pin.rows, from, to, first); err != nil {
		e.filling = nil
		s.finish("", fmt.Errorf("compute prompt positions %d to %d: %w", from, to, err))
		return
	}
	s.prefilled = to
	s.prefillTime += time.Since(begin)
	e.stats.promptTokens.Add(int64(to - from))
	if s.score != nil {
		s.score.add(s.tokens, first, to, e.staging.logits, e.model.Config.Vocab)
	}
	if to < s.prompt {
		return
	}
	e.filling = nil
	if s.score != nil {
		s.finish("", nil)
		return
	}
	if !e.accept(s, e.staging.logits[:e.model.Config.Vocab]) {
		e.join(s)
	}
}

// scoring collects the log-probabilities of a sequence's own tokens.
type scoring struct {
	from     int
	logProbs []float32
	greedy   int // tokens that were also the most probable ones
	err      error
	done     chan struct{}
}

// add scores the tokens that follow positions [first, to).
func (c *scoring) add(tokens []int32, first, to int, logits []float32, vocab int) {
	for p := max(first, c.from-1); p < to && p+1 < len(tokens); p++ {
		row := logits[(p-first)*vocab : (p-first+1)*vocab]
		target := row[tokens[p+1]]
		peak, best := row[0], 0
		for i, v := range row {
			if v > peak {
				peak, best = v, i
			}
		}
		var sum float64
		for _, v := range row {
			sum += math.Exp(float64(v - peak))
		}
		c.logProbs = append(c.logProbs, float32(float64(target-peak)-math.Log(sum)))
		if int32(best) == tokens[p+1] {
			c.greedy++
		}
	}
}

// Score is what the model thinks of a given text.
type Score struct {
	// LogProbs holds log p(tokens[i] | tokens[:i]) in nats for i from the asked position on.
	LogProbs []float32
	// Greedy counts those tokens that were the most probable ones.
	Greedy int
}

// Score computes the log-probabilities of tokens[from:] under a version, through the same graph, bank and grid that
// serve requests. It owns the pin like Submit. from must be at least 1.
func (e *Engine) Score(ctx context.Context, pin *Pin, tokens []int32, from int) (Score, error) {
	s, err := e.newSequence(ctx, tokens, pin)
	if err == nil && (len(tokens) > e.model.Config.Context || from < 1 || from >= len(tokens)) {
		err = &PromptError{Detail: fmt.Sprintf("score tokens %d to %d: the model's context is %d and the first token has no score", from, len(tokens), e.model.Config.Context)}
	}
	if err != nil {
		pin.Release()
		return Score{}, err
	}
	s.score = &scoring{from: from, logProbs: make([]float32, 0, len(tokens)-from), done: make(chan struct{})}
	if err := e.enqueue(s); err != nil {
		pin.Release()
		return Score{}, err
	}
	<-s.score.done
	return Score{LogProbs: s.score.logProbs, Greedy: s.score.greedy}, s.score.err
}
