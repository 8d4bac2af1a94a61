package method

import (
	"context"

	"nightshift/update/train"
)

// rounds is meta-experience replay (Riemer et al. 2019): rounds of a few steps over new and rehearsed examples in turn, of whose way a share is
// kept.
var rounds = Method{
	Key: "round_steps", Family: Meta,
	on: func(s Settings) bool { return s.RoundSteps > 0 },
	prepare: func(_ context.Context, r *Run) error {
		o := &r.Options
		o.Rounds = train.Rounds{Length: r.RoundSteps, Share: r.RoundShare}
		if r.Ratio > 0 && len(r.Fresh) > 0 { // steps of one microbatch, fresh and rehearsed in turn
			r.Minimum, o.Steps, o.Micro = r.Minimum*o.Micro, o.Steps*o.Micro, 1
			r.Source = train.Alternating(r.Fresh, r.Again, r.Ratio)
		}
		return nil
	},
}
