package work

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// Run does the job of a work directory. Progress goes to out as JSON lines.
func Run(ctx context.Context, dir string, out io.Writer) error {
	return RunHooked(ctx, dir, nil, out)
}

// RunHooked is Run, whose candidate a hook makes.
func RunHooked(ctx context.Context, dir string, hook Hook, out io.Writer) error {
	var job Job
	if err := read(dir, JobFile, &job); err != nil {
		return err
	}
	model, err := openModel(job)
	if err != nil {
		return err
	}
	if job.Asks {
		return answer(ctx, dir, job, model, json.NewEncoder(out))
	}
	items, digest, err := readSelection(dir)
	if err != nil {
		return err
	}
	champion, err := adapterAt(dir, job.Champion)
	if err != nil {
		return err
	}
	origin, err := adapterAt(dir, job.Origin)
	if err != nil {
		return err
	}
	job.Train = job.Train.rowsFor(model.Config, longest(model, items))
	w := &worker{dir: dir, job: job, model: model, champion: champion, origin: origin, bad: bad(items), lines: json.NewEncoder(out), hook: hook}
	switch {
	case job.Measure != nil:
		return w.measure(ctx, items)
	case job.WarmStart != nil:
		return w.warmStart(ctx, items, digest)
	}
	return w.night(ctx, items, digest)
}

// night trains a candidate, writes it and scores it.
func (w *worker) night(ctx context.Context, items []selection.Item, digest string) error {
	l, err := w.lessons(items)
	if err != nil {
		return err
	}
	linears, err := w.choose(ctx, l)
	if err != nil {
		return err
	}
	params, err := w.make(ctx, l)
	if err != nil {
		return err
	}
	if err := w.keepFast(params); err != nil {
		return err
	}
	candidate, drift, err := w.shrink(items, params)
	if err != nil {
		return err
	}
	if err := candidate.adapter.Write(filepath.Join(w.dir, CandidateDir)); err != nil {
		return err
	}
	if err := w.keepTeachers(l.fresh, candidate.adapter); err != nil {
		return err
	}
	return w.evaluate(ctx, items, candidate.adapter, Evaluation{Evaluation: gate.Evaluation{Drift: drift}, DataDigest: digest, Training: w.ended, Linears: linears, Cut: candidate.cut, Learned: w.learned,
		Sparsity: w.sparsity, StoredTeachers: w.recalled})
}

// train fits parameters to the lessons.
func (w *worker) train(ctx context.Context, l lessons) ([]float32, error) {
	trainable, err := w.trainable()
	if err != nil {
		return nil, err
	}
	start, err := w.start(trainable)
	if err != nil {
		return nil, err
	}
	if err := w.teach(trainable, l); err != nil {
		return nil, err
	}
	r, err := w.prepare(ctx, trainable, start, l)
	if err != nil {
		return nil, err
	}
	params, err := w.fitted(ctx, r, l)
	if err != nil {
		return nil, err
	}
	return params, w.carry(ctx, r, params)
}

// fitted runs the optimizer and returns the candidate's parameters.
func (w *worker) fitted(ctx context.Context, r *method.Run, l lessons) ([]float32, error) {
	o, err := w.objective(r.Trainable, l, r.Minimum)
	if err != nil {
		return nil, err
	}
	defer o.close()
	s, err := train.NewSession(r.Base, r.Trainable, w.job.Threads)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	copy(s.Parameters(), r.Start)
	r.Options.Objective = o.part(s)
	if r.Options.Until, err = w.until(s, l.corrections, r.Minimum); err != nil {
		return nil, err
	}
	if err := w.fit(ctx, s, r, o); err != nil {
		return nil, err
	}
	w.ended = r.Options.Until.Ended
	params := r.Result(slices.Clone(s.Parameters()))
	if r.Options.Sparse != nil { // of what became of the steps: an average of them is less sparse than the last
		share := train.Sparsity(params, r.Start)
		w.sparsity = &share
	}
	w.learned = o.learned
	return params, o.ended(params)
}

// fit runs the optimizer and writes the curve.
func (w *worker) fit(ctx context.Context, s *train.Session, r *method.Run, o *objective) error {
	curve, err := os.Create(filepath.Join(w.dir, CurveFile))
	if err != nil {
		return err
	}
	defer curve.Close() //nolint:errcheck // closed with its error below
	points := json.NewEncoder(curve)
	begin := time.Now()
	err = train.Fit(ctx, s, r.Source, r.Options, func(p train.Step) error {
		if err := points.Encode(o.point(p)); err != nil {
			return err
		}
		values := map[string]float64{"loss": p.Loss, "lr": p.Rate, "grad_norm": p.Norm}
		if r.Options.Until.Ended.Steps > 0 { // before that nobody knows when it ends
			values["eta_seconds"] = (time.Since(begin) / time.Duration(p.Step) * time.Duration(p.Steps-p.Step)).Seconds()
		}
		if p.Learned != nil {
			values["learned"] = *p.Learned
		}
		if r.Options.Sparse != nil {
			values["sparsity"] = p.Sparsity
		}
		o.values(values)
		if err := w.lines.Encode(ProgressLine{Stage: "train", Done: p.Step, Total: p.Steps, Values: values}); err != nil {
			return err
		}
		if p.Step == w.last {
			return errLast
		}
		return nil
	})
	if err != nil && !errors.Is(err, errLast) {
		return err
	}
	return curve.Close()
}
