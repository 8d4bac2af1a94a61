package continual

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"nightshift/internal/retention"
	"nightshift/onnx/graphs"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// Point is one point of a learning curve.
type Point struct {
	Phase  int       `json:"phase"` // counted from 1
	Step   int       `json:"step"`  // of the phase
	Tokens int       `json:"tokens"`
	Loss   float64   `json:"loss"`            // nats per token of the batch
	Exact  []float64 `json:"exact,omitempty"` // of each column, on a sample with phrasings of their own
}

// points is how many points of the curve a phase has.
const points = 4

// run is one method on its way through one course. What a method knows of the past is here and nowhere else.
type run struct {
	learner  *learner
	method   Method
	settings Settings
	share    float64 // of the budget's steps for a phase
	seed     uint64

	begin  []float32 // an adapter that changes nothing
	params []float32 // the champion
	kept   [][]float32
	router router
	memory []train.Sequence
	added  []train.Sequence // the part of the memory that the last phase added

	phase       int
	importances train.Importances // what nights would carry on

	exact, logprob retention.Matrix
	curve          []Point
	steps, tokens  int
}

// newRun begins a course: nothing is learned yet.
func (l *learner) newRun(m Method, s Settings, c Course, seed uint64) (*run, error) {
	if m.blocks {
		var err error
		if l, err = l.wider(len(c.Phases)); err != nil {
			return nil, err
		}
	}
	begin, err := l.start(seed)
	if err != nil {
		return nil, err
	}
	return &run{learner: l, method: m, settings: s, share: c.Share, seed: seed, begin: begin, params: slices.Clone(begin), router: router{vocab: l.model.Base.Config.Vocab},
		exact: retention.NewMatrix(len(c.Phases)+1, len(c.Columns)), logprob: retention.NewMatrix(len(c.Phases)+1, len(c.Columns))}, nil
}

// study takes a method through a course.
func (l *learner) study(ctx context.Context, m Method, s Settings, c Course, seed uint64) (*run, error) {
	r, err := l.newRun(m, s, c, seed)
	if err != nil {
		return nil, err
	}
	if err := r.examine(0, c.Before); err != nil {
		return nil, err
	}
	switch last := len(c.Phases); {
	case m.frozen:
		for i, p := range c.Phases { // exams of a stream change
			if err := r.examine(i+1, p.Exams); err != nil {
				return nil, err
			}
		}
		return r, nil
	case m.joint:
		p := Phase{Name: Joint, Learn: c.Union, Quick: c.Phases[last-1].Quick}
		if err := r.learn(ctx, 0, p, last); err != nil {
			return nil, err
		}
		return r, r.examine(last, c.Phases[last-1].Exams)
	}
	for i, p := range c.Phases {
		if err := r.learn(ctx, i, p, 1); err != nil {
			return nil, fmt.Errorf("%s: learn %s: %w", m.Name, p.Name, err)
		}
		if err := r.examine(i+1, p.Exams); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// learn goes through one phase with the steps of as many as times says.
func (r *run) learn(ctx context.Context, i int, p Phase, times int) error {
	if len(p.Learn) == 0 {
		return nil
	}
	random := rand.New(rand.NewPCG(r.seed, uint64(i))) //nolint:gosec // reproducible, not secret
	r.phase = i
	f := r.fitting(r.learner.model.Sequences(p.Learn), r.learner.options(random.Uint64()))
	if r.share > 0 {
		f.Options.Steps = int(math.Round(r.share * float64(f.Options.Steps*times)))
	} else {
		f.Options.Steps *= times
	}
	f.Options.Steps = max(1, f.Options.Steps)
	if r.method.prepare != nil {
		if err := r.method.prepare(r, f); err != nil {
			return err
		}
	}
	if err := f.Prepare(ctx); err != nil {
		return err
	}
	copy(r.learner.session.Parameters(), f.Start)
	every := max(1, f.Options.Steps/(points*times))
	err := train.Fit(ctx, r.learner.session, f.Source, f.Options, func(s train.Step) error {
		r.steps, r.tokens = r.steps+1, r.tokens+s.Tokens*f.Gradients()
		if s.Step%every != 0 && s.Step != s.Steps {
			return nil
		}
		return r.point(i, s, p.Quick)
	})
	if err != nil {
		return err
	}
	copy(r.params, f.Result(r.learner.session.Parameters()))
	if r.importances, _, err = f.Carry(ctx, r.params); err != nil {
		return err
	}
	if err := r.remember(f.Fresh, random); err != nil {
		return err
	}
	if r.method.finish != nil {
		return r.method.finish(r, f)
	}
	return nil
}

// fitting is the run of a night that learns what is new in a phase, with the settings of the method.
func (r *run) fitting(fresh []train.Sequence, options train.Options) *method.Run {
	l, memory := r.learner, slices.Clone(r.memory)
	f := &method.Run{Settings: r.settings.Settings, Examples: method.Examples{Fresh: fresh, Rehearsed: memory, Again: memory},
		Base: l.model.Base, Trainable: l.trainable, Start: slices.Clone(r.params), Rank: l.trainable.Rank, Earlier: r.importances, Options: options,
		Fisher: func(by graphs.By) (*train.Fisher, func(), error) {
			fisher, err := l.fisher(by)
			return fisher, func() {}, err
		}}
	if len(memory) > 0 {
		f.Ratio = f.Rehearsal(r.settings.Ratio)
	}
	if r.method.blocks {
		f.Rank = l.trainable.Rank / (len(r.exact) - 1)
		f.Kept = r.phase * f.Rank
	}
	return f
}

// point adds a point to the curve. Methods that choose among adapters are not examined on the way.
func (r *run) point(phase int, s train.Step, quick []Exam) error {
	p := Point{Phase: phase + 1, Step: s.Step, Tokens: r.tokens, Loss: s.Loss}
	if r.method.choose == nil {
		for _, exam := range quick {
			score, err := r.learner.exam(r.learner.session.Parameters(), r.learner.model.Sequences(exam))
			if err != nil {
				return err
			}
			p.Exact = append(p.Exact, score.Exact)
		}
	}
	r.curve = append(r.curve, p)
	return nil
}

// teach gives sequences the champion's distributions with a share in their targets.
func (r *run) teach(list []train.Sequence, share float64) error {
	if len(list) == 0 {
		return nil
	}
	return r.learner.scorer.Teach(r.params, list, float32(share))
}

// examine fills a row of the matrices.
func (r *run) examine(row int, exams []Exam) error {
	for column, exam := range exams {
		groups := map[int][]train.Sequence{}
		for _, q := range r.learner.model.Sequences(exam) {
			at := -1
			if r.method.choose != nil {
				at = r.method.choose(r, column, q)
			}
			groups[at] = append(groups[at], q)
		}
		var exact, logprob, answers, tokens float64
		for at := -1; at < len(r.kept); at++ {
			list := groups[at]
			if len(list) == 0 {
				continue
			}
			params := r.params
			if at >= 0 {
				params = r.kept[at]
			}
			s, err := r.learner.exam(params, list)
			if err != nil {
				return err
			}
			n := losses(list)
			exact, answers = exact+s.Exact*float64(len(list)), answers+float64(len(list))
			logprob, tokens = logprob+s.LogProb*n, tokens+n
		}
		r.exact[row][column], r.logprob[row][column] = exact/answers, logprob/tokens
	}
	return nil
}

// losses counts the tokens of all answers.
func losses(list []train.Sequence) float64 {
	n := 0
	for _, q := range list {
		n += q.Losses()
	}
	return float64(n)
}

// record is what is kept of a run.
func (r *run) record(begin time.Time) Record {
	return Record{Method: r.method.Name, Family: r.method.Family, Settings: r.settings, Exact: r.exact, LogProb: r.logprob, Curve: r.curve,
		Steps: r.steps, Tokens: r.tokens, Seconds: time.Since(begin).Seconds()}
}
