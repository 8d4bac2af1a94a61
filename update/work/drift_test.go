package work

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/models/adapter"
	"nightshift/update/gate"
	"nightshift/update/selection"
)

// TestShrink runs the same job with limits of drift: a wide one leaves the candidate as it was trained, a narrower one keeps a part
// of it, and with one that nothing meets the smallest part is judged and fails.
func TestShrink(t *testing.T) {
	plain := job(t, nil)
	must(t, Run(t.Context(), plain, &bytes.Buffer{}))
	whole := copyJob(t, plain, func(j *Job) { j.Drift = DriftBound{Limit: 1000, Prompts: 8} })
	must(t, Run(t.Context(), whole, &bytes.Buffer{}))
	e := evaluation(t, whole)
	mean, ok := e.Drift.Tried[0].Mean()
	if e.Candidate != evaluation(t, plain).Candidate || len(e.Drift.Tried) != 1 || e.Drift.Scale() != 1 || !ok || mean < 0.01 || e.Drift.Top != 64 || len(evaluation(t, plain).Drift.Tried) != 0 {
		t.Fatalf("with a wide limit: candidate %s, drift %+v", e.Candidate, e.Drift)
	}
	part := copyJob(t, plain, func(j *Job) { j.Drift = DriftBound{Limit: 0.9 * mean, Prompts: 8} })
	must(t, Run(t.Context(), part, &bytes.Buffer{}))
	e = evaluation(t, part)
	last := e.Drift.Tried[len(e.Drift.Tried)-1]
	if after, _ := last.Mean(); len(e.Drift.Tried) < 2 || last.Scale >= 1 || after > 0.9*mean || e.Drift.Scale() != last.Scale {
		t.Fatalf("with a narrower limit %+v", e.Drift)
	}
	trained, err := adapter.Read(filepath.Join(plain, CandidateDir))
	must(t, err)
	scaled, err := trained.Scaled(float32(last.Scale)).Digest() // of the base model, the product is scaled
	must(t, err)
	if scaled != e.Candidate || slices.Equal(e.Gain.Candidate, evaluation(t, plain).Gain.Candidate) {
		t.Errorf("the candidate is %s, want %s; it was scored %v", e.Candidate, scaled, e.Gain.Candidate)
	}
	none := copyJob(t, plain, func(j *Job) { j.Drift = DriftBound{Limit: 1e-9, Prompts: 8} })
	must(t, Run(t.Context(), none, &bytes.Buffer{}))
	limits := gate.Defaults()
	limits.Drift = 1e-9
	if e = evaluation(t, none); len(e.Drift.Tried) != len(gate.Scales()) || e.Drift.Scale() != 0.25 || gate.Judge(e.Evaluation, gate.Evidence{}, limits).Pass {
		t.Errorf("with a limit that nothing meets %+v", e.Drift)
	}
}

// TestShrinkTowardsTheChampion: of a champion that has learned something, the part that is left lies between it and what was trained, and
// what it had learned is not taken back. Where nothing is rehearsed, anchors measure.
func TestShrinkTowardsTheChampion(t *testing.T) {
	first := job(t, nil)
	must(t, Run(t.Context(), first, &bytes.Buffer{}))
	second := copyJob(t, first, func(j *Job) { j.Champion, j.Seed, j.Drift = "champion", 9, DriftBound{Limit: 1e-9, Prompts: 8} })
	must(t, os.CopyFS(filepath.Join(second, "champion"), os.DirFS(filepath.Join(first, CandidateDir))))
	rewrite(t, second, func(*Job) {}, selection.Rehearsal)
	must(t, Run(t.Context(), second, &bytes.Buffer{}))
	free := copyJob(t, second, func(j *Job) { j.Drift = DriftBound{} })
	must(t, os.CopyFS(filepath.Join(free, "champion"), os.DirFS(filepath.Join(first, CandidateDir))))
	must(t, Run(t.Context(), free, &bytes.Buffer{}))
	var all [3]*adapter.Adapter
	for i, dir := range []string{filepath.Join(first, CandidateDir), filepath.Join(second, CandidateDir), filepath.Join(free, CandidateDir)} {
		var err error
		all[i], err = adapter.Read(dir)
		must(t, err)
	}
	champion, scaled, trained := all[0], all[1], all[2]
	moved := 0.0
	for target, f := range champion.Factors {
		for side, values := range [][]float32{f.A, f.B} {
			got, end := scaled.Factors[target].A, trained.Factors[target].A
			if side == 1 {
				got, end = scaled.Factors[target].B, trained.Factors[target].B
			}
			for i, v := range values {
				moved = max(moved, math.Abs(float64(end[i]-v)))
				if want := v + 0.25*(end[i]-v); math.Abs(float64(got[i]-want)) > 1e-6 {
					t.Fatalf("%s, factor %d: %g, a quarter of the way from %g to %g is %g", target, side, got[i], v, end[i], want)
				}
			}
		}
	}
	e := evaluation(t, second)
	if moved < 1e-4 || len(e.Drift.Tried) != 4 || len(e.Drift.Tried[0].Nats) != 1 {
		t.Errorf("training moved factors by %g at most; drift %+v", moved, e.Drift)
	}
}
