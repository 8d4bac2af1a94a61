package method

import (
	"context"

	"nightshift/update/train"
)

// average makes the exponential moving average of the parameters the candidate, in place of the last step's.
var average = Method{
	Key: "average", Family: Regularization,
	on: func(s Settings) bool { return s.Average > 0 },
	prepare: func(_ context.Context, r *Run) (err error) {
		if r.average, err = train.NewAverage(r.Start, r.Average); err == nil {
			r.Options.Observers = append(r.Options.Observers, r.average)
		}
		return err
	},
	result: func(r *Run, _ []float32) []float32 { return r.average.Slow() },
}
