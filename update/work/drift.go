package work

import (
	"errors"
	"fmt"

	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// DriftBound says how near the candidate is kept to the champion.
type DriftBound struct {
	Limit   float64 `json:"limit"`            // mean KL(champion ‖ candidate) in nats per token on rehearsed examples; 0 measures nothing
	Beyond  float64 `json:"beyond,omitempty"` // the same of the whole change, from which on no part of it is tried: it is broken; 0 for any
	Prompts int     `json:"prompts"`          // examples to measure it on
}

// driftTop is how many of the likeliest tokens are told apart at each position.
const driftTop = 64

// shrink measures how far the trained parameters lead away from the champion where nothing was to change, and takes back a part of
// the change until that is within the limit or nothing is left to try. The figures are of float32 weights, of what train.Divergence
// tells apart, and of examples that were rehearsed: what was not, may drift further.
//
// A part of the change is a point on the line between the champion's factors and the candidate's (weights interpolated as
// Wortsman et al. 2022 do to keep what a model could), not the candidate's product scaled: that would take the champion's
// own learning back too. Without a champion the two are the same, and B carries the scale.
func (w *worker) shrink(items []selection.Item, trained []float32) (made, gate.Drift, error) {
	trainable, err := w.trainable()
	if err != nil {
		return made{}, gate.Drift{}, err
	}
	whole, err := w.candidate(trainable, trained, 1)
	limit := w.job.Drift.Limit
	if err != nil || limit == 0 {
		return whole, gate.Drift{}, err
	}
	drift := gate.Drift{Top: min(driftTop, w.model.Config.Vocab)}
	list, err := w.unchanged(items)
	if err != nil || len(list) == 0 {
		return whole, drift, err // the gate says that it was not measured
	}
	t := w.job.Train
	scorer, err := train.NewScorer(w.base(), trainable, drift.Top, t.Rows, t.Columns, w.job.Threads)
	if err != nil {
		return whole, drift, err
	}
	defer scorer.Close()
	from, err := train.NewDivergence(scorer, w.served(trainable), list)
	if err != nil {
		return whole, drift, err
	}
	candidate := whole
	for _, scale := range gate.Scales() {
		if scale < 1 {
			if candidate, err = w.candidate(trainable, trained, scale); err != nil {
				return candidate, drift, err
			}
		}
		tried := gate.Scaled{Scale: scale}
		if tried.Nats, tried.Tokens, err = from.From(w.flat(candidate.adapter, trainable)); err != nil {
			return candidate, drift, err
		}
		mean, ok := tried.Mean()
		if !ok {
			return candidate, drift, errors.New("the candidate's distributions are not numbers; a lower learning rate may help")
		}
		drift.Tried = append(drift.Tried, tried)
		if beyond := w.job.Drift.Beyond; mean <= limit || beyond > 0 && scale == 1 && mean > beyond {
			break
		}
	}
	return candidate, drift, candidate.adapter.Check()
}

// unchanged are the examples that drift is measured on: rehearsed ones, and anchors where none is rehearsed.
func (w *worker) unchanged(items []selection.Item) ([]train.Sequence, error) {
	var chosen []selection.Item
	for _, use := range []string{selection.Rehearsal, selection.Anchor} {
		for _, it := range items {
			if it.Use == use && !w.calledBad(it) {
				chosen = append(chosen, it)
			}
		}
		if len(chosen) > 0 {
			break
		}
	}
	var list []train.Sequence
	n := min(len(chosen), w.job.Drift.Prompts)
	for i := range n { // evenly: of what is remembered and of what the model came with
		s, err := w.sequence(chosen[i*len(chosen)/n])
		if err != nil {
			return nil, fmt.Errorf("measure drift: %w", err)
		}
		list = append(list, s)
	}
	return list, nil
}
