package conversion

import (
	"context"
	"errors"
	"fmt"
	"math"

	"nightshift/internal/engine"
)

// compare fills in what the log-probabilities of the same tokens say about two models.
func (r *Report) compare(before, after []float32) {
	n := float64(len(before))
	var first, second, squares float64
	for i, p := range before {
		first -= float64(p) / n
		second -= float64(after[i]) / n
	}
	r.Measured, r.Change = len(before), second-first
	for i, p := range before {
		d := float64(p-after[i]) - r.Change
		squares += d * d
	}
	r.Uncertainty = math.Sqrt(squares / n / max(1, n-1))
	r.Float32, r.Converted = Loss{first, math.Exp(first)}, Loss{second, math.Exp(second)}
}

// logProbs scores sequences one after the other through an engine.
func logProbs(ctx context.Context, model *engine.Model, sequences []Sequence, opt Options, stage string) (all []float32, err error) {
	e, err := engine.New(model, engine.Config{Threads: opt.Threads, Slots: 1, BankRows: 2, MaxRank: 8})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() {
		stop()
		if failed := <-done; failed != nil && !errors.Is(failed, context.Canceled) {
			err = errors.Join(err, failed)
		}
	}()
	for i, s := range sequences {
		opt.progress(stage, i, len(sequences))
		pin, _ := e.Bank().Pin("") // the base model is always there
		score, err := e.Score(ctx, pin, s.Tokens, s.From)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", stage, err)
		}
		all = append(all, score.LogProbs...)
	}
	opt.progress(stage, len(sequences), len(sequences))
	return all, nil
}
