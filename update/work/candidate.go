package work

import (
	"fmt"
	"path/filepath"

	"nightshift/models/adapter"
	"nightshift/onnx/graphs"
)

// Cut is what was lost where a candidate needed more rank than it may have, and is the best approximation of the one that it may.
type Cut struct {
	From int     `json:"from"` // rank of the whole
	To   int     `json:"to"`   // rank of the candidate
	Lost float64 `json:"lost"` // norm of what was cut off, as a share of the whole's
}

// made is a candidate.
type made struct {
	adapter *adapter.Adapter
	cut     *Cut // nil where nothing was cut off
}

// candidate is the adapter that has a part of what was trained.
//
// A slow learner takes 1−slow of the fast one and keeps slow of the champion, of what they add to the weights: the mean of factors
// would not be the factors of the mean. A part of that change is less of the fast one. Elsewhere a part is a point on the line from
// the champion's factors to the trained ones; of what begins with B zero, the base model's candidate or a block, B carries the part.
func (w *worker) candidate(trainable graphs.Trainable, params []float32, part float64) (made, error) {
	cfg, set := w.config(), w.job.Train.Methods
	if set.Slow > 0 && w.champion != nil {
		a, lost, err := set.Blend(cfg, w.champion, toAdapter(cfg, w.model.Config, trainable, params), part)
		return made{a, &Cut{2 * cfg.Rank, cfg.Rank, lost}}, err
	}
	whole := toAdapter(cfg, w.model.Config, trainable, w.toward(trainable, params, float32(part)))
	if limit := set.OrthogonalRank; w.blocks() && cfg.Rank > limit {
		a, lost, err := adapter.Merge(cfg.Ranked(limit), adapter.Part{Adapter: whole, Weight: 1})
		return made{a, &Cut{cfg.Rank, limit, lost}}, err
	}
	return made{adapter: whole}, nil
}

// toward is the point that lies a part of the way from the version that serves to what was trained.
func (w *worker) toward(trainable graphs.Trainable, trained []float32, part float32) []float32 {
	params := append([]float32(nil), trained...)
	if part == 1 {
		return params
	}
	served, line := w.served(trainable), w.champion != nil && !w.blocks()
	at := 0
	for _, t := range trainable.Targets {
		in, out, _ := w.model.Config.Dims(t.Module)
		a, b := at, at+in*trainable.Rank
		at = b + trainable.Rank*out
		if !line {
			a = b
		}
		for i := a; i < at; i++ {
			params[i] = served[i] + part*(trained[i]-served[i])
		}
	}
	return params
}

// keepFast writes the fast learner for the next run.
func (w *worker) keepFast(params []float32) error {
	if w.job.Train.Methods.Slow == 0 {
		return nil
	}
	trainable, err := w.trainable()
	if err != nil {
		return err
	}
	if err := toAdapter(w.config(), w.model.Config, trainable, params).Write(filepath.Join(w.dir, FastDir)); err != nil {
		return fmt.Errorf("keep the fast learner: %w", err)
	}
	return nil
}
