package work

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/models/adapter"
	"nightshift/models/template"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// ProgressLine says how far a run is. A run writes one a line, as JSON.
type ProgressLine struct {
	Stage  string             `json:"stage"` // "train", "evaluate", "select" or "anchors"
	Done   int                `json:"done"`
	Total  int                `json:"total"`
	Values map[string]float64 `json:"values,omitempty"`
}

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

// worker holds one run.
type worker struct {
	dir      string
	job      Job
	model    *engine.Model
	champion *adapter.Adapter
	origin   *adapter.Adapter    // training goes on from it in the champion's place
	bad      map[string]bool     // what is never imitated
	learned  *ObjectiveReport    // of preferences and ratings, nil for nothing
	ended    nightrecord.Trained // how training ended
	hook     Hook                // makes the candidate, nil for training
	last     int                 // step after which training breaks off, 0 for none
	recalled int                 // rehearsed examples with stored teachers
	sparsity *float64            // with L1
	lines    *json.Encoder
}

// readSelection reads the frozen selection and its digest.
func readSelection(dir string) ([]selection.Item, string, error) {
	return readItems(filepath.Join(dir, SelectionFile))
}

// readItems reads a file of items, one a line, and its digest.
func readItems(path string) ([]selection.Item, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("read selection: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha256.New()
	d := json.NewDecoder(io.TeeReader(bufio.NewReader(f), sum))
	var items []selection.Item
	for {
		var it selection.Item
		if err := d.Decode(&it); err == io.EOF {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("read selection item %d: %w", len(items)+1, err)
		}
		items = append(items, it)
	}
	return items, "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// sequence tokenizes one example as it would be served, with the end of an answer after the completion unless it goes on there.
func (w *worker) sequence(it selection.Item) (train.Sequence, error) {
	prompt, err := promptTokens(w.model, it.Example)
	if err != nil {
		return train.Sequence{}, fmt.Errorf("tokenize example %s: %w", it.ID, err)
	}
	s := train.Sequence{ID: it.ID, Prompt: len(prompt), Weight: float32(it.Weight)}
	if s.Tokens = w.model.Tokenizer.EncodeMore(prompt, it.Completion); !it.Open {
		s.Tokens = w.model.WithEnd(s.Tokens)
	}
	return s, nil
}

// promptTokens renders messages, or a raw prompt, as tokens.
func promptTokens(m *engine.Model, e replaystore.Example) ([]int32, error) {
	messages := e.Prompt
	if len(e.PromptTokens) > 0 && !slices.ContainsFunc(e.PromptTokens, func(id int32) bool { return !m.Tokenizer.Has(id) }) {
		return slices.Clone(e.PromptTokens), nil
	}
	if len(messages) == 1 && messages[0].Role == replaystore.RolePrompt {
		return m.Tokenizer.EncodeWhole(nil, messages[0].Content), nil
	}
	list := make([]template.Message, len(messages))
	for i, msg := range messages {
		list[i] = template.Message{Role: msg.Role, Content: msg.Content}
	}
	return m.ChatTokens(list)
}

// base is the model as training takes it.
func (w *worker) base() train.Base {
	return train.Base{Config: w.model.Config, Weights: w.model.Checkpoint.Initializer, Dir: w.model.Checkpoint.Dir()}
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
