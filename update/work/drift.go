package work

import (
	"errors"
	"fmt"

	"nightshift/models/adapter"
	"nightshift/onnx/gpt2"
	"nightshift/update/gate"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// Drift says how near the candidate is kept to the champion.
type Drift struct {
	Limit   float64 `json:"limit"`   // mean KL(champion ‖ candidate) in nats per token on rehearsed examples; 0 measures nothing
	Prompts int     `json:"prompts"` // examples to measure it on
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
func (w *worker) shrink(items []selection.Item, candidate *adapter.Adapter) (*adapter.Adapter, gate.Drift, error) {
	drift := gate.Drift{Top: min(driftTop, w.model.Config.Vocab)}
	limit := w.job.Drift.Limit
	if limit == 0 {
		return candidate, gate.Drift{}, nil
	}
	list, err := w.unchanged(items)
	if err != nil || len(list) == 0 {
		return candidate, drift, err // the gate says that it was not measured
	}
	trainable, err := w.trainable()
	if err != nil {
		return nil, drift, err
	}
	champion, err := w.start(trainable)
	if err != nil {
		return nil, drift, err
	}
	t := w.job.Train
	scorer, err := train.NewScorer(w.base(), trainable, drift.Top, t.Rows, t.Columns, w.job.Threads)
	if err != nil {
		return nil, drift, err
	}
	defer scorer.Close()
	from, err := train.NewDivergence(scorer, champion, list)
	if err != nil {
		return nil, drift, err
	}
	trained := flat(candidate, trainable)
	for _, scale := range gate.Scales() {
		params := w.toward(trainable, champion, trained, float32(scale))
		tried := gate.Scaled{Scale: scale}
		if tried.Nats, tried.Tokens, err = from.From(params); err != nil {
			return nil, drift, err
		}
		mean, ok := tried.Mean()
		if !ok {
			return nil, drift, errors.New("the candidate's distributions are not numbers; a lower learning rate may help")
		}
		drift.Tried = append(drift.Tried, tried)
		if scale < 1 {
			candidate = toAdapter(w.config(), w.model.Config, trainable, params)
		}
		if mean <= limit {
			break
		}
	}
	return candidate, drift, candidate.Check()
}

// unchanged are the examples that drift is measured on: rehearsed ones, and anchors where none is rehearsed.
func (w *worker) unchanged(items []selection.Item) ([]train.Sequence, error) {
	var chosen []selection.Item
	for _, use := range []string{selection.Rehearsal, selection.Anchor} {
		for _, it := range items {
			if it.Use == use {
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

// toward is the point that lies a part of the way from the champion to what was trained.
func (w *worker) toward(trainable gpt2.Trainable, champion, trained []float32, part float32) []float32 {
	params := make([]float32, len(trained))
	if w.champion != nil {
		for i := range params {
			params[i] = champion[i] + part*(trained[i]-champion[i])
		}
		if part == 1 {
			copy(params, trained)
		}
		return params
	}
	copy(params, trained)
	at := 0
	for _, t := range trainable.Targets {
		in, out, _ := w.model.Config.ModuleShape(t.Module)
		at += in * trainable.Rank
		for i := range trainable.Rank * out {
			params[at+i] *= part
		}
		at += trainable.Rank * out
	}
	return params
}

// flat is an adapter's parameters in the order of training.
func flat(a *adapter.Adapter, trainable gpt2.Trainable) []float32 {
	var params []float32
	for _, t := range trainable.Targets {
		f := a.Factors[adapter.Target{Layer: t.Layer, Module: t.Module}]
		params = append(append(params, f.A...), f.B...)
	}
	return params
}
