package gate

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSignTest(t *testing.T) {
	repeat := func(positive, negative, zero int) []float64 {
		var v []float64
		for range positive {
			v = append(v, 0.5)
		}
		for range negative {
			v = append(v, -2)
		}
		return append(v, make([]float64, zero)...)
	}
	for _, c := range []struct {
		positive, negative, zero int
		want                     float64 // Σ_{k ≥ positive} C(n,k) / 2^n, by hand
	}{
		{0, 0, 0, 1}, {0, 0, 9, 1}, {1, 0, 0, 0.5}, {5, 0, 0, 1.0 / 32}, {5, 0, 7, 1.0 / 32}, {9, 1, 0, 11.0 / 1024}, {8, 2, 3, 56.0 / 1024},
		{5, 5, 0, 638.0 / 1024}, {0, 4, 0, 1}, {15, 5, 0, 21700.0 / 1048576},
	} {
		if got := signTest(repeat(c.positive, c.negative, c.zero)); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d up, %d down, %d equal: p = %.9f, want %.9f", c.positive, c.negative, c.zero, got, c.want)
		}
	}
	if p := signTest(repeat(3000, 3000, 0)); math.Abs(p-0.505) > 0.002 {
		t.Errorf("of many equal halves p = %g", p)
	}
}

// TestBootstrapCoverage draws samples from a distribution with a known ratio and counts how often the interval holds it.
func TestBootstrapCoverage(t *testing.T) {
	const trials, examples, want = 400, 40, 0.25
	r := rand.New(rand.NewPCG(11, 12)) //nolint:gosec // reproducible, not secret
	below, above := 0, 0
	for trial := range trials {
		values, tokens := make([]float64, examples), make([]int, examples)
		for i := range values {
			tokens[i] = 5 + r.IntN(20)
			values[i] = float64(tokens[i])*want + math.Sqrt(float64(tokens[i]))*r.NormFloat64()
		}
		_, low, high := bootstrap(values, tokens, 400, uint64(trial))
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

func TestBootstrapIsReproducible(t *testing.T) {
	values, tokens := []float64{1, -2, 3, 0.5, 4}, []int{3, 4, 5, 6, 7}
	v, a, b := bootstrap(values, tokens, 500, 9)
	if w, c, d := bootstrap(values, tokens, 500, 9); v != w || a != c || b != d {
		t.Error("one seed gave two intervals")
	}
	if _, c, d := bootstrap(values, tokens, 500, 10); a == c && b == d {
		t.Error("another seed gave the same interval")
	}
	if want := 6.5 / 25; math.Abs(v-want) > 1e-12 || a > v || v > b {
		t.Errorf("ratio %g in [%g, %g], want %g", v, a, b, want)
	}
	if v, a, b := bootstrap([]float64{3}, []int{4}, 0, 1); v != 0.75 || a != 0.75 || b != 0.75 {
		t.Errorf("of one example [%g, %g, %g]", a, v, b)
	}
}
