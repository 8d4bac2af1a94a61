package method

import (
	"context"

	"nightshift/update/train"
)

// sparsity is proximal L1 on the changes against the champion: few parameters change, all others stay exactly as they are.
var sparsity = Method{
	Key: "sparsity", Family: Regularization,
	on: func(s Settings) bool { return s.Sparsity > 0 },
	prepare: func(_ context.Context, r *Run) (err error) {
		r.Options.Sparse, err = train.NewL1(r.Sparsity, r.Start)
		return err
	},
}
