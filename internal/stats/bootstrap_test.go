package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestRatioCoverage draws samples from a distribution with a known ratio and counts how often the interval holds it.
func TestRatioCoverage(t *testing.T) {
	const trials, examples, want = 400, 40, 0.25
	r := rand.New(rand.NewPCG(11, 12)) //nolint:gosec // reproducible, not secret
	below, above := 0, 0
	for trial := range trials {
		values, tokens := make([]float64, examples), make([]int, examples)
		for i := range values {
			tokens[i] = 5 + r.IntN(20)
			values[i] = float64(tokens[i])*want + math.Sqrt(float64(tokens[i]))*r.NormFloat64()
		}
		_, low, high := Ratio(values, tokens, 400, uint64(trial), 0.025)
		if want < low {
			below++
		}
		if want > high {
			above++
		}
	}
	// 2.5 % each are expected; 40 examples and percentile intervals give a little more (Efron & Tibshirani, table 14.2).
	if below+above < 8 || below+above > 36 || below > 22 || above > 22 {
		t.Errorf("the interval missed %d times below and %d above of %d, want about 10 each", below, above, trials)
	}
}

func TestRatioIsReproducible(t *testing.T) {
	values, tokens := []float64{1, -2, 3, 0.5, 4}, []int{3, 4, 5, 6, 7}
	v, a, b := Ratio(values, tokens, 500, 9, 0.025)
	if w, c, d := Ratio(values, tokens, 500, 9, 0.025); v != w || a != c || b != d {
		t.Error("one seed gave two intervals")
	}
	if _, c, d := Ratio(values, tokens, 500, 10, 0.025); a == c && b == d {
		t.Error("another seed gave the same interval")
	}
	if want := 6.5 / 25; math.Abs(v-want) > 1e-12 || a > v || v > b {
		t.Errorf("ratio %g in [%g, %g], want %g", v, a, b, want)
	}
	if v, a, b := Ratio([]float64{3}, []int{4}, 0, 1, 0.025); v != 0.75 || a != 0.75 || b != 0.75 {
		t.Errorf("of one example [%g, %g, %g]", a, v, b)
	}
}
