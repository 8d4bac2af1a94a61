package night

import (
	"nightshift/update/gate"
	"nightshift/update/work"
)

// TrainOf is what settings ask of the work of a night.
func TrainOf(c Config, s Settings) work.Train { return c.train(s) }

// LimitsOf are what the gate holds a candidate to.
func LimitsOf(s Settings) gate.Limits { return s.limits(0) }

// SizesOf are how many examples a night takes: to rehearse, of anchors, of self-tests, and of answers.
func SizesOf(c Config) (rehearsal, anchors, selfTests, answers int) {
	_ = c.complete() // fills them before it looks at the rest
	return c.sizes.rehearsal, anchorLimit, c.sizes.selfTests, c.sizes.answers
}
