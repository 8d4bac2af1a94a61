package stats

import (
	"math"
	"testing"
)

func TestStudent(t *testing.T) {
	// One degree of freedom is Cauchy's: cot(π·tail). Two: (1−2·tail)/√(2·tail·(1−tail)). The others are from tables,
	// and the last from adding up the density.
	for _, c := range []struct{ tail, degrees, want float64 }{
		{0.025, 1, 12.706204736}, {1e-4, 1, 3183.0988}, {0.025, 2, 4.3026527297}, {0.001, 2, 22.327124770}, {0.05, 5, 2.0150483727},
		{0.025, 10, 2.2281388520}, {0.005, 30, 2.7499956536}, {0.025, 1000, 1.9623390808}, {0.05 / 930, 40, 4.2971530},
	} {
		if got := Student(c.tail, c.degrees); math.Abs(got/c.want-1) > 2e-8 {
			t.Errorf("t of %g degrees is above %.10g with probability %g, want %.10g", c.degrees, got, c.tail, c.want)
		}
	}
	for _, c := range []struct{ x, a, b, want float64 }{{0, 2, 3, 0}, {1, 2, 3, 1}, {0.3, 1, 1, 0.3}, {0.5, 4, 4, 0.5}, {0.2, 1, 5, 1 - math.Pow(0.8, 5)}, {0.9, 3, 1, 0.729}} {
		if got := beta(c.x, c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("beta(%g; %g, %g) = %.15g, want %.15g", c.x, c.a, c.b, got, c.want)
		}
	}
}

// TestMarginByHand: three people of ten tokens each, with sums 1, 2 and 6: the mean of their ratios is 0.3, its standard error
// that of a mean, √(0.07/3), and t of two degrees 4.3027.
func TestMarginByHand(t *testing.T) {
	if got, want := RatioMargin([]float64{1, 2, 6}, []int{10, 10, 10}, 0.025), 4.3026527297*math.Sqrt(0.07/3); math.Abs(got-want) > 1e-9 {
		t.Errorf("margin %.9f, want %.9f", got, want)
	}
}
