package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"nightshift/internal/stats"
)

// answeringShape is that of the model whose answers show what recording adds: so small that little of their time is its own. Text
// becomes bytes.
const answeringShape = "2,2,16,320,128"

// recordedCase is the case of lines about what recording adds over HTTP.
const recordedCase = "http"

// Of the answers over HTTP, in tokens: those of the interactions that are written directly.
const (
	answeredPrompt = 32
	answeredTokens = 64
)

// answering are two servers that differ in whether they record.
type answering struct {
	requests            int // in each block, of each server
	stacks              [2]*stack
	recorded, forgotten httpTarget
}

// startAnswering starts both, each with a local store; one drops what it should write, and redacts nothing.
func startAnswering(ctx context.Context, opt Options, requests int) (a *answering, err error) {
	a = &answering{requests: requests}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	opt.Shape, opt.Threads = answeringShape, 1
	for i, to := range []*httpTarget{&a.recorded, &a.forgotten} {
		if a.stacks[i], err = startStack(ctx, opt, formats[0].name, stackOptions{slots: 1, unrecorded: i == 1}); err != nil {
			return nil, err
		}
		*to = newHTTPTarget(a.stacks[i].url, false)
	}
	return a, nil
}

// close stops both.
func (a *answering) close() error {
	var err error
	for i, target := range []httpTarget{a.recorded, a.forgotten} {
		if target.client != nil {
			target.close()
		}
		if a.stacks[i] != nil {
			err = errors.Join(err, a.stacks[i].close())
		}
	}
	return err
}

// block has both servers answer the same requests, one at a time, each request by both in random order. Times are from the request to the
// last byte of its stream. The figures are differences of quantiles: what recording adds.
func (a *answering) block(ctx context.Context, block int) (m measurement, err error) {
	random := rand.New(rand.NewPCG(15, uint64(block)))
	next := a.stacks[0].questions(random, answeredPrompt, answeredTokens)
	var times [2][]float64
	for range a.requests {
		q := next()
		for _, i := range random.Perm(2) {
			begin := time.Now()
			t := []httpTarget{a.recorded, a.forgotten}[i].answer(ctx, q)
			if t.err != nil {
				return m, fmt.Errorf("measure what recording adds: %w", t.err)
			}
			times[i] = append(times[i], milliseconds(time.Since(begin)))
		}
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"added_http_ms_p50", 0.5}, {addedHTTP, 0.99}} {
		m.figures = append(m.figures, Number{q.name, stats.Quantile(times[0], q.at) - stats.Quantile(times[1], q.at)})
	}
	m.samples = []sample{{"recorded_ms", times[0]}, {"unrecorded_ms", times[1]}}
	m.counts = []Number{{"requests", float64(a.requests)}}
	return m, nil
}

// addedHTTP is what recording adds to the slowest hundredth of answers.
const addedHTTP = "added_http_ms_p99"
