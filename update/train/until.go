package train

import (
	"fmt"
	"math"

	"nightshift/internal/nightrecord"
)

// Until ends a run by what it has learned instead of after a number of steps that is known before. The learning rate is
// constant after the warm-up until the cooldown begins, in which it falls to zero in a straight line
// (warmup-stable-decay; Hu et al. 2024, arXiv:2404.06395, with the linear cooldown of Hägele et al. 2024, arXiv:2405.18392).
//
// The cooldown begins where Learned says that it is enough, where Learned made no progress for Patience measurements, where Expired
// says so, or where Options.Steps leave room for nothing else. All but Expired are decided on a fixed grid of steps from the
// run's own numbers, so that the same run ends at the same step; From repeats one that Expired ended.
type Until struct {
	// Learned measures the share, in 0 to 1, of what is to be learned that the parameters have learned, and says whether that is enough.
	// Nil: the run ends after Minimum steps.
	Learned     func() (share float64, enough bool, err error)
	Every       int         // steps between the first measurements; later ones are further apart, by a tenth of the steps so far
	Minimum     int         // steps of the whole run at least, MinCooldown not counted, unless Options.Steps are fewer
	Patience    int         // measurements without progress after which the cooldown begins; 0: it does not for that
	Cooldown    float64     // share of all steps, in 0 to 1
	MinCooldown int         // steps of the cooldown at least, as far as the same share of Options.Steps leaves them
	Expired     func() bool // says at a measurement that the time is over; nil: there is no limit of time
	From        int         // the cooldown begins after this step in any case; 0: as above

	Ended nightrecord.Trained // is filled by Fit
}

// minWarmup is how many steps of a run that ends by what it has learned warm up at least: Adam's first steps are as large as
// the learning rate whatever the gradient is.
const minWarmup = 5

// check reports settings that no run could work with.
func (u *Until) check() error {
	if u.Every < 1 || u.Minimum < 1 || u.MinCooldown < 0 || !(u.Cooldown >= 0 && u.Cooldown < 1) {
		return fmt.Errorf("fit: a run until enough is learned, measured every %d steps, of at least %d steps, with a cooldown of at least %d steps and a share of %g: the first two must be positive, the third not negative, the last a share below 1",
			u.Every, u.Minimum, u.MinCooldown, u.Cooldown)
	}
	return nil
}

// progress is a run that is to end.
type progress struct {
	*Until
	limit  int // steps of the run at most
	next   int // step of the next measurement
	best   float64
	since  int // measurements without progress
	cooled bool
}

// steps is how many the run has: as many as it may have until the cooldown has begun.
func (p *progress) steps() int {
	if p.cooled {
		return p.Ended.Steps
	}
	return p.limit
}

// share is how many steps the cooldown has after so many others, by its share of all.
func (p *progress) share(from int) int {
	return int(math.Ceil(float64(from) * p.Cooldown / (1 - p.Cooldown)))
}

// whole is the number of steps of a run whose cooldown begins after step from, if it may have as many.
func (p *progress) whole(from int) int {
	return from + max(p.share(from), min(p.MinCooldown, int(p.Cooldown*float64(p.limit))))
}

// rate is the learning rate of a step, counted from 0, for a peak of 1.
func (p *progress) rate(step, warmup int) float64 {
	rate := min(1, float64(step+1)/float64(warmup))
	if p.cooled && step >= p.Ended.From {
		rate *= float64(p.Ended.Steps-step) / float64(p.Ended.Steps-p.Ended.From+1)
	}
	return rate
}

// after decides after so many steps whether the cooldown begins. share is what was measured, negative for nothing.
func (p *progress) after(done int) (share float64, err error) {
	share = -1
	if p.cooled {
		return share, nil
	}
	enough := done+p.share(done) >= min(p.Minimum, p.limit)
	why := ""
	look := done == max(p.next, p.Every)
	if look {
		p.next = done + max(p.Every, done/10)
	}
	if look && p.Learned != nil {
		var learned bool
		if share, learned, err = p.Learned(); err != nil {
			return share, fmt.Errorf("measure what is learned: %w", err)
		}
		if p.since++; share > p.best || done == p.Every {
			p.best, p.since = share, 0
		}
		p.Ended.Learned = share
		switch {
		case !enough:
		case learned:
			why = nightrecord.EndLearned
		case p.Patience > 0 && p.since >= p.Patience:
			why = nightrecord.EndPlateau
		}
	}
	switch {
	case why != "":
	case look && p.Expired != nil && p.Expired(), done == p.From:
		why = nightrecord.EndTime
	case p.Learned == nil && enough:
		why = nightrecord.EndPasses
	case p.whole(done+1) > p.limit: // one more step would leave the cooldown too few
		why = nightrecord.EndSteps
	}
	if why != "" {
		p.cooled, p.Ended.From, p.Ended.Steps, p.Ended.Why = true, done, max(done, min(p.limit, p.whole(done))), why
	}
	return share, nil
}
