package method

import (
	"nightshift/models/adapter"
)

// slow keeps a share of the champion in the candidate, and has a fast learner go on beside it from night to night. It changes no run: Blend makes
// the candidate.
var slow = Method{
	Key: "slow", Family: Regularization,
	on: func(s Settings) bool { return s.Slow > 0 },
}

// Blend is the slow learner: the champion and a share 1−Slow of the way to the fast learner, of what the two add to the weights, since the mean
// of factors would not be the factors of the mean. part is how much of that way is gone. lost is what the rank of config cut off, as a share.
func (s Settings) Blend(config adapter.Config, champion, fast *adapter.Adapter, part float64) (blend *adapter.Adapter, lost float64, err error) {
	share := part * (1 - s.Slow)
	return adapter.Merge(config, adapter.Part{Adapter: champion, Weight: 1 - share}, adapter.Part{Adapter: fast, Weight: share})
}
