package continual

import (
	"context"
	"slices"

	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// regularizing are methods that keep parameters, or answers, near to what they were. None of them does anything in the
// first phase: there is nothing to keep to yet.
func regularizing() []Method {
	return []Method{
		{
			Key: "l2-sp", Name: "L2-SP", Family: Regularization, Says: "pulls every parameter back to the champion's",
			Settings: Settings{Strength: 0.03}, Grid: strengths(Settings{}, 0.01, 0.03, 0.1),
			prepare: func(_ context.Context, r *run, l *lesson) error { return r.quadratic(l, nil, slices.Clone(r.params)) },
		},
		{
			Key: "ewc-ab", Name: "EWC (A, B)", Family: Regularization, Says: "pulls parameters back by how much what was learned depends on them",
			Settings: Settings{Strength: 0.03, Gamma: 1}, Grid: strengths(Settings{Gamma: 1}, 0.01, 0.03, 0.1),
			prepare: func(_ context.Context, r *run, l *lesson) error { return r.quadratic(l, r.importance, r.center) },
			finish:  func(ctx context.Context, r *run, l *lesson) error { return r.consolidate(ctx, l, graphs.Factors) },
		},
		{
			Key: "ewc-dw", Name: "EWC (ΔW)", Family: Regularization, Says: "the same for what the adapter adds to the weights, however its factors turn",
			Settings: Settings{Strength: 0.01, Gamma: 1}, Grid: strengths(Settings{Gamma: 1}, 0.001, 0.01, 0.1),
			prepare: func(_ context.Context, r *run, l *lesson) error {
				if r.importance == nil {
					return nil
				}
				penalty, err := train.NewProductEWC(r.learner.model.Base.Config, r.learner.trainable, r.settings.Strength, r.importance, r.center)
				l.options.Penalties = append(l.options.Penalties, penalty)
				return err
			},
			finish: func(ctx context.Context, r *run, l *lesson) error { return r.consolidate(ctx, l, graphs.Products) },
		},
		{
			Key: "si", Name: "SI", Family: Regularization, Says: "pulls parameters back by how much their moves have lowered the loss",
			Settings: Settings{Strength: 0.3}, Grid: strengths(Settings{}, 0.1, 0.3, 1),
			prepare: func(_ context.Context, r *run, l *lesson) error {
				si, err := train.NewSI(r.params, siDamping)
				if err != nil {
					return err
				}
				r.si, l.options.Observers = si, append(l.options.Observers, si)
				return r.quadratic(l, r.importance, r.center)
			},
			finish: func(_ context.Context, r *run, _ *lesson) (err error) {
				r.importance, err = r.si.Importance(r.importance, r.params)
				r.center = slices.Clone(r.params)
				return err
			},
		},
		{
			Key: "l1", Name: "L1", Family: Regularization, Says: "changes few parameters of the champion: all others stay exactly as they are",
			Settings: Settings{Strength: 0.3}, Grid: strengths(Settings{}, 0.1, 0.3, 0.5),
			prepare: func(_ context.Context, r *run, l *lesson) (err error) {
				if l.phase > 0 {
					l.options.Sparse, err = train.NewL1(r.settings.Strength, slices.Clone(r.params))
				}
				return err
			},
		},
		{
			Key: "lwf", Name: "LwF", Family: Regularization, Says: "keeps to what the model before said, on the new questions",
			Weakness: "it distils what the model before said to the questions of the new task, which says nothing of the answers to the old one's questions",
			Settings: Settings{Distill: 0.1}, Grid: []Settings{{Distill: 0.02}, {Distill: 0.1}, {Distill: 0.3}},
			prepare: func(_ context.Context, r *run, l *lesson) error {
				if l.phase == 0 {
					return nil
				}
				return r.teach(l.fresh, r.settings.Distill)
			},
		},
	}
}

// siDamping is of the size of the square of how far a parameter goes in one task: some hundredths.
const siDamping = 1e-3

// strengths is a grid over the strength of a penalty.
func strengths(s Settings, values ...float64) []Settings {
	grid := make([]Settings, len(values))
	for i, v := range values {
		grid[i] = s
		grid[i].Strength = v
	}
	return grid
}

// quadratic adds a quadratic penalty to a lesson that has something before it.
func (r *run) quadratic(l *lesson, importance, center []float32) error {
	if l.phase == 0 || center == nil {
		return nil
	}
	penalty, err := train.NewQuadratic(r.settings.Strength, importance, center)
	l.options.Penalties = append(l.options.Penalties, penalty)
	return err
}

// consolidate adds the Fisher information of what was just learned to the importances, each task's with the mean 1.
func (r *run) consolidate(ctx context.Context, l *lesson, by graphs.By) error {
	fisher, err := r.learner.fisher(by)
	if err != nil {
		return err
	}
	information, err := fisher.Estimate(ctx, r.params, l.fresh, 1, l.options.Seed)
	if err != nil {
		return err
	}
	train.Normalize(information)
	r.importance, err = train.Consolidate(r.importance, information, r.settings.Gamma)
	r.center = slices.Clone(r.params)
	return err
}
