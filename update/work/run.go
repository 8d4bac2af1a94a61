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
	"nightshift/models/adapter"
	"nightshift/models/template"
	"nightshift/onnx/graphs"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// Progress is one line of progress.
type Progress struct {
	Stage  string             `json:"stage"` // "train" or "evaluate"
	Done   int                `json:"done"`
	Total  int                `json:"total"`
	Values map[string]float64 `json:"values,omitempty"`
}

// Run does the job of a work directory. Progress goes to out as JSON lines.
func Run(ctx context.Context, dir string, out io.Writer) error {
	return run(ctx, dir, Tampering{}, out)
}

// run is Run, whose candidate may be spoiled.
func run(ctx context.Context, dir string, t Tampering, out io.Writer) error {
	var job Job
	if err := read(dir, JobFile, &job); err != nil {
		return err
	}
	items, digest, err := readSelection(dir)
	if err != nil {
		return err
	}
	model, err := engine.LoadModelAs(job.ModelDir, job.CacheDir, job.Weights)
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
	job.Train.Columns = min(job.Train.Columns, model.Config.Context)
	w := &worker{dir: dir, job: job, model: model, champion: champion, origin: origin, bad: bad(items), lines: json.NewEncoder(out), tampering: t}
	if job.Measure != nil {
		return w.measure(ctx, items)
	}
	if job.Initial != nil {
		return w.initial(ctx, items, digest)
	}
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
	if err := candidate.adapter.Write(filepath.Join(dir, CandidateDir)); err != nil {
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
	origin   *adapter.Adapter // training goes on from it in the champion's place
	bad      map[string]bool  // what is never imitated
	learned  *Learned         // of preferences and ratings, nil for nothing
	ended    train.Ended      // how training ended
	breakAt  int              // step after which tampering breaks training off, 0 for none
	recalled int              // rehearsed examples with stored teachers
	sparsity *float64         // with L1
	lines    *json.Encoder

	tampering Tampering
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

// sequence tokenizes one example as it would be served, with the end of an answer after the completion.
func (w *worker) sequence(it selection.Item) (train.Sequence, error) {
	prompt, err := promptTokens(w.model, it.Example)
	if err != nil {
		return train.Sequence{}, fmt.Errorf("tokenize example %s: %w", it.ID, err)
	}
	s := train.Sequence{ID: it.ID, Prompt: len(prompt), Weight: float32(it.Weight)}
	s.Tokens = w.model.WithEnd(w.model.Tokenizer.Encode(prompt, it.Completion))
	return s, nil
}

// promptTokens renders messages, or a raw prompt, as tokens.
func promptTokens(m *engine.Model, e replaystore.Example) ([]int32, error) {
	messages := e.Prompt
	if len(e.PromptTokens) > 0 && !slices.ContainsFunc(e.PromptTokens, func(id int32) bool { return !m.Tokenizer.Has(id) }) {
		return slices.Clone(e.PromptTokens), nil
	}
	if len(messages) == 1 && messages[0].Role == replaystore.RolePrompt {
		return m.Tokenizer.Encode(nil, messages[0].Content), nil
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
	base := w.base()
	start, err := w.start(trainable)
	if err != nil {
		return nil, err
	}
	if err := w.teach(base, trainable, l); err != nil {
		return nil, err
	}
	m, err := w.methods(ctx, base, trainable, start, l)
	if err != nil {
		return nil, err
	}
	params, err := w.fitted(ctx, base, trainable, start, m, l)
	if err != nil {
		return nil, err
	}
	return params, w.carry(ctx, base, trainable, m, params, l.fresh)
}

// fitted runs the optimizer from start and returns the candidate's parameters.
func (w *worker) fitted(ctx context.Context, base train.Base, trainable graphs.Trainable, start []float32, m method, l lessons) ([]float32, error) {
	o, err := w.objective(trainable, l, m.minimum)
	if err != nil {
		return nil, err
	}
	defer o.close()
	s, err := train.NewSession(base, trainable, w.job.Threads)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	copy(s.Parameters(), start)
	m.options.Objective = o.part(s)
	if m.options.Until, err = w.until(s, l.corrections, m.minimum); err != nil {
		return nil, err
	}
	if err := w.fit(ctx, s, m, o); err != nil {
		return nil, err
	}
	w.ended = m.options.Until.Ended
	params := slices.Clone(s.Parameters())
	if m.average != nil {
		params = m.average.Slow()
	}
	if m.options.Sparse != nil { // of what became of the steps: an average of them is less sparse than the last
		share := train.Sparsity(params, start)
		w.sparsity = &share
	}
	w.learned = o.learned
	return params, o.ended(params)
}

// fit runs the optimizer and writes the curve.
func (w *worker) fit(ctx context.Context, s *train.Session, m method, o *objective) error {
	curve, err := os.Create(filepath.Join(w.dir, CurveFile))
	if err != nil {
		return err
	}
	defer curve.Close() //nolint:errcheck // closed with its error below
	points := json.NewEncoder(curve)
	begin := time.Now()
	err = train.Fit(ctx, s, m.source, m.options, func(p train.Step) error {
		if err := points.Encode(o.point(p)); err != nil {
			return err
		}
		values := map[string]float64{"loss": p.Loss, "lr": p.Rate, "grad_norm": p.Norm}
		if m.options.Until.Ended.Steps > 0 { // before that nobody knows when it ends
			values["eta_seconds"] = (time.Since(begin) / time.Duration(p.Step) * time.Duration(p.Steps-p.Step)).Seconds()
		}
		if p.Learned != nil {
			values["learned"] = *p.Learned
		}
		if m.options.Sparse != nil {
			values["sparsity"] = p.Sparsity
		}
		o.values(values)
		if err := w.lines.Encode(Progress{Stage: "train", Done: p.Step, Total: p.Steps, Values: values}); err != nil {
			return err
		}
		if p.Step == w.breakAt {
			return errBroken
		}
		return nil
	})
	if err != nil && !errors.Is(err, errBroken) {
		return err
	}
	return curve.Close()
}
