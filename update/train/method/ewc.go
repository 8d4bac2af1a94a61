package method

import (
	"context"
	"math/rand/v2"

	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// ewc is elastic weight consolidation (Kirkpatrick et al. 2017): what is held is pulled back by its empirical Fisher information, the champion's on
// rehearsed examples, or online (Schwarz et al. 2018) on each night's new ones.
var ewc = Method{
	Key: "ewc", Family: Regularization,
	on: func(s Settings) bool { return s.EWC > 0 },
	check: func(s Settings, report report) {
		if s.EWCKeep > 0 && s.EWCOn != OnFactors {
			report("ewc_keep", "want 0, or ewc_on: factors")
		}
	},
	prepare: hold,
	carry:   measureOn,
}

// hold pulls back to where training begins, by importances of earlier nights or by those that are measured now.
func hold(ctx context.Context, r *Run) error {
	switch {
	case r.EWCKeep > 0 && r.Earlier.Fisher == nil, r.EWCKeep == 0 && len(r.Rehearsed) == 0:
		return nil
	case r.EWCKeep > 0:
		return r.quadratic(r.EWC, r.Earlier.Fisher)
	case r.EWCOn == OnFactors:
		importance, err := r.importance(ctx, graphs.Factors, r.Start, r.Rehearsed)
		if err != nil {
			return err
		}
		return r.quadratic(r.EWC, importance)
	}
	importance, err := r.importance(ctx, graphs.Products, r.Start, r.Rehearsed)
	if err != nil {
		return err
	}
	p, err := train.NewProductEWC(r.Base.Config, r.Trainable, r.EWC, importance, r.Start)
	if err == nil {
		r.Options.Penalties = append(r.Options.Penalties, p)
	}
	return err
}

// measureOn adds what this run's new examples say of the parameters to what the nights before said.
func measureOn(ctx context.Context, r *Run, params []float32, next *train.Importances) (err error) {
	if r.EWCKeep == 0 {
		return nil
	}
	importance := make([]float32, len(params))
	if len(r.Fresh) > 0 {
		if importance, err = r.importance(ctx, graphs.Factors, params, r.Fresh); err != nil {
			return err
		}
	}
	next.Fisher, err = train.Consolidate(r.Earlier.Fisher, importance, r.EWCKeep)
	return err
}

// importance is the Fisher information of parameters on some examples, with mean 1.
func (r *Run) importance(ctx context.Context, by graphs.By, params []float32, examples []train.Sequence) ([]float32, error) {
	some := make([]train.Sequence, 0, len(examples))
	random := rand.New(rand.NewPCG(r.Options.Seed, 0x657763)) //nolint:gosec // reproducible, not secret
	for _, i := range random.Perm(len(examples)) {
		if r.EWCExamples == 0 || len(some) < r.EWCExamples {
			some = append(some, examples[i])
		}
	}
	f, done, err := r.Fisher(by)
	if err != nil {
		return nil, err
	}
	defer done()
	importance, err := f.Estimate(ctx, params, some, 1, r.Options.Seed)
	if err != nil {
		return nil, err
	}
	train.Normalize(importance)
	return importance, nil
}
