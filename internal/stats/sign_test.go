package stats

import (
	"math"
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
		if got := SignTest(repeat(c.positive, c.negative, c.zero)); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d up, %d down, %d equal: p = %.9f, want %.9f", c.positive, c.negative, c.zero, got, c.want)
		}
	}
	if p := SignTest(repeat(3000, 3000, 0)); math.Abs(p-0.505) > 0.002 {
		t.Errorf("of many equal halves p = %g", p)
	}
}
