package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// TrainOptions choose a training benchmark.
type TrainOptions struct {
	Options
	Rows, Columns int // of a microbatch, every position with loss
	Rank          int
	Steps         int // in each block
}

// Train measures forward and backward passes of LoRA training for all four linears of every layer, on random weights,
// beside the machine's limits.
func Train(ctx context.Context, opt TrainOptions, report Report) error {
	weights, err := opt.one()
	if err != nil {
		return err
	}
	if err := errors.Join(positive("number of rows", opt.Rows), positive("number of columns", opt.Columns), positive("rank", opt.Rank), positive("number of steps", opt.Steps)); err != nil {
		return err
	}
	if weights != formats[0].name {
		return fmt.Errorf("training in %s: adapters are trained on %s weights", weights, formats[0].name)
	}
	model, err := RandomModel(opt.Shape, weights, opt.CacheDir)
	if err != nil {
		return err
	}
	trainable := graphs.Trainable{Rank: opt.Rank, Scale: 2}
	for layer := range model.Config.Layers {
		for _, m := range model.Config.Modules() {
			trainable.Targets = append(trainable.Targets, arch.Target{Layer: layer, Module: m})
		}
	}
	s, err := train.NewSession(train.Base{Config: model.Config, Weights: model.Checkpoint.Initializer, Dir: model.Checkpoint.Dir()}, trainable, opt.Threads)
	if err != nil {
		return err
	}
	defer s.Close()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range s.Parameters() {
		s.Parameters()[i] = float32(random.NormFloat64() * 0.02)
	}
	batch := train.Pack(randomSequences(random, opt, model.Config.Vocab), opt.Rows, opt.Columns)[0]
	if _, _, err := s.Gradient(batch, 1, nil); err != nil { // touches the memory
		return err
	}
	peak := peakRSS() // before the machine's limits are measured, which takes memory of its own
	p := plan{bench: "train", options: opt.Options, judged: roofline, cases: []testCase{{
		weights: weights, cost: trainCost(opt, model.Config, batch),
		settings: []Number{{"batch", float64(opt.Rows)}, {"columns", float64(opt.Columns)}, {"rank", float64(opt.Rank)}, {"peak_rss_mb", peak}},
		run: func(ctx context.Context, _ int) (measurement, error) {
			var steps []float64
			begin := time.Now()
			for range opt.Steps {
				if err := ctx.Err(); err != nil {
					return measurement{}, err
				}
				at := time.Now()
				if _, _, err := s.Gradient(batch, 1, nil); err != nil {
					return measurement{}, err
				}
				steps = append(steps, milliseconds(time.Since(at)))
			}
			rate := float64(batch.Tokens*opt.Steps) / time.Since(begin).Seconds()
			return measurement{figures: []Number{{"tokens_per_second", rate}}, samples: []sample{{"step_ms", steps}}}, nil
		}}}}
	lines, err := p.run(ctx, report)
	if err != nil {
		return err
	}
	return p.conclude(lines, lines[0], report)
}

// trainCost is what a token costs: 2 floating-point operations a weight forward and 2 backward (the weights are frozen),
// three times 2 for the factors, and attention. Weights are read once forward and once backward.
func trainCost(opt TrainOptions, cfg arch.Shape, batch train.Batch) cost {
	factors := 0
	for _, m := range cfg.Modules() {
		if in, out, err := cfg.Dims(m); err == nil {
			factors += cfg.Layers * opt.Rank * (in + out)
		}
	}
	body, head, tokens := float64(bodyParameters(cfg)), float64(headParameters(cfg)), float64(batch.Tokens)
	attention := float64(3 * 2 * 2 * cfg.Layers * cfg.Heads * cfg.HeadSize * batch.Columns)
	return cost{bytes: 2 * 4 * (body + head) / tokens, operations: 4*body + 6*float64(factors) + attention + 4*head*float64(batch.Positions)/tokens}
}

// randomSequences fills every row with one sequence of random tokens.
func randomSequences(r *rand.Rand, opt TrainOptions, vocab int) []train.Sequence {
	list := make([]train.Sequence, opt.Rows)
	for i := range list {
		list[i].Tokens = randomPrompt(r, opt.Columns, vocab)
	}
	return list
}

// peakRSS is the largest resident set of this process so far, in megabytes.
func peakRSS() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}
