package bench

import (
	"context"
	"math/rand/v2"
	"time"

	"nightshift/onnx/gpt2"
	"nightshift/update/train"
)

// TrainOptions choose a training benchmark.
type TrainOptions struct {
	Shape, CacheDir string
	Threads         int
	Rows, Columns   int // of a microbatch, every position with loss
	Rank            int
	Steps           int
}

// Train measures forward and backward passes of LoRA training for all four linears of every layer, on random weights
// in float32, beside the machine's matrix rate.
func Train(ctx context.Context, opt TrainOptions, report func(Result) error) error {
	model, err := RandomModel(opt.Shape, opt.CacheDir)
	if err != nil {
		return err
	}
	trainable := gpt2.Trainable{Rank: opt.Rank, Scale: 2}
	for layer := range model.Config.Layers {
		for _, m := range gpt2.Modules {
			trainable.Targets = append(trainable.Targets, gpt2.Target{Layer: layer, Module: m})
		}
	}
	s, err := train.NewSession(train.Base{Config: model.Config, Weights: model.Checkpoint.Initializer, Dir: model.Checkpoint.Dir()}, trainable, opt.Threads)
	if err != nil {
		return err
	}
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible, not secret
	for i := range s.Parameters() {
		s.Parameters()[i] = float32(random.NormFloat64() * 0.02)
	}
	batch := train.Pack(randomSequences(random, opt, model.Config.Vocab), opt.Rows, opt.Columns)[0]
	if _, _, err := s.Gradient(batch, 1, nil); err != nil { // touches the memory
		return err
	}
	matrix, err := MatrixRate(opt.Threads, 2*time.Second)
	if err != nil {
		return err
	}
	var steps []float64
	var last Result
	for range opt.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		begin := time.Now()
		if _, _, err := s.Gradient(batch, 1, nil); err != nil {
			return err
		}
		steps = append(steps, time.Since(begin).Seconds()*1000)
		last = trainResult(opt, model.Config, batch, matrix, append([]float64(nil), steps...))
		if err := report(last); err != nil {
			return err
		}
	}
	again, err := MatrixRate(opt.Threads, 2*time.Second)
	if err != nil {
		return err
	}
	last = trainResult(opt, model.Config, batch, max(matrix, again), steps)
	last.Summary = true
	return report(last)
}

// trainResult computes the rates. A position costs 2 floating-point operations a weight forward and 2 backward (the
// weights are frozen), three times 2 for the factors, and attention.
func trainResult(opt TrainOptions, cfg gpt2.Config, batch train.Batch, matrix float64, steps []float64) Result {
	factors := 0
	for _, m := range gpt2.Modules {
		if in, out, err := cfg.ModuleShape(m); err == nil {
			factors += cfg.Layers * opt.Rank * (in + out)
		}
	}
	head := cfg.Vocab * cfg.Width
	body := matrixParameters(cfg) - head
	attention := 3 * 2 * 2 * cfg.Layers * cfg.Width * batch.Columns
	perStep := float64(batch.Tokens)*float64(4*body+6*factors+attention) + float64(batch.Positions)*float64(4*head)
	p50 := quantile(steps, 0.5)
	achieved := perStep / (p50 / 1000) / 1e9
	return Result{Bench: "train", Shape: opt.Shape, Weights: "f32", Batch: opt.Rows, Threads: opt.Threads, TokensPerSecond: float64(batch.Tokens) / (p50 / 1000),
		StepP50: p50, StepP99: quantile(steps, 0.99), PeakRSS: peakRSS(), MatrixRate: matrix, Achieved: achieved, RooflineShare: achieved / matrix}
}

// randomSequences fills every row with one sequence of random tokens.
func randomSequences(r *rand.Rand, opt TrainOptions, vocab int) []train.Sequence {
	list := make([]train.Sequence, opt.Rows)
	for i := range list {
		list[i].Tokens = make([]int32, opt.Columns)
		for j := range list[i].Tokens {
			list[i].Tokens[j] = int32(r.IntN(vocab))
		}
	}
	return list
}
