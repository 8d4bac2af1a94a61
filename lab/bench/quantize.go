package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/internal/conversion"
	"nightshift/internal/engine"
	"nightshift/lab/pretrain"
	"nightshift/models/demo"
	"nightshift/models/quantize"
)

// Outliers is the name of the model that ships with outlier channels, which is the same function in float32.
const Outliers = "outliers"

// keptFacts is the share of the right facts that a weight format must keep.
const keptFacts = 0.95

// QuantizeOptions choose a benchmark of what weight formats cost in quality. Of Options it takes Weights, int8 or int4, CacheDir,
// Threads and Progress.
type QuantizeOptions struct {
	Options
	Models []string // Shipped, Outliers
}

// Quantize converts models into weight formats as an import does, and compares them with float32: the change of the nats per token of
// held-out text and its standard error, the questions that nothing was trained on, and the relative error of the outputs of the worst
// linear. It fails when a format loses more nats per token than conversion.Limits or keeps fewer than 95 % of the facts that
// float32 has right. A conversion that an import would refuse is not asked. What is made is removed at the end. The figures are
// of no clock: they hold on any machine whose processor rounds alike. The summary has the worst of each figure that is judged.
func Quantize(ctx context.Context, opt QuantizeOptions, report Report) error {
	if len(opt.Models) == 0 || len(opt.Weights) == 0 {
		return errors.New("measure quantisation: no model or no weight format is given")
	}
	for _, m := range opt.Models {
		if m != Shipped && m != Outliers {
			return fmt.Errorf("model %q is not known: use %s or %s", m, Shipped, Outliers)
		}
	}
	for _, w := range opt.Weights {
		if _, ok := conversion.Limits[w]; !ok {
			return fmt.Errorf("weight format %q is not made by a conversion: use %s or %s", w, quantize.Int8, quantize.Int4)
		}
	}
	dir, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return fmt.Errorf("measure quantisation: %w", err)
	}
	defer os.RemoveAll(dir)
	var lines []Result
	for _, name := range opt.Models {
		list, err := opt.measure(ctx, name, dir, report)
		if err != nil {
			return fmt.Errorf("measure quantisation: %s: %w", name, err)
		}
		lines = append(lines, list...)
	}
	return opt.conclude(lines, report)
}

// conclude reports the summary of the lines of all formats, and fails when one failed.
func (opt QuantizeOptions) conclude(lines []Result, report Report) error {
	summary := Result{Bench: "quantize", Weights: strings.Join(opt.Weights, ","), Threads: opt.Threads, Judgement: Pass, Summary: true}
	worst, kept := math.Inf(-1), 1.0
	var failed []error
	for _, l := range lines {
		change, _ := l.Figure("change_over_limit")
		worst = max(worst, change)
		facts, asked := l.Figure("facts_kept")
		if asked {
			kept = min(kept, facts)
		}
		if l.Judgement == Fail {
			summary.Judgement = Fail
			err := fmt.Errorf("%s in %s loses %.2f times the nats per token that it may", l.Case, l.Weights, change)
			if asked {
				err = fmt.Errorf("%w and keeps %.1f %% of the right facts, want %.0f %%", err, 100*facts, 100*keptFacts)
			}
			failed = append(failed, err)
		}
	}
	summary.Figures = []Number{{"change_over_limit", worst}, {"facts_kept", kept}}
	if err := report(summary); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// measure reports a line of a model in float32, and returns the lines of the formats.
func (opt QuantizeOptions) measure(ctx context.Context, name, dir string, report Report) ([]Result, error) {
	model, at, err := opt.open(name, dir)
	if err != nil {
		return nil, err
	}
	text, err := conversion.Read(model, at, "")
	if err != nil {
		return nil, err
	}
	opt.say("ask %s in float32", name)
	before, err := examine(ctx, model, opt.Threads)
	if err != nil {
		return nil, err
	}
	size, err := os.Stat(filepath.Join(at, "model.safetensors"))
	if err != nil {
		return nil, err
	}
	line := func(weights string, loss float64, size int64) Result {
		return Result{Bench: "quantize", Case: name, Shape: "demo", Weights: weights, Threads: opt.Threads,
			Figures: []Number{{"size_mb", float64(size) / 1e6}, {"nats_per_token", loss}}}
	}
	var list []Result
	for i, weights := range opt.Weights {
		opt.say("convert %s to %s", name, weights)
		cache := filepath.Join(dir, name+"-cache")
		r, err := conversion.Run(ctx, model, text, conversion.Options{Options: quantize.Defaults(weights), CacheDir: cache, Threads: opt.Threads, Limit: conversion.Limits[weights]})
		if err != nil && !errors.Is(err, conversion.ErrLoss) {
			return nil, err
		}
		if i == 0 {
			first := line(formats[0].name, r.Float32.Nats, size.Size())
			first.Figures = append(first.Figures, quality(before)...)
			if err := report(first); err != nil {
				return nil, err
			}
		}
		l := line(weights, r.Converted.Nats, r.Bytes)
		l.Figures = append(l.Figures, Number{"change", r.Change}, Number{"standard_error", r.Uncertainty}, Number{"change_over_limit", r.Change / r.Limit},
			Number{"tokens", float64(r.Measured)}, Number{"worst_linear_error", worstLinear(r.Linears)})
		var after []pretrain.Marked
		if r.Kept {
			opt.say("ask %s in %s", name, weights)
			converted, err := engine.LoadModelAs(at, cache, weights)
			if err != nil {
				return nil, err
			}
			if after, err = examine(ctx, converted, opt.Threads); err != nil {
				return nil, err
			}
		}
		l.Figures, l.Judgement = append(l.Figures, compareMarks(before, after)...), judgeQuality(r, before, after)
		if err := report(l); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

// open opens one of the models, which lies in the directory that it returns.
func (opt QuantizeOptions) open(name, dir string) (*engine.Model, string, error) {
	at, err := demo.Dir(opt.CacheDir)
	if err != nil {
		return nil, "", err
	}
	model, err := engine.LoadModel(at, opt.CacheDir)
	if err != nil || name == Shipped {
		return model, at, err
	}
	to := filepath.Join(dir, name)
	if err := conversion.WriteOutliers(model.Checkpoint, at, to); err != nil {
		return nil, "", err
	}
	model, err = engine.LoadModel(to, opt.CacheDir)
	return model, to, err
}

// examine asks a model the questions that nothing was trained on.
func examine(ctx context.Context, model *engine.Model, threads int) (list []pretrain.Marked, err error) {
	e, err := startOn(ctx, model, engine.Config{Threads: threads})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	return pretrain.Examine(ctx, e.Engine, demo.Heldout)
}

// quality are the shares of right answers.
func quality(list []pretrain.Marked) []Number {
	q := pretrain.Summarize(list)
	return []Number{{"facts_right", q.Facts}, {"refusals", q.Refusals}}
}

// compareMarks are the shares of right answers, and how many of those that were right before still are; none when after is empty.
func compareMarks(before, after []pretrain.Marked) []Number {
	if len(after) == 0 {
		return nil
	}
	facts, refusals := pretrain.Kept(before, after)
	return append(quality(after), Number{"facts_kept", facts}, Number{"refusals_kept", refusals})
}

// judgeQuality says whether a conversion keeps to its limit and keeps the right facts.
func judgeQuality(r conversion.Report, before, after []pretrain.Marked) Judgement {
	if !r.Kept || !(r.Change <= r.Limit) {
		return Fail
	}
	if facts, _ := pretrain.Kept(before, after); !(facts >= keptFacts) {
		return Fail
	}
	return Pass
}

// worstLinear is the largest relative error of the outputs of a linear, of those that were converted.
func worstLinear(list []quantize.Linear) float64 {
	errors := []float64{0}
	for _, l := range list {
		if l.Error != nil && l.Weights != quantize.Float32 {
			errors = append(errors, *l.Error)
		}
	}
	return slices.Max(errors)
}
