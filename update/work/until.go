package work

import (
	"math"
	"time"

	"nightshift/update/selection"
	"nightshift/update/train"
)

// When a night measures what it has learned, and how it ends; see train.Until.
const (
	measureEvery  = 5    // steps; later measurements are further apart
	patience      = 10   // measurements
	cooldownShare = 0.25 // of all steps
)

// until is how the run over lessons ends: when the candidate prefers the share of the corrections that the job asks for to the answers
// that they correct, after minimum steps at least. What it finds is what the gate's check of the same name finds, on as many corrections.
func (w *worker) until(s *train.Session, corrections []selection.Item, minimum int) (*train.Until, error) {
	t := w.job.Train
	u := &train.Until{Target: t.Learned, Every: measureEvery, Minimum: minimum, Patience: patience, Cooldown: cooldownShare, From: t.From}
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
	u.Learned = func() (float64, error) {
		scores, err := s.LogProbs(pairs, t.Rows, t.Columns)
		if err != nil {
			return 0, err
		}
		preferred := 0
		for i := 0; i < len(scores); i += 2 {
			if mean(scores[i]) > mean(scores[i+1]) {
				preferred++
			}
		}
		return float64(preferred) / float64(len(corrections)), nil
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

// mostTaught is on how many learned corrections the candidate is asked what it prefers.
const mostTaught = 64

// correctionsOf are the corrections on which it is measured what a candidate has learned: of more than mostTaught, evenly so many.
func correctionsOf(items []selection.Item) []selection.Item {
	var corrections []selection.Item
	for _, it := range items {
		if it = selection.Plain(it); it.Use == selection.New && it.Rejected != "" && it.Completion != "" {
			corrections = append(corrections, it)
		}
	}
	n := min(len(corrections), mostTaught)
	some := make([]selection.Item, n)
	for i := range some {
		some[i] = corrections[i*len(corrections)/n]
	}
	return some
}
