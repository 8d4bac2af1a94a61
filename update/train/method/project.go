package method

import (
	"context"

	"nightshift/update/train"
)

// project is A-GEM (Chaudhry et al. 2019): rehearsed examples bend the steps over new ones so that their mean loss does not rise.
var project = Method{
	Key: "project", Family: Memory,
	on: func(s Settings) bool { return s.Project },
	prepare: func(_ context.Context, r *Run) error {
		if len(r.Rehearsed) > 0 {
			r.Options.Projection = &train.Projection{Source: train.Shuffled(r.Again), Micro: r.Options.Micro}
		}
		return nil
	},
}
