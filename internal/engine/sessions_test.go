package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"nightshift/models/quantize"
)

// TestSessions wants one session, and a second one where weights have twins.
func TestSessions(t *testing.T) {
	wide := wideModel(t)
	tokens := randomTokens(rand.New(rand.NewPCG(7, 7)), 60, wide.Config.Vocab)
	scores := map[string][]float32{}
	for name, m := range map[string]*Model{"f32": wide, "int8": quantized(t, wide, quantize.Int8), "int4": quantized(t, wide, quantize.Int4), "compact": compact(t, wide)} {
		e := runEngine(t, m, Config{Slots: 6})
		s := e.sessions
		if two := s.steps != s.prompts; two != (name == "int4") {
			t.Errorf("%s has two sessions: %v", name, two)
		}
		if s.decoding(1) != s.steps || s.few < 3 {
			t.Errorf("%s: single rows do not decode with the weights that are read fastest, up to %d rows do", name, s.few)
		}
		if s.few < math.MaxInt && (s.decoding(s.few) != s.steps || s.decoding(s.few+1) != s.prompts) {
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
	if twins, bits := apart("int4", "compact"), apart("compact", "f32"); twins == 0 || twins > bits/4 {
		t.Errorf("the squared differences of log-probabilities are %g with twins and without, %g in 4 bits and in float32", twins, bits)
	}
}

// compact is a model served in int4 without twins.
func compact(t testing.TB, m *Model) *Model {
	t.Helper()
	opt := quantize.Defaults(quantize.Int4)
	opt.Compact = true
	return converted(t, m, opt)
}
