package method

import (
	"context"
	"fmt"
)

// anchor is L2-SP (Li et al. 2018): a pull of every parameter back to the champion's.
var anchor = Method{
	Key: "anchor", Family: Regularization,
	on: func(s Settings) bool { return s.Anchor > 0 },
	check: func(s Settings) error {
		if !(s.Anchor >= 0) {
			return fmt.Errorf("the strength of L2-SP must not be negative: anchor %g", s.Anchor)
		}
		return nil
	},
	prepare: func(_ context.Context, r *Run) error { return r.quadratic(r.Anchor, nil) },
}
