package work

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nightshift/internal/engine"
	"nightshift/models/adapter"
	"nightshift/models/template"
	"nightshift/onnx/gpt2"
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
	job.Train.Columns = min(job.Train.Columns, model.Config.Context)
	w := &worker{dir: dir, job: job, model: model, champion: champion, lines: json.NewEncoder(out)}
	if job.Measure != nil {
		return w.measure(ctx, items)
	}
	linears, err := w.choose(ctx, items)
	if err != nil {
		return err
	}
	candidate, err := w.train(ctx, items)
	if err != nil {
		return err
	}
	candidate, drift, err := w.shrink(items, candidate)
	if err != nil {
		return err
	}
	if err := candidate.Write(filepath.Join(dir, CandidateDir)); err != nil {
		return err
	}
	return w.evaluate(ctx, items, candidate, Evaluation{Evaluation: gate.Evaluation{Drift: drift}, DataDigest: digest, Linears: linears})
}

// worker holds one run.
type worker struct {
	dir      string
	job      Job
	model    *engine.Model
	champion *adapter.Adapter
	lines    *json.Encoder
}

// readSelection reads the frozen selection and its digest.
func readSelection(dir string) ([]selection.Item, string, error) {
	f, err := os.Open(filepath.Join(dir, SelectionFile))
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

// sequence tokenizes one example as it would be served, with the end-of-text token after the completion.
func (w *worker) sequence(it selection.Item) (train.Sequence, error) {
	prompt, err := promptTokens(w.model, it.Prompt)
	if err != nil {
		return train.Sequence{}, fmt.Errorf("tokenize example %s: %w", it.ID, err)
	}
	s := train.Sequence{ID: it.ID, Prompt: len(prompt), Weight: float32(it.Weight)}
	s.Tokens = append(w.model.Tokenizer.Encode(prompt, it.Completion), w.model.Tokenizer.EOS())
	return s, nil
}

// promptTokens renders messages, or a raw prompt, as tokens.
func promptTokens(m *engine.Model, messages []replaystore.Message) ([]int32, error) {
	if len(messages) == 1 && messages[0].Role == replaystore.RolePrompt {
		return m.Tokenizer.Encode(nil, messages[0].Content), nil
	}
	list := make([]template.Message, len(messages))
	for i, msg := range messages {
		list[i] = template.Message{Role: msg.Role, Content: msg.Content}
	}
	return m.ChatTokens(list)
}

// sequences are the new and the rehearsed items.
func (w *worker) sequences(items []selection.Item) (fresh, rehearsed []train.Sequence, err error) {
	for _, it := range items {
		if it.Use != selection.New && it.Use != selection.Rehearsal {
			continue
		}
		if it.Kind == replaystore.Preference || it.Kind == replaystore.Unpaired {
			return nil, nil, fmt.Errorf("train: example %s is of kind %s, which cannot be imitated", it.ID, it.Kind)
		}
		s, err := w.sequence(it)
		if err != nil {
			return nil, nil, err
		}
		if it.Use == selection.New {
			fresh = append(fresh, s)
		} else {
			rehearsed = append(rehearsed, s)
		}
	}
	if len(fresh) == 0 {
		return nil, nil, fmt.Errorf("train: the selection has no new examples")
	}
	return fresh, rehearsed, nil
}

// base is the model as training takes it.
func (w *worker) base() train.Base {
	return train.Base{Config: w.model.Config, Weights: w.model.Checkpoint.Initializer, Dir: w.model.Checkpoint.Dir()}
}

// train fits a candidate to the new and the rehearsed items.
func (w *worker) train(ctx context.Context, items []selection.Item) (*adapter.Adapter, error) {
	fresh, rehearsed, err := w.sequences(items)
	if err != nil {
		return nil, err
	}
	t := w.job.Train
	trainable, err := w.trainable()
	if err != nil {
		return nil, err
	}
	base := w.base()
	start, err := w.start(trainable)
	if err != nil {
		return nil, err
	}
	if len(rehearsed) > 0 && t.KL > 0 {
		if err := w.teach(base, trainable, start, rehearsed); err != nil {
			return nil, err
		}
	}
	m, err := w.methods(ctx, base, trainable, start, fresh, rehearsed)
	if err != nil {
		return nil, err
	}
	params, err := w.fitted(ctx, base, trainable, start, m)
	if err != nil {
		return nil, err
	}
	if err := w.carry(ctx, base, trainable, m, params, fresh); err != nil {
		return nil, err
	}
	return toAdapter(w.config(), w.model.Config, trainable, params), nil
}

// fitted runs the optimizer from start and returns the candidate's parameters.
func (w *worker) fitted(ctx context.Context, base train.Base, trainable gpt2.Trainable, start []float32, m method) ([]float32, error) {
	s, err := train.NewSession(base, trainable, w.job.Threads)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	copy(s.Parameters(), start)
	if err := w.fit(ctx, s, m); err != nil {
		return nil, err
	}
	if m.average != nil {
		return m.average.Slow(), nil
	}
	return slices.Clone(s.Parameters()), nil
}

// config is the adapter that the run trains.
func (w *worker) config() adapter.Config { return w.job.config(w.model.Config.Layers) }

// trainable lists the adapted linears.
func (w *worker) trainable() (gpt2.Trainable, error) {
	t := gpt2.Trainable{Rank: w.job.Train.Rank, Scale: w.config().Scale()}
	if t.Rank < 1 {
		return t, fmt.Errorf("train: rank is %d, it must be at least 1", t.Rank)
	}
	for _, target := range w.job.Train.targets(w.model.Config.Layers) {
		t.Targets = append(t.Targets, gpt2.Target(target))
	}
	if len(t.Targets) == 0 {
		return t, fmt.Errorf("train: no modules to adapt, choose some of %v", gpt2.Modules)
	}
	return t, nil
}

// start is the parameter vector that training begins with: the champion's factors, or for the base model A drawn as
// PEFT draws it (Kaiming uniform with a = √5: U(−1/√in, 1/√in)) and B zero.
func (w *worker) start(trainable gpt2.Trainable) ([]float32, error) {
	shapes, err := trainable.Parameters(w.model.Config)
	if err != nil {
		return nil, err
	}
	params := make([]float32, 0, train.Size(shapes))
	if w.champion == nil {
		random := rand.New(rand.NewPCG(w.job.Seed, 0x6c6f7261)) //nolint:gosec // reproducible, not secret
		for _, t := range trainable.Targets {
			in, out, err := w.model.Config.ModuleShape(t.Module)
			if err != nil {
				return nil, err
			}
			bound := 1 / math.Sqrt(float64(in))
			for range in * trainable.Rank {
				params = append(params, float32((2*random.Float64()-1)*bound))
			}
			params = append(params, make([]float32, trainable.Rank*out)...)
		}
		return params, nil
	}
	c := w.champion.Config
	if c.Rank != trainable.Rank || math.Abs(c.Scale()-trainable.Scale) > 1e-9 || len(w.champion.Factors) != len(trainable.Targets) {
		return nil, fmt.Errorf("train: the champion has rank %d, scale %g and %d adapted linears, the job asks for %d, %g and %d; a night takes them over from its champion",
			c.Rank, c.Scale(), len(w.champion.Factors), trainable.Rank, trainable.Scale, len(trainable.Targets))
	}
	for _, t := range trainable.Targets {
		f, ok := w.champion.Factors[adapter.Target{Layer: t.Layer, Module: t.Module}]
		if !ok {
			return nil, fmt.Errorf("train: the champion does not adapt %s of layer %d, which the job asks for; a night takes the modules and layers over from its champion", t.Module, t.Layer)
		}
		params = append(append(params, f.A...), f.B...)
	}
	return params, nil
}

// teach reads the champion's distributions over the rehearsed completions.
func (w *worker) teach(base train.Base, trainable gpt2.Trainable, start []float32, list []train.Sequence) error {
	t := w.job.Train
	scorer, err := train.NewScorer(base, trainable, min(t.Teacher, w.model.Config.Vocab), t.Rows, t.Columns, w.job.Threads)
	if err != nil {
		return err
	}
	defer scorer.Close()
	return scorer.Teach(start, list, float32(t.KL))
}

// fit runs the optimizer and writes the curve.
func (w *worker) fit(ctx context.Context, s *train.Session, m method) error {
	curve, err := os.Create(filepath.Join(w.dir, CurveFile))
	if err != nil {
		return err
	}
	defer curve.Close() //nolint:errcheck // closed with its error below
	points := json.NewEncoder(curve)
	begin := time.Now()
	err = train.Fit(ctx, s, m.source, m.options, func(p train.Step) error {
		if err := points.Encode(p); err != nil {
			return err
		}
		left := time.Since(begin) / time.Duration(p.Step) * time.Duration(p.Steps-p.Step)
		return w.lines.Encode(Progress{Stage: "train", Done: p.Step, Total: p.Steps,
			Values: map[string]float64{"loss": p.Loss, "lr": p.Rate, "grad_norm": p.Norm, "eta_seconds": left.Seconds()}})
	})
	if err != nil {
		return err
	}
	return curve.Close()
}

// steps is how many optimizer steps make the asked passes over the new examples, rehearsal included.
func steps(t Train, fresh, rehearsed []train.Sequence) int {
	tokens := 0.0
	for _, s := range fresh {
		tokens += float64(min(len(s.Tokens), t.Columns))
	}
	if len(rehearsed) > 0 {
		tokens *= 1 + t.Rehearsal
	}
	return max(1, int(math.Ceil(t.Epochs*tokens/float64(t.Rows*t.Columns*t.Micro))))
}

// toAdapter cuts the flat vector into factors.
func toAdapter(cfg adapter.Config, shape gpt2.Config, trainable gpt2.Trainable, params []float32) *adapter.Adapter {
	a := &adapter.Adapter{Config: cfg, Factors: map[adapter.Target]adapter.Factors{}}
	for _, t := range trainable.Targets {
		in, out, _ := shape.ModuleShape(t.Module)
		n, m := in*cfg.Rank, cfg.Rank*out
		f := adapter.Factors{A: append([]float32(nil), params[:n]...), B: append([]float32(nil), params[n:n+m]...)}
		a.Factors[adapter.Target{Layer: t.Layer, Module: t.Module}] = f
		params = params[n+m:]
	}
	return a
}
