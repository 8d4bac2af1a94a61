package method

import (
	"context"

	"nightshift/update/train"
)

// si is synaptic intelligence (Zenke et al. 2017): parameters are pulled back by how much their moves have lowered the loss so far. Its penalty
// is Strength·Σ Ω(θ−θ*)², twice that of the other quadratic ones.
var si = Method{
	Key: "si", Family: Regularization,
	on: func(s Settings) bool { return s.SI > 0 },
	prepare: func(_ context.Context, r *Run) (err error) {
		if r.si, err = train.NewSI(r.Start, r.SIDamping); err != nil {
			return err
		}
		r.Options.Observers = append(r.Options.Observers, r.si)
		if r.Earlier.SI == nil {
			return nil
		}
		return r.quadratic(2*r.SI, r.Earlier.SI)
	},
	carry: func(_ context.Context, r *Run, params []float32, next *train.Importances) (err error) {
		next.SI, err = r.si.Importance(r.Earlier.SI, params)
		return err
	},
}
