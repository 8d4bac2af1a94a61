package method

import (
	"context"
	"fmt"

	"nightshift/update/train"
)

// sparsity is proximal L1 on the changes against the champion: few parameters change, all others stay exactly as they are.
var sparsity = Method{
	Key: "sparsity", Family: Regularization,
	on: func(s Settings) bool { return s.Sparsity > 0 },
	check: func(s Settings) error {
		if !(s.Sparsity >= 0) {
			return fmt.Errorf("the strength of L1 must not be negative: sparsity %g", s.Sparsity)
		}
		return nil
	},
	prepare: func(_ context.Context, r *Run) (err error) {
		r.Options.Sparse, err = train.NewL1(r.Sparsity, r.Start)
		return err
	},
}
