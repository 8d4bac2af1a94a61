package method

import (
	"context"

	"nightshift/update/train"
)

// Table lists the methods, in the order in which they change a run.
var Table = []Method{sparsity, rounds, project, average, orthogonal, anchor, si, ewc, slow}

// Check implements config.Checker.
func (s Settings) Check(report func(key, format string, args ...any)) {
	for _, m := range Table {
		if m.check != nil {
			m.check(s, report)
		}
	}
}

// On lists the keys of the methods that settings turn on.
func (s Settings) On() []string {
	var keys []string
	for _, m := range Table {
		if m.on(s) {
			keys = append(keys, m.Key)
		}
	}
	return keys
}

// Prepare completes a run's options and source. Importances are measured here, before the session of the run is made, so that two graphs never
// hold memory at a time.
func (r *Run) Prepare(ctx context.Context) error {
	r.Source = r.mixture()
	for _, m := range Table {
		if !m.on(r.Settings) || m.prepare == nil {
			continue
		}
		if err := m.prepare(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// Result is what becomes of the parameters after the last step.
func (r *Run) Result(params []float32) []float32 {
	for _, m := range Table {
		if m.on(r.Settings) && m.result != nil {
			params = m.result(r, params)
		}
	}
	return params
}

// Carry is what the next night is to know of parameters that were trained; ok is false where no method hands anything on.
func (r *Run) Carry(ctx context.Context, params []float32) (next train.Importances, ok bool, err error) {
	if !r.Carries() {
		return next, false, nil
	}
	next.Nights = r.Earlier.Nights + 1
	for _, m := range Table {
		if m.on(r.Settings) && m.carry != nil {
			if err := m.carry(ctx, r, params, &next); err != nil {
				return next, false, err
			}
		}
	}
	return next, true, nil
}
