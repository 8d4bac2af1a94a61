package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"nightshift/internal/engine"
	"nightshift/models/arch"
)

// runningEngine is an engine with its loop.
type runningEngine struct {
	*engine.Engine
	stop func() error
}

// startEngine opens a random model and runs an engine on it, sized as given and otherwise as the program runs it.
func startEngine(ctx context.Context, opt Options, weights string, cfg engine.Config) (*runningEngine, error) {
	opt.say("open %s in %s", opt.Shape, weights)
	model, err := RandomModel(opt.Shape, weights, opt.CacheDir)
	if err != nil {
		return nil, err
	}
	cfg.Threads, cfg.Spin = opt.Threads, true
	cfg.QueueTokens = 2 * max(16, cfg.Slots) * model.Config.Context // nothing that is measured is refused
	e, err := engine.New(model, cfg)
	if err != nil {
		return nil, err
	}
	return &runningEngine{e, running(ctx, e.Run)}, nil
}

// close ends the loop and frees the engine.
func (e *runningEngine) close() error {
	err := e.stop()
	e.Close()
	return err
}

// job is one row of a batch.
type job struct {
	prompt  []int32
	version string // in the bank; "" is the base model
}

// errApart says that there was no time in which all rows decoded.
var errApart = errors.New("the rows never decode together; take shorter prompts or smaller batches")

// decodeTogether decodes one row for each job and measures from the moment when all of them decode until one has tokens
// more of them: tokens per second, and the milliseconds of each of its steps. What is left of the answers is cancelled.
func decodeTogether(ctx context.Context, e *engine.Engine, jobs []job, tokens int) (m measurement, err error) {
	// The first rows decode while the prompts of the others are read, a chunk of at most 128 tokens at a step. On a machine
	// that does other things the readers of the answers can be late too: then with more room.
	limit := tokens + 8
	for _, j := range jobs {
		limit += len(j.prompt)/128 + 2
	}
	for range 4 {
		var arrivals [][]time.Time
		if arrivals, err = decodeOnce(ctx, e, jobs, tokens, limit); err != nil {
			break
		}
		if m, err = window(arrivals); !errors.Is(err, errApart) {
			break
		}
		limit *= 2
	}
	if err != nil {
		return m, fmt.Errorf("measure decoding: %w", err)
	}
	return m, nil
}

// decodeOnce is one try, with answers of at most limit tokens: when each token came.
func decodeOnce(ctx context.Context, e *engine.Engine, jobs []job, tokens, limit int) ([][]time.Time, error) {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arrivals := make([][]time.Time, len(jobs))
	streams := make([]*engine.Stream, len(jobs))
	for i, j := range jobs {
		pin, ok := e.Bank().Pin(j.version)
		if !ok {
			return nil, fmt.Errorf("version %s is not in the bank", j.version)
		}
		var err error
		streams[i], err = e.Submit(ctx, engine.Request{Prompt: j.prompt, Pin: pin, MaxTokens: limit, IgnoreEOS: true})
		if err != nil {
			return nil, err
		}
	}
	var waiting atomic.Int64 // rows that do not decode yet
	waiting.Store(int64(len(jobs)))
	results := make(chan error, len(jobs))
	for i, s := range streams {
		go func() {
			after := 0
			for p := range s.Pieces {
				if !p.HasToken {
					continue
				}
				arrivals[i] = append(arrivals[i], time.Now())
				if len(arrivals[i]) == 2 {
					waiting.Add(-1)
				}
				if waiting.Load() == 0 {
					if after++; after > tokens {
						cancel()
					}
				}
			}
			results <- s.Result().Err
		}()
	}
	var failed error
	for range jobs {
		if err := <-results; err != nil && !errors.Is(err, context.Canceled) {
			failed = err
		}
	}
	if failed == nil {
		failed = outer.Err()
	}
	return arrivals, failed
}

// window takes the part of the arrivals in which every row decodes. The row that came last says when that begins and when each
// step ends: a step brings every row one token, and the one before its second token may also have read its prompt.
func window(arrivals [][]time.Time) (measurement, error) {
	var last []time.Time
	var end time.Time
	for i, a := range arrivals {
		if len(a) < 3 {
			return measurement{}, errApart
		}
		if i == 0 || a[1].After(last[1]) {
			last = a
		}
		if over := a[len(a)-1]; i == 0 || over.Before(end) {
			end = over
		}
	}
	var steps []float64
	for i := 2; i < len(last) && !last[i].After(end); i++ {
		steps = append(steps, milliseconds(last[i].Sub(last[i-1])))
	}
	if len(steps) == 0 {
		return measurement{}, errApart
	}
	rate := float64(len(arrivals)*len(steps)) / last[len(steps)+1].Sub(last[1]).Seconds()
	return measurement{figures: []Number{{"tokens_per_second", rate}}, samples: []sample{{"step_ms", steps}}}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// decodeCost is what one decoded token costs: a step reads every weight once for the whole batch, and each row its keys and
// values so far.
func decodeCost(c arch.Shape, f format, batch int, context float64) cost {
	weights := float64(bodyParameters(c) + headParameters(c))
	past, read := float64(c.Layers*c.Heads*c.HeadSize)*context, float64(c.Layers*c.KVWidth())*context
	return cost{bytes: f.bytes*weights/float64(batch) + 2*4*read, operations: 2*weights + 4*past, int8: f.int8}
}

// prefillCost is what one token of a prompt costs: arithmetic, and its share of one look at the weights and of one row of the
// head.
func prefillCost(c arch.Shape, f format, prompt int) cost {
	body, head, n := float64(bodyParameters(c)), float64(headParameters(c)), float64(prompt)
	return cost{bytes: f.bytes * (body + head) / n, operations: 2*body + 2*head/n + 2*float64(c.Layers*c.Heads*c.HeadSize)*n, int8: f.int8}
}

// answerCost is what a token of an answer costs with its share of the prompt, when as many answers as batch are made at the
// same time.
func answerCost(c arch.Shape, f format, batch, prompt, tokens int) cost {
	decode, prefill := decodeCost(c, f, batch, float64(prompt)+float64(tokens)/2), prefillCost(c, f, prompt)
	share := float64(prompt) / float64(tokens)
	return cost{bytes: decode.bytes + share*prefill.bytes, operations: decode.operations + share*prefill.operations, int8: f.int8}
}

// closeAll closes engines.
func closeAll(engines []*runningEngine) error {
	var err error
	for _, e := range slices.Backward(engines) {
		err = errors.Join(err, e.close())
	}
	return err
}
