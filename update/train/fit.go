package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Options of a run over examples. Zero values are refused by Fit where they make no sense.
type Options struct {
	Rate    float64 // peak learning rate
	Floor   float64 // share of it left at the end
	Warmup  float64 // share of the steps
	Decay   float64 // AdamW weight decay
	Clip    float64 // largest gradient norm, 0 for none
	Rows    int     // rows of a microbatch
	Columns int     // tokens of a row
	Micro   int     // microbatches that make one step
	Steps   int
	Seed    uint64
}

// Step is what one optimizer step reports.
type Step struct {
	Step     int           `json:"step"` // counted from 1
	Steps    int           `json:"steps"`
	Loss     float64       `json:"loss"` // nats per weighted token, before the step
	Rate     float64       `json:"lr"`
	Norm     float64       `json:"grad_norm"`
	Tokens   int           `json:"tokens"` // input tokens of the step, without padding
	Duration time.Duration `json:"duration"`
}

// Source gives the examples of the next microbatch; Fit calls it with its own random source, so that a seed fixes the
// run.
type Source func(r *rand.Rand, rows, columns int) []Sequence

// Fit minimises the mean weighted token loss of what next gives, by AdamW with warm-up, cosine decay and clipping,
// starting from the session's parameters. It calls report after every step, and stops with ctx.
func Fit(ctx context.Context, s *Session, next Source, opt Options, report func(Step) error) error {
	if opt.Rate <= 0 || opt.Steps < 1 || opt.Rows < 1 || opt.Columns < 2 || opt.Micro < 1 {
		return fmt.Errorf("fit: rate %g, steps %d, rows %d, columns %d and microbatches %d must be positive", opt.Rate, opt.Steps, opt.Rows, opt.Columns, opt.Micro)
	}
	random := rand.New(rand.NewPCG(opt.Seed, 0x6e69676874)) //nolint:gosec // reproducible, not secret
	schedule := Schedule{Rate: opt.Rate, Floor: opt.Floor, Warmup: max(1, int(math.Round(opt.Warmup*float64(opt.Steps)))), Steps: opt.Steps}
	optimizer := NewAdamW(len(s.params), opt.Decay)
	sum := make([]float32, len(s.params))
	for step := range opt.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		begin := time.Now()
		batches := make([]Batch, 0, opt.Micro)
		var weight float64
		tokens := 0
		for range opt.Micro {
			for _, b := range Pack(next(random, opt.Rows, opt.Columns), opt.Rows, opt.Columns) {
				if b.Positions == 0 {
					continue
				}
				batches = append(batches, b)
				tokens += b.Tokens
				for _, w := range b.Weights {
					weight += float64(w)
				}
			}
		}
		if weight == 0 {
			return fmt.Errorf("fit step %d: no example carries loss", step+1)
		}
		loss, err := accumulate(s, batches, weight, sum)
		if err != nil {
			return err
		}
		norm := ClipNorm(sum, opt.Clip)
		if math.IsNaN(loss) || math.IsInf(loss, 0) || math.IsNaN(norm) || math.IsInf(norm, 0) {
			return fmt.Errorf("fit step %d: the loss is %g and the gradient norm %g; lower the learning rate", step+1, loss, norm)
		}
		rate := schedule.At(step)
		optimizer.Step(s.params, sum, rate)
		if err := report(Step{Step: step + 1, Steps: opt.Steps, Loss: loss, Rate: rate, Norm: norm, Tokens: tokens, Duration: time.Since(begin)}); err != nil {
			return err
		}
	}
	return nil
}

// accumulate sums the gradients of a step's batches into sum and returns the mean loss.
func accumulate(s *Session, batches []Batch, weight float64, sum []float32) (float64, error) {
	clear(sum)
	var total float64
	for _, b := range batches {
		loss, grads, err := s.Gradient(b, float32(1/weight), nil)
		if err != nil {
			return 0, err
		}
		total += loss
		for i, g := range grads {
			sum[i] += g
		}
	}
	return total, nil
}

// Shuffled is a Source that goes through the list in epochs, each in a new random order, and takes for every
// microbatch as many sequences as fit.
func Shuffled(list []Sequence) Source {
	var order []int
	return func(r *rand.Rand, rows, columns int) []Sequence {
		var batch []Sequence
		free := make([]int, rows)
		for i := range free {
			free[i] = columns
		}
		for {
			if len(order) == 0 {
				order = r.Perm(len(list))
			}
			s := list[order[0]]
			need := min(len(s.Tokens), columns)
			row := slices.IndexFunc(free, func(f int) bool { return f >= need })
			if row < 0 {
				return batch
			}
			free[row] -= need
			order = order[1:]
			batch = append(batch, s)
		}
	}
}

// Mixed is a Source that fills microbatches with fresh and rehearsed sequences in turn, ratio rehearsed ones for each
// fresh one, both shuffled in epochs of their own.
func Mixed(fresh, rehearsed []Sequence, ratio float64) Source {
	var freshOrder, rehearsedOrder []int
	debt := 0.0
	return func(r *rand.Rand, rows, columns int) []Sequence {
		var batch []Sequence
		free := make([]int, rows)
		for i := range free {
			free[i] = columns
		}
		for {
			order, list := &freshOrder, fresh
			if debt >= 1 {
				order, list = &rehearsedOrder, rehearsed
			}
			if len(*order) == 0 {
				*order = r.Perm(len(list))
			}
			s := list[(*order)[0]]
			need := min(len(s.Tokens), columns)
			row := slices.IndexFunc(free, func(f int) bool { return f >= need })
			if row < 0 {
				return batch
			}
			free[row] -= need
			*order = (*order)[1:]
			batch = append(batch, s)
			if debt >= 1 {
				debt--
			} else {
				debt += ratio
			}
		}
	}
}
