package work

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
)

// deepen gives a job's random model another number of layers.
func deepen(t *testing.T, dir string, layers int) {
	t.Helper()
	var j Job
	must(t, read(dir, JobFile, &j))
	c, err := checkpoint.Open(j.ModelDir, t.TempDir())
	must(t, err)
	cfg := c.Shape()
	cfg.Layers = layers
	weights := checkpoint.Random(cfg, 3)
	for i := range weights["wte.weight"] {
		weights["wte.weight"][i] *= 20
	}
	must(t, checkpoint.Write(j.ModelDir, cfg, weights))
}

// TestAutoChoosesByMass trains what the gradients of the new examples choose, which differs from layer to layer, and goes on from it.
func TestAutoChoosesByMass(t *testing.T) {
	const budget = 4*(16+16) + 4*(16+32) + 4*(32+16) // all but the first of c_attn [16,48], c_proj [16,16], c_fc [16,32] and mlp.c_proj [32,16], once
	dir := job(t, func(j *Job) { j.Train.Modules, j.Train.Budget = []string{Auto}, budget })
	deepen(t, dir, 2)
	must(t, Run(t.Context(), dir, &bytes.Buffer{}))
	e := evaluation(t, dir)
	a, err := adapter.Read(filepath.Join(dir, CandidateDir))
	must(t, err)
	if len(e.Linears) != 8 {
		t.Fatalf("chosen among %d linears, want 8", len(e.Linears))
	}
	var chosen []arch.Target
	share, spent := 0.0, 0
	minChosen := 1e9
	for _, l := range e.Linears {
		if share += l.Share; l.Chosen {
			chosen, spent = append(chosen, arch.Target{Layer: l.Layer, Module: l.Module}), spent+l.Parameters
			minChosen = min(minChosen, l.Share/float64(l.Parameters))
		}
	}
	for _, l := range e.Linears {
		if density := l.Share / float64(l.Parameters); !l.Chosen && density > minChosen && spent+l.Parameters <= budget {
			t.Errorf("%+v fits and has more mass for each parameter than one that was chosen", l)
		}
	}
	if share < 0.999 || share > 1.001 || spent == 0 || spent > budget || !slices.Equal(chosen, a.Targets()) {
		t.Errorf("shares sum to %g, %d of %d parameters were spent, chosen %v, adapted %v", share, spent, budget, chosen, a.Targets())
	}
	for i := range e.Gain.Champion {
		if e.Gain.Candidate[i] >= e.Gain.Champion[i] {
			t.Errorf("held-out example %d: champion %g, candidate %g", i, e.Gain.Champion[i], e.Gain.Candidate[i])
		}
	}
	again := copyJob(t, dir, func(*Job) {})
	must(t, Run(t.Context(), again, &bytes.Buffer{}))
	if got := evaluation(t, again).Candidate; got != e.Candidate {
		t.Errorf("a second run made %s, the first %s", got, e.Candidate)
	}

	next := copyJob(t, dir, func(j *Job) {
		j.Champion, j.Train.Rate, j.Train.Modules, j.Train.Targets = "champion", 1e-9, a.Config.Modules, a.Targets()
	})
	must(t, a.Write(filepath.Join(next, "champion")))
	must(t, Run(t.Context(), next, &bytes.Buffer{}))
	b, err := adapter.Read(filepath.Join(next, CandidateDir))
	must(t, err)
	if n := evaluation(t, next); n.Linears != nil || !slices.Equal(b.Targets(), a.Targets()) {
		t.Errorf("going on from the choice adapts %v of %+v", b.Targets(), n.Linears)
	}
}

func TestAutoRefuses(t *testing.T) {
	dir := job(t, func(j *Job) { j.Train.Modules, j.Train.Budget = []string{Auto}, 100 })
	if err := Run(t.Context(), dir, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "100 parameters holds none; the smallest linear takes 128 at rank 4") {
		t.Errorf("a budget for nothing: %v", err)
	}
}

// TestAutoOfSomeLayers spends as much as the MLP would take where no budget is named, and stays in the layers that are.
func TestAutoOfSomeLayers(t *testing.T) {
	dir := job(t, func(j *Job) { j.Train.Modules, j.Train.Layers, j.Train.Epochs = []string{Auto}, []int{1}, 1 })
	deepen(t, dir, 3)
	must(t, Run(t.Context(), dir, &bytes.Buffer{}))
	spent, linears := 0, evaluation(t, dir).Linears
	for _, l := range linears {
		if l.Layer != 1 {
			t.Errorf("layer %d was looked at", l.Layer)
		}
		if l.Chosen {
			spent += l.Parameters
		}
	}
	if limit := 2 * 4 * (16 + 32); spent == 0 || spent > limit || len(linears) != 4 {
		t.Errorf("%d parameters of %d linears, want at most %d of 4", spent, len(linears), limit)
	}
}
