package engine

import (
	"context"
	"fmt"
	"time"

	"nightshift/internal/engine/kv"
	"nightshift/internal/engine/scheduler"
	"nightshift/internal/sampling"
)

// Score is what the model thinks of a given text.
type Score struct {
	// LogProbs holds log p(tokens[i] | tokens[:i]) in nats for i from the asked position on.
	LogProbs []float32
	// Greedy counts those tokens that were the most probable ones.
	Greedy int
}

// scoring collects the log-probabilities of a sequence's own tokens.
type scoring struct {
	from     int
	logProbs []float32
	greedy   int // tokens that were also the most probable ones
	err      error
	done     chan struct{}
}

// Score computes the log-probabilities of tokens[from:] under a version, through the same graph, bank and grid that
// serve requests. It owns the pin. It does not stand in the queue: a full one does not refuse it, and it is computed before
// the requests that wait. from must be at least 1.
func (e *Engine) Score(ctx context.Context, pin *Pin, tokens []int32, from int) (Score, error) {
	err := e.checkTokens(tokens, pin)
	if err == nil && (len(tokens) > e.model.Config.Context || from < 1 || from >= len(tokens)) {
		err = &PromptError{Detail: fmt.Sprintf("score tokens %d to %d: the model's context is %d and the first token has no score", from, len(tokens), e.model.Config.Context)}
	}
	if err != nil {
		pin.Release()
		return Score{}, err
	}
	if err := e.reserve(pin, 1, len(tokens), true); err != nil {
		return Score{}, err
	}
	s := &sequence{tokens: append([]int32(nil), tokens...), pin: pin, rows: pin.rows,
		Sequence: scheduler.Sequence{Context: ctx, Submitted: time.Now(), Prompt: len(tokens), Cost: len(tokens), Score: true},
		score:    &scoring{from: from, logProbs: make([]float32, 0, len(tokens)-from), done: make(chan struct{})}}
	if err := e.push([]*sequence{s}); err != nil {
		return Score{}, err
	}
	select {
	case <-s.score.done:
		return Score{LogProbs: s.score.logProbs, Greedy: s.score.greedy}, s.score.err
	case <-ctx.Done():
		return Score{}, ctx.Err() // the loop drops the rest within a step
	}
}

// add scores the token that follows position p.
func (c *scoring) add(tokens []int32, p int, logits []float32) error {
	if p+1 < c.from || p+1 == len(tokens) {
		return nil
	}
	logProb, greedy, err := sampling.Score(logits, tokens[p+1])
	if err != nil {
		return fmt.Errorf("score position %d: %w", p+1, err)
	}
	c.logProbs = append(c.logProbs, logProb)
	if greedy {
		c.greedy++
	}
	return nil
}

// firstLogit is the first of the positions [from, to) whose logits are wanted: the last one's always are.
func (s *sequence) firstLogit(from, to int) int {
	switch {
	case s.score != nil:
		return min(to-1, max(from, s.score.from-1))
	case s.PromptLogProbs:
		return from
	}
	return to - 1
}

// reusable is how many positions of a sequence's prompt may come from the prefix cache: those whose logits nobody wants.
func (s *sequence) reusable() int {
	switch {
	case s.score != nil:
		return s.score.from - 1
	case s.PromptLogProbs:
		return 0
	}
	return s.Prompt - 1
}

// readLogits takes what is wanted out of the logits of the positions [first, to).
func (s *sequence) readLogits(first, to int, logits *kv.Logits) (err error) {
	for p := first; p < to; p++ {
		row := logits.Row(p - first)
		switch {
		case s.score != nil:
			err = s.score.add(s.tokens, p, row)
		case s.PromptLogProbs:
			err = s.addPrompt(p, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addPrompt scores the token of the prompt that follows position p.
func (s *sequence) addPrompt(p int, logits []float32) (err error) {
	if s.stream.prompt == nil {
		s.stream.prompt = make([]PromptToken, s.Prompt)
	}
	if p+1 == s.Prompt {
		return nil
	}
	t := &s.stream.prompt[p+1]
	if t.LogProb, _, err = sampling.Score(logits, s.tokens[p+1]); err == nil && s.top > 0 {
		t.Top, err = s.sampler.Likeliest(make([]sampling.Choice, 0, s.top), logits, s.top)
	}
	if err != nil {
		return fmt.Errorf("score position %d: %w", p+1, err)
	}
	return nil
}
