package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
)

// DecodeOptions choose a decode benchmark.
type DecodeOptions struct {
	Shape, CacheDir string
	Batches         []int
	Threads         int
	Prompt, Tokens  int // tokens of each prompt and of each answer
}

// Decode measures the engine's decode rate at each batch size, on random weights in float32. report gets a result a
// batch size, and at last the summary, which is the result of the largest batch.
func Decode(ctx context.Context, opt DecodeOptions, report func(Result) error) error {
	model, err := RandomModel(opt.Shape, opt.CacheDir)
	if err != nil {
		return err
	}
	e, err := engine.New(model, engine.Config{Threads: opt.Threads, Slots: slices.Max(opt.Batches), Spin: true})
	if err != nil {
		return err
	}
	defer e.Close()
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { stop(); <-done }()
	if _, _, err := decodeOnce(ctx, e, slices.Max(opt.Batches), opt.Prompt, 8); err != nil { // touches the memory
		return err
	}
	var last Result
	for _, batch := range opt.Batches {
		bandwidth := Bandwidth(opt.Threads, time.Second)
		rate, steps, err := decodeOnce(ctx, e, batch, opt.Prompt, opt.Tokens)
		if err != nil {
			return err
		}
		bandwidth = max(bandwidth, Bandwidth(opt.Threads, time.Second))
		cfg := model.Config
		// A step reads every weight once, and each row's keys and values so far.
		context := float64(opt.Prompt) + float64(opt.Tokens)/2
		bytes := 4 * (float64(matrixParameters(cfg)) + float64(batch*cfg.Layers*2*cfg.Width)*context)
		achieved := bytes * rate / float64(batch) / 1e9
		last = Result{Bench: "decode", Shape: opt.Shape, Weights: "f32", Batch: batch, Threads: opt.Threads, TokensPerSecond: rate,
			StepP50: quantile(steps, 0.5), StepP99: quantile(steps, 0.99), PeakRSS: peakRSS(), Bandwidth: bandwidth, Achieved: achieved, RooflineShare: achieved / bandwidth}
		if err := report(last); err != nil {
			return err
		}
	}
	last.Summary = true
	return report(last)
}

// decodeOnce runs batch equal requests and measures the time in which all of them decode: tokens per second, and the
// milliseconds of each step.
func decodeOnce(ctx context.Context, e *engine.Engine, batch, prompt, tokens int) (rate float64, steps []float64, err error) {
	arrivals := make([][]time.Time, batch)
	results := make(chan error, batch)
	for i := range batch {
		ids := make([]int32, prompt)
		for j := range ids {
			ids[j] = int32((i*131 + j*17) % e.Model().Config.Vocab)
		}
		pin, _ := e.Bank().Pin("")
		stream, err := e.Submit(ctx, engine.Request{Prompt: ids, Pin: pin, MaxTokens: tokens + 4*batch, Sampling: sampling.Params{}, IgnoreEOS: true})
		if err != nil {
			return 0, nil, err
		}
		go func() {
			for range stream.Pieces {
				arrivals[i] = append(arrivals[i], time.Now())
			}
			results <- stream.Result().Err
		}()
	}
	for range batch {
		if e := <-results; e != nil {
			err = e
		}
	}
	if err != nil {
		return 0, nil, err
	}
	begin, end := arrivals[0][1], arrivals[0][len(arrivals[0])-1]
	for _, a := range arrivals {
		if len(a) < 3 {
			return 0, nil, fmt.Errorf("measure decoding: an answer has only %d tokens", len(a))
		}
		if a[1].After(begin) {
			begin = a[1]
		}
		if last := a[len(a)-1]; last.Before(end) {
			end = last
		}
	}
	count := 0
	for _, a := range arrivals {
		for i, t := range a {
			if !t.After(begin) || t.After(end) {
				continue
			}
			count++
			if &a[0] == &arrivals[0][0] {
				steps = append(steps, float64(t.Sub(a[i-1]).Microseconds())/1000)
			}
		}
	}
	return float64(count) / end.Sub(begin).Seconds(), steps, nil
}
