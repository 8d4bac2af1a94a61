package work

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// Methods are the settings of the methods of package train. The zero value is none of them. What protects old knowledge by
// rehearsed examples does nothing in a night that has none. EWCKeep and SI carry importances from night to night, the others need
// nothing but selection and champion. Slow carries the fast learner.
type Methods struct {
	Anchor      float64 `json:"anchor,omitempty"`       // strength of L2-SP about the champion's parameters
	EWC         float64 `json:"ewc,omitempty"`          // strength of EWC about them; importances are the champion's on rehearsed examples
	EWCOn       string  `json:"ewc_on,omitempty"`       // what EWC holds: OnProducts, also where empty, or OnFactors
	EWCExamples int     `json:"ewc_examples,omitempty"` // most examples that importances are measured on, 0 for all
	EWCKeep     float64 `json:"ewc_keep,omitempty"`     // γ of online EWC: share kept of earlier nights' importances, measured on each night's new examples; 0: see EWC
	SI          float64 `json:"si,omitempty"`           // strength of synaptic intelligence about the champion's parameters
	SIDamping   float64 `json:"si_damping,omitempty"`   // its ξ
	Sparsity    float64 `json:"sparsity,omitempty"`     // strength of L1 on the changes against the champion
	Project     bool    `json:"project,omitempty"`      // A-GEM: rehearsed examples bend the steps instead of filling half of them
	RoundSteps  int     `json:"round_steps,omitempty"`  // MER: steps of a round, 0 for no rounds
	RoundShare  float64 `json:"round_share,omitempty"`  // of the way of a round that is kept
	Average     float64 `json:"average,omitempty"`      // decay of the average of parameters that becomes the candidate, 0 for the last step's
	Slow        float64 `json:"slow,omitempty"`         // share of the champion in the candidate, which is the slow learner; a fast one goes on beside it from night to night

	Orthogonal     float64 `json:"orthogonal,omitempty"`      // strength of O-LoRA: the night learns a block of its own beside the champion's factors, which stay
	OrthogonalRank int     `json:"orthogonal_rank,omitempty"` // most of the candidate's rank
}

// What EWC holds: the product of each pair of factors, or the factors themselves.
const (
	OnProducts = "products"
	OnFactors  = "factors"
)

// Check refuses settings that no run could work with.
func (m Methods) Check() error {
	switch {
	case !(m.Anchor >= 0) || !(m.EWC >= 0) || !(m.Sparsity >= 0):
		return fmt.Errorf("strengths of methods must not be negative: anchor %g, ewc %g, sparsity %g", m.Anchor, m.EWC, m.Sparsity)
	case m.EWCOn != "" && m.EWCOn != OnProducts && m.EWCOn != OnFactors:
		return fmt.Errorf("ewc on %q is not known; use %s or %s", m.EWCOn, OnProducts, OnFactors)
	case m.EWCExamples < 0:
		return fmt.Errorf("importances cannot be measured on %d examples", m.EWCExamples)
	case !(m.EWCKeep >= 0 && m.EWCKeep <= 1) || m.EWCKeep > 0 && m.EWCOn != OnFactors:
		return fmt.Errorf("a share of %g of the importances of %q is kept: it must lie in 0 to 1, and above 0 importances must be of %s", m.EWCKeep, m.EWCOn, OnFactors)
	case !(m.SI >= 0) || m.SI > 0 && !(m.SIDamping > 0):
		return fmt.Errorf("si of strength %g with damping %g: the first must not be negative, the second must be positive", m.SI, m.SIDamping)
	case m.RoundSteps < 0 || m.RoundSteps > 0 && !(m.RoundShare > 0 && m.RoundShare <= 1):
		return fmt.Errorf("rounds of %d steps with share %g: the share must lie above 0 and at most at 1", m.RoundSteps, m.RoundShare)
	case !(m.Average >= 0 && m.Average < 1):
		return fmt.Errorf("the decay of the average is %g, it must be at least 0 and below 1", m.Average)
	case !(m.Slow >= 0 && m.Slow < 1):
		return fmt.Errorf("the champion's share in the slow learner is %g, it must be at least 0 and below 1", m.Slow)
	case !(m.Orthogonal >= 0) || m.Orthogonal > 0 && m.OrthogonalRank < 1:
		return fmt.Errorf("orthogonal blocks of strength %g in rank %d: the first must not be negative, the second must be at least 1", m.Orthogonal, m.OrthogonalRank)
	case m.Orthogonal > 0 && (m.Slow > 0 || m.Carries()):
		return errors.New("orthogonal blocks cannot be joined with slow, si or ewc_keep: what these carry on is of factors that a block does not go on from")
	}
	return nil
}

// method is one run's methods: the source and the options of Fit, the average that becomes the candidate, and what measures SI's
// importances; nil for none.
type method struct {
	source  train.Source
	minimum int // steps that the passes over the new examples take
	options train.Options
	average *train.Average
	si      *train.SI
	earlier train.Importances // of the champion
}

// methods turns the job's settings into those of a run from start. Importances are measured here, before the session of the
// run is made, so that two graphs never hold memory at a time.
func (w *worker) methods(ctx context.Context, base train.Base, trainable graphs.Trainable, start []float32, l lessons) (method, error) {
	t := w.job.Train
	set := t.Methods
	if err := set.Check(); err != nil {
		return method{}, fmt.Errorf("train: %w", err)
	}
	m := method{options: train.Options{Rate: t.Rate, Warmup: t.Warmup, Decay: t.Decay, Clip: t.Clip,
		Rows: t.Rows, Columns: t.Columns, Micro: t.Micro, Seed: w.job.Seed}}
	m.follow(t, l)
	m.options.Rounds = train.Rounds{Length: set.RoundSteps, Share: set.RoundShare}
	var err error
	if set.Sparsity > 0 {
		if m.options.Sparse, err = train.NewL1(set.Sparsity, start); err != nil {
			return m, err
		}
	}
	if set.Average > 0 {
		if m.average, err = train.NewAverage(start, set.Average); err != nil {
			return m, err
		}
		m.options.Observers = append(m.options.Observers, m.average)
	}
	if set.SI > 0 {
		if m.si, err = train.NewSI(start, set.SIDamping); err != nil {
			return m, err
		}
		m.options.Observers = append(m.options.Observers, m.si)
	}
	if w.blocks() {
		if err := w.block(&m.options, base, trainable, start); err != nil {
			return m, err
		}
	}
	if m.earlier, err = w.earlier(base, trainable); err != nil {
		return m, err
	}
	penalties, err := w.penalties(ctx, base, trainable, start, l.rehearsed, m.earlier)
	m.options.Penalties = append(m.options.Penalties, penalties...)
	return m, err
}

// follow sets what is imitated, and in how many steps at least and at most. Without a source, there is nothing to imitate beside the objective.
func (m *method) follow(t Train, l lessons) {
	rehearsal := t.Rehearsal
	if len(l.rehearsed) == 0 || t.Methods.Project { // a step holds fresh examples alone
		rehearsal = 0
	}
	var ratio float64
	m.minimum, ratio = l.steps(t, rehearsal)
	m.options.Steps = t.MaxSteps
	if t.Methods.Project && len(l.rehearsed) > 0 {
		m.options.Projection = &train.Projection{Source: train.Shuffled(l.rehearsals()), Micro: t.Micro}
	}
	switch {
	case rehearsal == 0 && len(l.fresh) > 0:
		m.source = train.Shuffled(l.fresh)
	case rehearsal == 0:
	case len(l.fresh) == 0:
		m.source = train.Shuffled(l.rehearsals())
	case t.Methods.RoundSteps > 0: // steps of one microbatch, fresh and rehearsed in turn
		m.options.Micro = 1
		m.minimum *= t.Micro
		m.options.Steps *= t.Micro
		m.source = train.Alternating(l.fresh, l.rehearsals(), ratio)
	default:
		m.source = train.Mixed(l.fresh, l.rehearsals(), ratio)
	}
}

// block has the run train a block beside the champion's factors, and keeps what it reads apart from what these read.
func (w *worker) block(o *train.Options, base train.Base, trainable graphs.Trainable, start []float32) error {
	pairs, err := train.Pairs(base.Config, trainable)
	if err != nil {
		return err
	}
	kept := w.champion.Config.Rank
	earlier := train.Block{Pairs: pairs, To: kept}.A(start)
	own := train.Block{Pairs: pairs, From: kept, To: trainable.Rank}
	penalty, err := train.NewOrthogonal(base.Config, trainable, w.job.Train.Methods.Orthogonal, [][][]float32{earlier}, own)
	o.Block, o.Penalties = &own, append(o.Penalties, penalty)
	return err
}

// penalties makes L2-SP, SI and EWC about start.
func (w *worker) penalties(ctx context.Context, base train.Base, trainable graphs.Trainable, start []float32, rehearsed []train.Sequence, earlier train.Importances) ([]train.Penalty, error) {
	set := w.job.Train.Methods
	var list []train.Penalty
	quadratic := func(strength float64, importance []float32) error {
		p, err := train.NewQuadratic(strength, importance, start)
		list = append(list, p)
		return err
	}
	if set.Anchor > 0 {
		if err := quadratic(set.Anchor, nil); err != nil {
			return nil, err
		}
	}
	if set.SI > 0 && earlier.SI != nil {
		if err := quadratic(2*set.SI, earlier.SI); err != nil {
			return nil, err
		}
	}
	switch {
	case set.EWC == 0:
	case set.EWCKeep > 0:
		if earlier.Fisher != nil {
			return list, quadratic(set.EWC, earlier.Fisher)
		}
	case len(rehearsed) == 0:
	case set.EWCOn == OnFactors:
		importance, err := w.importance(ctx, base, trainable, graphs.Factors, start, rehearsed)
		if err != nil {
			return nil, err
		}
		return list, quadratic(set.EWC, importance)
	default:
		importance, err := w.importance(ctx, base, trainable, graphs.Products, start, rehearsed)
		if err != nil {
			return nil, err
		}
		p, err := train.NewProductEWC(base.Config, trainable, set.EWC, importance, start)
		return append(list, p), err
	}
	return list, nil
}

// importance is the Fisher of parameters on some examples, with mean 1.
func (w *worker) importance(ctx context.Context, base train.Base, trainable graphs.Trainable, by graphs.By, params []float32, examples []train.Sequence) ([]float32, error) {
	some := make([]train.Sequence, 0, len(examples))
	random := rand.New(rand.NewPCG(w.job.Seed, 0x657763)) //nolint:gosec // reproducible, not secret
	for _, i := range random.Perm(len(examples)) {
		if n := w.job.Train.Methods.EWCExamples; n == 0 || len(some) < n {
			some = append(some, examples[i])
		}
	}
	f, err := train.NewFisher(base, trainable, by, w.job.Train.Columns, w.job.Threads)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	importance, err := f.Estimate(ctx, params, some, 1, w.job.Seed)
	if err != nil {
		return nil, err
	}
	train.Normalize(importance)
	return importance, nil
}
