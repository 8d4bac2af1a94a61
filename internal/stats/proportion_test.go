package stats

import (
	"math"
	"testing"
)

// TestProportion compares with the closed forms at the ends, and in between with the binomial distribution itself.
func TestProportion(t *testing.T) {
	if low, high := Proportion(0, 0, 0.05); low != 0 || high != 1 {
		t.Errorf("of nothing: %g to %g", low, high)
	}
	if low, high := Proportion(0, 100, 0.05); low != 0 || math.Abs(high-(1-math.Pow(0.05, 0.01))) > 1e-9 {
		t.Errorf("0 of 100: %g to %g", low, high)
	}
	if low, high := Proportion(20, 20, 0.025); high != 1 || math.Abs(low-math.Pow(0.025, 1.0/20)) > 1e-9 {
		t.Errorf("20 of 20: %g to %g", low, high)
	}
	binomial := func(n, from, to int, p float64) (sum float64) {
		for k := from; k <= to; k++ {
			term := 1.0
			for i := range k {
				term *= float64(n-i) / float64(k-i)
			}
			sum += term * math.Pow(p, float64(k)) * math.Pow(1-p, float64(n-k))
		}
		return sum
	}
	for _, c := range [][2]int{{1, 10}, {3, 10}, {9, 10}, {17, 40}} {
		low, high := Proportion(c[0], c[1], 0.025)
		if above, below := binomial(c[1], c[0], c[1], low), binomial(c[1], 0, c[0], high); math.Abs(above-0.025) > 1e-9 || math.Abs(below-0.025) > 1e-9 {
			t.Errorf("%d of %d: %g to %g, whose tails are %g and %g", c[0], c[1], low, high, above, below)
		}
	}
}
