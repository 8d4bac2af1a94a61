package work

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/train/method"
)

// vector is an adapter's factors, one after the other.
func vector(t *testing.T, dir string) []float32 {
	t.Helper()
	a, err := adapter.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var v []float32
	for _, target := range a.Targets() {
		v = append(append(v, a.Factors[target].A...), a.Factors[target].B...)
	}
	return v
}

// apart compares two adapters: the square of their distance, and how many of their parameters are the same.
func apart(a, b []float32) (square float64, same int) {
	for i, v := range a {
		square += float64(v-b[i]) * float64(v-b[i])
		if v == b[i] {
			same++
		}
	}
	return square, same
}

// TestMethods trains a champion, and from it candidates with one method each: each is the same when it is made again, and stays
// nearer to the champion than without the method, which is what all of these are for.
func TestMethods(t *testing.T) {
	first := job(t, nil)
	if err := Run(t.Context(), first, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	champion := vector(t, filepath.Join(first, CandidateDir))
	night := func(m method.Settings) []float32 {
		t.Helper()
		dir := copyJob(t, first, func(j *Job) { j.Champion, j.Seed, j.Train.Methods = "champion", 9, m })
		if err := os.CopyFS(filepath.Join(dir, "champion"), os.DirFS(filepath.Join(first, CandidateDir))); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), dir, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		candidate := vector(t, filepath.Join(dir, CandidateDir))
		_, same := apart(candidate, champion)
		switch reported := evaluation(t, dir).Sparsity; {
		case m.Sparsity == 0 && reported != nil:
			t.Errorf("a sparsity of %g is reported of %+v", *reported, m)
		case m.Sparsity > 0 && (reported == nil || *reported != float64(same)/float64(len(candidate))):
			t.Errorf("%d of %d parameters stayed what they were, reported is %v", same, len(candidate), reported)
		}
		return candidate
	}
	plain := night(method.Settings{})
	far, _ := apart(plain, champion)
	for name, m := range map[string]method.Settings{
		"anchor":       {Anchor: 1},
		"products":     {EWC: 1},
		"factors":      {EWC: 1, EWCOn: method.OnFactors, EWCExamples: 1},
		"rounds":       {RoundSteps: 3, RoundShare: 0.3},
		"average":      {Average: 0.97},
		"sparsity":     {Sparsity: 0.5},
		"project":      {Project: true},
		"all together": {Anchor: 0.1, EWC: 0.1, Sparsity: 0.1, Project: true, RoundSteps: 3, RoundShare: 0.5, Average: 0.5},
	} {
		candidate := night(m)
		distance, same := apart(candidate, champion)
		if again, _ := apart(candidate, night(m)); again != 0 {
			t.Errorf("%s: made again it is another candidate", name)
		}
		if name == "project" { // it bends steps and shortens none
			if difference, _ := apart(candidate, plain); difference == 0 {
				t.Errorf("%s: it changed nothing", name)
			}
		} else if !(distance < far) || distance == 0 {
			t.Errorf("%s: the square of the distance to the champion is %g, without the method %g", name, distance, far)
		}
		if name == "sparsity" && same == 0 {
			t.Errorf("no parameter stayed what it was")
		}
	}
}

// TestImportancesAreCarried goes on for two nights: the second is held back by what the first one measured, and measures on.
func TestImportancesAreCarried(t *testing.T) {
	methods := method.Settings{SI: 1, SIDamping: 1e-2, EWC: 1, EWCOn: method.OnFactors, EWCKeep: 0.5}
	first := job(t, func(j *Job) { j.Train.Methods = methods })
	if err := Run(t.Context(), first, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	champion := vector(t, filepath.Join(first, CandidateDir))
	shapes := []arch.Tensor{{Name: graphs.LoraA(arch.Target{Layer: 0, Module: "mlp.c_fc"}), Dims: []int64{16, 4}}, {Name: graphs.LoraB(arch.Target{Layer: 0, Module: "mlp.c_fc"}), Dims: []int64{4, 32}},
		{Name: graphs.LoraA(arch.Target{Layer: 0, Module: "mlp.c_proj"}), Dims: []int64{32, 4}}, {Name: graphs.LoraB(arch.Target{Layer: 0, Module: "mlp.c_proj"}), Dims: []int64{4, 16}}}
	left := func(dir string) train.Importances {
		data, err := os.ReadFile(filepath.Join(dir, ImportancesFile))
		if err != nil {
			t.Fatal(err)
		}
		i, err := train.ParseImportances(data, shapes)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	night := func(importances string, m method.Settings) string {
		dir := copyJob(t, first, func(j *Job) { j.Champion, j.Seed, j.Importances, j.Train.Methods = "champion", 9, importances, m })
		if err := os.CopyFS(filepath.Join(dir, "champion"), os.DirFS(filepath.Join(first, CandidateDir))); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(first, ImportancesFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "before"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), dir, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	anew, on := night("", methods), night("before", methods)
	far, _ := apart(vector(t, filepath.Join(anew, CandidateDir)), champion)
	distance, _ := apart(vector(t, filepath.Join(on, CandidateDir)), champion)
	if !(distance < far) {
		t.Errorf("the square of the distance to the champion is %g, without its importances %g", distance, far)
	}
	one, two := left(first), left(on)
	if one.Nights != 1 || two.Nights != 2 || left(anew).Nights != 1 {
		t.Errorf("%d nights, and then %d", one.Nights, two.Nights)
	}
	var before, after float64
	for i, v := range two.Fisher {
		if v < one.Fisher[i]/2 || two.SI[i] < 0 {
			t.Fatalf("parameter %d: importance %g after %g, by SI %g after %g", i, v, one.Fisher[i], two.SI[i], one.SI[i])
		}
		before, after = before+float64(one.Fisher[i]), after+float64(v)
	}
	if n := float64(len(two.Fisher)); math.Abs(before/n-1) > 1e-3 || math.Abs(after/n-1.5) > 1e-3 {
		t.Errorf("mean importances %g and %g, want 1 and 0.5·1 + 1", before/n, after/n)
	}
	if _, err := os.Stat(filepath.Join(night("", method.Settings{EWC: 1}), ImportancesFile)); err == nil {
		t.Error("a night whose methods carry nothing left importances")
	}
}

// TestMethodsWithoutRehearsal: what protects by rehearsed examples does nothing where there are none.
func TestMethodsWithoutRehearsal(t *testing.T) {
	plain, protected := job(t, nil), ""
	rewrite(t, plain, func(*Job) {}, selection.Rehearsal)
	protected = copyJob(t, plain, func(j *Job) { j.Train.Methods = method.Settings{EWC: 5, Project: true} })
	for _, dir := range []string{plain, protected} {
		if err := Run(t.Context(), dir, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	}
	if d, _ := apart(vector(t, filepath.Join(plain, CandidateDir)), vector(t, filepath.Join(protected, CandidateDir))); d != 0 {
		t.Errorf("apart by %g", d)
	}
}

// TestMethodsAreChecked refuses a job whose methods no run could work with.
func TestMethodsAreChecked(t *testing.T) {
	dir := job(t, func(j *Job) { j.Train.Methods.Average = 2 })
	if err := Run(t.Context(), dir, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "the decay is 2") {
		t.Errorf("a job with a decay of 2: %v", err)
	}
}
