package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"nightshift/models/quantize"
)

// TestSessions wants a session with adapters and one without, and others where weights have int8 copies.
func TestSessions(t *testing.T) {
	wide := wideModel(t)
	tokens := randomTokens(rand.New(rand.NewPCG(7, 7)), 60, wide.Config.Vocab)
	scores := map[string][]float32{}
	for name, m := range map[string]*Model{"f32": wide, "int8": quantized(t, wide, quantize.Int8), "int4": quantized(t, wide, quantize.Int4), "compact": compact(t, wide)} {
		e := runEngine(t, m, Config{Slots: 6})
		s := e.sessions
		want := map[string]int{"int4": 3, "compact": 1}[name] // 4 bits are read twice only where an answer's bits must not depend on its neighbours
		if want == 0 {
			want = 2
		} else if name == "int4" && s.few == math.MaxInt {
			want = 4
		}
		if len(s.opened) != want {
			t.Errorf("%s has %d sessions, want %d", name, len(s.opened), want)
		}
		if two := s.steps.base != s.prompts.base; two != (name == "int4") {
			t.Errorf("%s has other weights for a few rows: %v", name, two)
		}
		if s.prompts.base.factors != (name == "compact") || !s.prompts.adapted.factors {
			t.Errorf("%s: the base model's prompts are computed with adapters, or others' without", name)
		}
		if s.decoding(1, false) != s.steps.base || s.few < 3 {
			t.Errorf("%s: single rows do not decode with the weights that are read fastest, up to %d rows do", name, s.few)
		}
		if s.few < math.MaxInt && (s.decoding(s.few, false) != s.steps.base || s.decoding(s.few+1, false) != s.prompts.base) {
			t.Errorf("%s: steps of %d rows and more do not change over", name, s.few+1)
		}
		score, err := e.Score(context.Background(), pinned(t, e, ""), tokens, 1)
		if err != nil {
			t.Fatal(err)
		}
		scores[name] = score.LogProbs
	}
	apart := func(a, b string) (sum float64) {
		for i, p := range scores[a] {
			d := float64(p - scores[b][i])
			sum += d * d
		}
		return sum
	}
	if copies, bits := apart("int4", "compact"), apart("compact", "f32"); copies == 0 || copies > bits/4 {
		t.Errorf("the squared differences of log-probabilities are %g with int8 copies and without, %g in 4 bits and in float32", copies, bits)
	}
}

// compact is a model served in int4 without int8 copies.
func compact(t testing.TB, m *Model) *Model {
	t.Helper()
	opt := quantize.Defaults(quantize.Int4)
	opt.Compact = true
	return converted(t, m, opt)
}
