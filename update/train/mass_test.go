package train

import (
	"math"
	"slices"
	"testing"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// TestMassesAgainstWholeGradients compares the sketch with the gradients by the weights themselves. An adapter whose A is the
// unit matrix has B's gradient equal to its weight's.
func TestMassesAgainstWholeGradients(t *testing.T) {
	l := newLetters(t)
	list := []Sequence{text, {Tokens: []int32{5, 4, 1, 1, 2, 6, 3}, Prompt: 3, Weight: 9}, {Tokens: []int32{2}, Prompt: 1}} // the last carries no loss
	var targets []arch.Target
	for _, m := range l.base.Config.Modules() {
		targets = append(targets, arch.Target{Layer: 0, Module: m})
	}
	want := make([]float64, len(targets))
	for i, target := range targets {
		in, _, err := l.base.Config.Dims(target.Module)
		if err != nil {
			t.Fatal(err)
		}
		unit := graphs.Trainable{Targets: []arch.Target{target}, Rank: in, Scale: 1}
		pairs, err := Pairs(l.base.Config, unit)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := sizes(pairs)
		params := make([]float32, n)
		for k := range in {
			params[k*in+k] = 1
		}
		exact, err := squares(t.Context(), l.base, unit, pairs, params, list, 16, 1)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = exact[0]
	}
	const draws = 30
	mean := make([]float64, len(targets))
	for seed := range uint64(draws) {
		got, err := Masses(t.Context(), l.base, targets, list, 16, 1, seed)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if mean[i] += v / draws; math.Abs(v-want[i]) > 4*math.Sqrt(2.0/sketchRank)*want[i] {
				t.Errorf("%v, draw %d: mass %g, of the whole gradient %g", targets[i], seed, v, want[i])
			}
		}
	}
	for i, m := range mean {
		if want[i] == 0 || math.Abs(m-want[i]) > 4*math.Sqrt(2.0/sketchRank/draws)*want[i] {
			t.Errorf("%v: mass %g over %d draws, of the whole gradient %g", targets[i], m, draws, want[i])
		}
	}
	again, err := Masses(t.Context(), l.base, targets, list, 16, 1, 7)
	if err != nil {
		t.Fatal(err)
	}
	once, err := Masses(t.Context(), l.base, targets, list, 16, 1, 7)
	if err != nil || !slices.Equal(once, again) {
		t.Errorf("the same draw gave %v and %v, %v", once, again, err)
	}
	if _, err := Masses(t.Context(), l.base, targets, list[2:], 16, 1, 7); err == nil {
		t.Error("sequences without loss have a mass")
	}
}

// TestDensest: densities are 4, 1, 3, 2 and 3.
func TestDensest(t *testing.T) {
	masses, costs := []float64{40, 5, 60, 20, 15}, []int{10, 5, 20, 10, 5}
	for budget, want := range map[int][]int{4: nil, 5: {4}, 9: {4}, 10: {0}, 15: {0, 4}, 30: {0, 2}, 35: {0, 2, 4}, 40: {0, 1, 2, 4}, 45: {0, 2, 3, 4}, 50: {0, 1, 2, 3, 4}} {
		if got := Densest(masses, costs, budget); !slices.Equal(got, want) {
			t.Errorf("budget %d: chosen %v, want %v", budget, got, want)
		}
	}
}
