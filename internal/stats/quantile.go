package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Median is the middle value, or the mean of the two in the middle; NaN of none.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Quantile is the smallest value that at least a share q, from 0 to 1, of the values do not exceed (the nearest rank); NaN of none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return stat.Quantile(q, stat.Empirical, slices.Sorted(slices.Values(values)), nil)
}

// MedianInterval is the narrowest interval between two values, as far from the smallest as from the largest, that holds
// the median of the distribution with at least the given confidence. It assumes that the values are independent and
// nothing else: each value is below the median with probability 1/2, so the number of those that are is binomial (Conover,
// Practical Nonparametric Statistics, section 3.2). Fewer than six values cannot give 95 %; then it is the range, and
// coverage says what that is worth.
func MedianInterval(values []float64, confidence float64) (low, high, coverage float64) {
	n := len(values)
	if n == 0 {
		return math.NaN(), math.NaN(), 0
	}
	sorted := slices.Sorted(slices.Values(values))
	low, high, coverage = sorted[0], sorted[n-1], 1-2*math.Pow(0.5, float64(n))
	term := math.Pow(0.5, float64(n)) // probability of k values below the median
	tail := term
	for k := 1; 2*k < n-1; k++ {
		term *= float64(n-k+1) / float64(k)
		tail += term
		if 1-2*tail < confidence {
			break
		}
		low, high, coverage = sorted[k], sorted[n-1-k], 1-2*tail
	}
	return low, high, coverage
}
