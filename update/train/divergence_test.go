package train

import (
	"math"
	"slices"
	"testing"

	"nightshift/onnx/graphs"
)

// TestDivergence compares the whole-vocabulary divergence with the sum worked out from two full distributions, and the lumped one
// with it from below. A model does not diverge from itself, and its distance does not vanish when it moves to other tokens.
func TestDivergence(t *testing.T) {
	base, trainable := tiny(t)
	s, err := NewSession(base, trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin(s)
	first := slices.Clone(s.Parameters())
	second := slices.Clone(first)
	for i := range second {
		second[i] += float32(math.Cos(float64(3*i))) / 3
	}
	want := fullDivergence(t, base, trainable, first, second)
	for _, top := range []int{40, 8, 1} {
		scorer, err := NewScorer(base, trainable, top, 2, 8, 1)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDivergence(scorer, first, lessons)
		if err != nil {
			t.Fatal(err)
		}
		nats, tokens, err := d.From(second)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(tokens, []int{3, 2, 2}) {
			t.Errorf("compared tokens %v", tokens)
		}
		for i := range nats {
			t.Logf("top %d, sequence %d: %.4f of %.4f nats", top, i, nats[i], want[i])
			if nats[i] > want[i]+1e-3 || top == 40 && nats[i] < want[i]-1e-3 || top == 8 && nats[i] < 0.4*want[i] {
				t.Errorf("top %d, sequence %d: %g nats, over all tokens %g", top, i, nats[i], want[i])
			}
		}
		if nats, _, err := d.From(first); err != nil || slices.Max(nats) > 1e-4 || slices.Min(nats) < 0 {
			t.Errorf("top %d: from itself %v, %v", top, nats, err)
		}
		if _, _, err := d.From(second[1:]); err == nil {
			t.Error("too few parameters were accepted")
		}
		if _, err := NewDivergence(scorer, first[1:], lessons); err == nil {
			t.Error("too few parameters were accepted")
		}
		scorer.Close()
	}
}

// fullDivergence is the divergence of each lesson over the whole vocabulary.
func fullDivergence(t *testing.T, base Base, trainable graphs.Trainable, first, second []float32) []float64 {
	t.Helper()
	scorer, err := NewScorer(base, trainable, 40, 2, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer scorer.Close()
	var models [2][]Sequence
	for i, params := range [][]float32{first, second} {
		models[i] = slices.Clone(lessons)
		if err := scorer.Teach(params, models[i], 1); err != nil {
			t.Fatal(err)
		}
	}
	sums := make([]float64, len(lessons))
	for i := range lessons {
		for at, q := range models[0][i].Teacher {
			p := models[1][i].Teacher[at]
			for k, id := range q.IDs {
				sums[i] += float64(q.Probs[k]) * math.Log(float64(q.Probs[k])/float64(p.Probs[slices.Index(p.IDs, id)]))
			}
		}
	}
	return sums
}
