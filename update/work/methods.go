package work

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"nightshift/onnx/graphs"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// prepare makes the run of the job's objective and methods, which begins at start.
func (w *worker) prepare(ctx context.Context, trainable graphs.Trainable, start []float32, l lessons) (*method.Run, error) {
	t := w.job.Train
	var wrong error
	t.Methods.Check(func(key, format string, args ...any) {
		wrong = errors.Join(wrong, fmt.Errorf("train: methods.%s: %s", key, fmt.Sprintf(format, args...)))
	})
	if wrong != nil {
		return nil, wrong
	}
	r := &method.Run{Settings: t.Methods, Base: w.base(), Trainable: trainable, Start: start, Rank: trainable.Rank,
		Examples: method.Examples{Fresh: l.imitated(), Rehearsed: l.rehearsed, Again: l.rehearsals()},
		Options: train.Options{Rate: t.Rate, Warmup: t.Warmup, Decay: t.Decay, Clip: t.Clip,
			Rows: t.Rows, Columns: t.Columns, Micro: t.Micro, Steps: t.MaxSteps, Seed: w.job.Seed}}
	if w.blocks() {
		r.Rank, r.Kept = t.Rank, w.champion.Config.Rank
	}
	if len(l.rehearsed) > 0 {
		r.Ratio = t.Methods.Rehearsal(t.Rehearsal)
	}
	r.Minimum, r.Ratio = l.steps(t, r.Ratio)
	r.Fisher = func(by graphs.By) (*train.Fisher, func(), error) {
		f, err := train.NewFisher(r.Base, trainable, by, t.Columns, w.job.Threads)
		if err != nil {
			return nil, nil, err
		}
		return f, f.Close, nil
	}
	var err error
	if r.Earlier, err = w.earlier(trainable); err != nil {
		return nil, err
	}
	return r, r.Prepare(ctx)
}

// earlier reads the importances that the champion's night left behind. Without such there are none yet.
func (w *worker) earlier(trainable graphs.Trainable) (train.Importances, error) {
	if !w.job.Train.Methods.Carries() || w.job.Importances == "" {
		return train.Importances{}, nil
	}
	shapes, err := trainable.Parameters(w.model.Config)
	if err != nil {
		return train.Importances{}, err
	}
	data, err := os.ReadFile(filepath.Join(w.dir, w.job.Importances))
	if err != nil {
		return train.Importances{}, fmt.Errorf("read importances: %w", err)
	}
	return train.ParseImportances(data, shapes)
}

// carry writes the importances of the candidate: what the champion's were, and what this run's new examples add that were imitated.
func (w *worker) carry(ctx context.Context, r *method.Run, params []float32) error {
	next, ok, err := r.Carry(ctx, params)
	if err != nil || !ok {
		return err
	}
	shapes, err := r.Trainable.Parameters(r.Base.Config)
	if err != nil {
		return err
	}
	data, err := next.Encode(shapes)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, ImportancesFile), data, 0o644); err != nil {
		return fmt.Errorf("write importances: %w", err)
	}
	return nil
}
