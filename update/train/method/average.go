package method

import (
	"context"
	"fmt"

	"nightshift/update/train"
)

// average makes the exponential moving average of the parameters the candidate, in place of the last step's.
var average = Method{
	Key: "average", Family: Regularization,
	on: func(s Settings) bool { return s.Average > 0 },
	check: func(s Settings) error {
		if !(s.Average >= 0 && s.Average < 1) {
			return fmt.Errorf("the decay of the average is %g, it must be at least 0 and below 1", s.Average)
		}
		return nil
	},
	prepare: func(_ context.Context, r *Run) (err error) {
		if r.average, err = train.NewAverage(r.Start, r.Average); err == nil {
			r.Options.Observers = append(r.Options.Observers, r.average)
		}
		return err
	},
	result: func(r *Run, _ []float32) []float32 { return r.average.Slow() },
}
