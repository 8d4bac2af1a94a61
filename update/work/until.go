package work

import (
	"math"
	"time"

	"nightshift/update/selection"
	"nightshift/update/train"
)

// When a night measures what it has learned, and how it ends; see train.Until.
const (
	measureEvery  = 5   // steps; later measurements are further apart
	patience      = 10  // measurements
	cooldownShare = 0.5 // of all steps: what lies near a correction comes back while the learning rate falls
	minCooldown   = 40  // steps: few corrections are learned in few steps, and what lies near them takes as long to come back
)

// Ending is how a run of at least so many steps ends that measures nothing.
func Ending(minimum int) *train.Until {
	return &train.Until{Every: measureEvery, Minimum: minimum, Patience: patience, Cooldown: cooldownShare, MinCooldown: minCooldown}
}

// until is how the run over lessons ends: when the candidate prefers the share of the corrections that the job asks for, and all of
// editors, to the answers that they correct, after minimum steps at least. The gate's check of what was taught asks the same of the same
// corrections.
func (w *worker) until(s *train.Session, corrections []selection.Item, minimum int) (*train.Until, error) {
	t := w.job.Train
	u := Ending(minimum)
	u.From = t.From
	if begin := time.Now(); t.MaxTime > 0 && t.From == 0 {
		u.Expired = func() bool { return time.Since(begin) > t.MaxTime }
	}
	if t.Learned == 0 || len(corrections) == 0 {
		return u, nil
	}
	pairs := make([]train.Sequence, 0, 2*len(corrections)) // each correction before the answer that it corrects
	for _, it := range corrections {
		own, err := w.sequence(it)
		if err != nil {
			return nil, err
		}
		it.Completion = it.Rejected
		said, err := w.sequence(it)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, own, said)
	}
	u.Learned = func() (share float64, enough bool, err error) {
		scores, err := s.LogProbs(pairs, t.Rows, t.Columns)
		if err != nil {
			return 0, false, err
		}
		preferred, editors := 0, true
		for i, it := range corrections {
			if mean(scores[2*i]) > mean(scores[2*i+1]) {
				preferred++
			} else if it.Editor {
				editors = false
			}
		}
		share = float64(preferred) / float64(len(corrections))
		return share, editors && share >= t.Learned, nil
	}
	return u, nil
}

// mean of log-probabilities.
func mean(list []float32) float64 {
	sum := 0.0
	for _, v := range list {
		sum += float64(v)
	}
	return sum / math.Max(1, float64(len(list)))
}

// maxTaught is on how many learned corrections the candidate is asked what it prefers, besides those of editors.
const maxTaught = 64

// correctionsOf are the corrections on which it is measured what a candidate has learned: all of editors, and of others where there are
// more than maxTaught, evenly so many.
func correctionsOf(items []selection.Item) []selection.Item {
	var corrections, some []selection.Item
	for _, it := range items {
		switch it = selection.Plain(it); {
		case it.Use != selection.New || it.Rejected == "" || it.Completion == "":
		case it.Editor:
			some = append(some, it)
		default:
			corrections = append(corrections, it)
		}
	}
	n := min(len(corrections), maxTaught)
	for i := range n {
		some = append(some, corrections[i*len(corrections)/n])
	}
	return some
}
