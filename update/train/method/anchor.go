package method

import (
	"context"
)

// anchor is L2-SP (Li et al. 2018): a pull of every parameter back to the champion's.
var anchor = Method{
	Key: "anchor", Family: Regularization,
	on:      func(s Settings) bool { return s.Anchor > 0 },
	prepare: func(_ context.Context, r *Run) error { return r.quadratic(r.Anchor, nil) },
}
