package work

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"nightshift/onnx/graphs"
	"nightshift/update/train"
)

// Carries reports whether a run with these methods leaves importances behind for the next one.
func (m Methods) Carries() bool { return m.SI > 0 || m.EWC > 0 && m.EWCKeep > 0 }

// earlier reads the importances that the champion's night left behind. Without such there are none yet.
func (w *worker) earlier(base train.Base, trainable graphs.Trainable) (train.Importances, error) {
	if !w.job.Train.Methods.Carries() || w.job.Importances == "" {
		return train.Importances{}, nil
	}
	shapes, err := trainable.Parameters(base.Config)
	if err != nil {
		return train.Importances{}, err
	}
	data, err := os.ReadFile(filepath.Join(w.dir, w.job.Importances))
	if err != nil {
		return train.Importances{}, fmt.Errorf("read importances: %w", err)
	}
	return train.ParseImportances(data, shapes)
}

// carry writes the importances of the candidate: what the champion's were, and what this run's new examples add that were imitated.
func (w *worker) carry(ctx context.Context, base train.Base, trainable graphs.Trainable, m method, params []float32, fresh []train.Sequence) error {
	set := w.job.Train.Methods
	if !set.Carries() {
		return nil
	}
	next := train.Importances{Nights: m.earlier.Nights + 1}
	var err error
	if m.si != nil {
		if next.SI, err = m.si.Importance(m.earlier.SI, params); err != nil {
			return err
		}
	}
	if set.EWC > 0 && set.EWCKeep > 0 {
		importance := make([]float32, len(params))
		if len(fresh) > 0 {
			if importance, err = w.importance(ctx, base, trainable, graphs.Factors, params, fresh); err != nil {
				return err
			}
		}
		if next.Fisher, err = train.Consolidate(m.earlier.Fisher, importance, set.EWCKeep); err != nil {
			return err
		}
	}
	shapes, err := trainable.Parameters(base.Config)
	if err != nil {
		return err
	}
	data, err := next.Encode(shapes)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, ImportancesFile), data, 0o644); err != nil {
		return fmt.Errorf("write importances: %w", err)
	}
	return nil
}
