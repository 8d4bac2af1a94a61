package train

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Meta says how MetaLearn goes over tracks. Rounds and Share must be positive.
type Meta struct {
	Rounds int     // outer steps
	Share  float64 // of the way that the first round goes; each later one goes less, in a straight line to nothing
	Tracks int     // of a round, in turn, 0 for all of them
}

// MetaLearn makes of the session's parameters a place from which tracks like the given ones are learned in few steps: Reptile
// (arXiv:1803.02999). In each round some tracks are learned by Fit with opt, each from where the round began, with an optimizer of its
// own; then the parameters go a share of the way towards the mean of what was reached. Every track has an equal say,
// however many sequences it has. It calls report after every round: Loss is the mean of the tracks' losses over their steps, Norm
// how far the round moved, Rate the learning rate of the inner steps.
func MetaLearn(ctx context.Context, s *Session, tracks [][]Sequence, opt Options, meta Meta, report func(Step) error) error {
	if len(tracks) == 0 || meta.Rounds < 1 || !(meta.Share > 0 && meta.Share <= 1) || meta.Tracks < 0 {
		return fmt.Errorf("meta-learn over %d tracks, %d of a round, in %d rounds with share %g: there must be tracks and rounds, and the share must lie above 0 and at most at 1",
			len(tracks), meta.Tracks, meta.Rounds, meta.Share)
	}
	random := rand.New(rand.NewPCG(opt.Seed, 0x7265707469)) //nolint:gosec // reproducible, not secret
	each := len(tracks)
	if meta.Tracks > 0 {
		each = min(each, meta.Tracks)
	}
	var order []int // tracks whose turn is still to come
	start := slices.Clone(s.params)
	for round := range meta.Rounds {
		begin := time.Now()
		point := Step{Step: round + 1, Steps: meta.Rounds, Rate: opt.Rate}
		reached := make([][]float32, each)
		for i := range reached {
			if len(order) == 0 {
				order = random.Perm(len(tracks))
			}
			inner := opt
			inner.Seed = random.Uint64()
			copy(s.params, start)
			err := Fit(ctx, s, Shuffled(tracks[order[0]]), inner, func(p Step) error {
				point.Loss += p.Loss / float64(opt.Steps*each)
				point.Tokens += p.Tokens
				return nil
			})
			if err != nil {
				return fmt.Errorf("round %d, track %d: %w", round+1, order[0]+1, err)
			}
			reached[i], order = slices.Clone(s.params), order[1:]
		}
		next, err := Reptile(start, reached, meta.Share*(1-float64(round)/float64(meta.Rounds)))
		if err != nil {
			return err
		}
		for i, v := range next {
			point.Norm += (float64(v) - float64(start[i])) * (float64(v) - float64(start[i]))
		}
		point.Norm, point.Duration = math.Sqrt(point.Norm), time.Since(begin)
		start = next
		copy(s.params, start)
		if err := report(point); err != nil {
			return err
		}
	}
	return nil
}
