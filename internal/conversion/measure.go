package conversion

import (
	"context"
	"errors"
	"fmt"
	"math"

	"nightshift/internal/engine"
)

// measure compares both models on sequences.
func (r *Report) measure(ctx context.Context, original, converted *engine.Model, sequences []Sequence, opt Options) error {
	before, err := logProbs(ctx, original, sequences, opt, "measure float32")
	if err != nil {
		return err
	}
	after, err := logProbs(ctx, converted, sequences, opt, "measure "+opt.Format)
	if err != nil {
		return err
	}
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
	return nil
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
