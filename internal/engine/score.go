package engine

import (
	"context"
	"fmt"
	"math"
	"time"

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
	if err := e.reserve(pin, len(tokens), true); err != nil {
		return Score{}, err
	}
	s := &sequence{ctx: ctx, tokens: append([]int32(nil), tokens...), prompt: len(tokens), cost: len(tokens), pin: pin, rows: pin.bankRows(), submitted: time.Now(),
		score: &scoring{from: from, logProbs: make([]float32, 0, len(tokens)-from), done: make(chan struct{})}}
	if err := e.push(s); err != nil {
		return Score{}, err
	}
	select {
	case <-s.score.done:
		return Score{LogProbs: s.score.logProbs, Greedy: s.score.greedy}, s.score.err
	case <-ctx.Done():
		return Score{}, ctx.Err() // the loop drops the rest within a step
	}
}

// add scores the tokens that follow positions [first, to): log-softmax in float64, and like the sampler the lowest id
// counts as the most probable of equals.
func (c *scoring) add(tokens []int32, first, to int, logits []float32, vocab int) error {
	for p := max(first, c.from-1); p < to && p+1 < len(tokens); p++ {
		row := logits[(p-first)*vocab : (p-first+1)*vocab]
		peak, best := math.Inf(-1), -1
		for i, v := range row {
			if float64(v) > peak {
				peak, best = float64(v), i
			}
		}
		var sum float64
		for _, v := range row {
			sum += math.Exp(float64(v) - peak)
		}
		logProb := float64(row[tokens[p+1]]) - peak - math.Log(sum)
		if math.IsNaN(logProb) {
			return fmt.Errorf("score position %d: %w", p+1, sampling.ErrLogits)
		}
		c.logProbs = append(c.logProbs, float32(logProb))
		if int32(best) == tokens[p+1] {
			c.greedy++
		}
	}
	return nil
}
