package stats

import (
	"math"
	"testing"
)

func TestMedianAndQuantile(t *testing.T) {
	tests := []struct {
		values           []float64
		median, p50, p99 float64
	}{
		{[]float64{3}, 3, 3, 3},
		{[]float64{4, 1}, 2.5, 1, 4},
		{[]float64{9, 1, 5}, 5, 5, 9},
		{[]float64{4, 3, 2, 1}, 2.5, 2, 4},
	}
	for _, test := range tests {
		got := []float64{Median(test.values), Quantile(test.values, 0.5), Quantile(test.values, 0.99)}
		if got[0] != test.median || got[1] != test.p50 || got[2] != test.p99 {
			t.Errorf("%v: %v, want %v, %v, %v", test.values, got, test.median, test.p50, test.p99)
		}
	}
	hundred := make([]float64, 200)
	for i := range hundred {
		hundred[i] = float64(200 - i)
	}
	if got := Quantile(hundred, 0.99); got != 198 {
		t.Errorf("the 99th percentile of 1 to 200 is %v, the nearest rank is 198", got)
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("the median of nothing is a number")
	}
	if hundred[0] != 200 {
		t.Error("the caller's values were sorted")
	}
}

// TestMedianInterval compares with published tables of the sign test's interval: for n = 10 the second smallest and the
// second largest value cover with 97.85 %, for n = 20 the sixth with 95.86 %; n = 5 reaches 93.75 % with its range.
func TestMedianInterval(t *testing.T) {
	tests := []struct {
		n         int
		low, high float64
		coverage  float64
	}{
		{1, 1, 1, 0},
		{2, 1, 2, 0.5},
		{5, 1, 5, 0.9375},
		{6, 1, 6, 0.96875},
		{8, 1, 8, 0.9921875},
		{9, 2, 8, 0.9609375},
		{10, 2, 9, 0.978515625},
		{20, 6, 15, 0.95861053},
		{30, 10, 21, 0.95722},
	}
	for _, test := range tests {
		values := make([]float64, test.n)
		for i := range values {
			values[i] = float64((i*7)%test.n + 1) // 1 to n in another order where 7 does not divide n
		}
		low, high, coverage := MedianInterval(values, 0.95)
		if low != test.low || high != test.high || math.Abs(coverage-test.coverage) > 1e-5 {
			t.Errorf("n=%d: %v to %v with %v, want %v to %v with %v", test.n, low, high, coverage, test.low, test.high, test.coverage)
		}
	}
}
