package bench

import (
	"math"
	"slices"
)

// Median is the middle value, or the mean of the two in the middle; NaN of none.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Quantile is the smallest value that at least a share q of the values do not exceed (the nearest rank); NaN of none.
func Quantile(values []float64, q float64) float64 {
	n := len(values)
	if n == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(n, max(1, int(math.Ceil(q*float64(n)))))-1]
}

// Interval is an interval for a median, with the probability that it holds it.
type Interval struct {
	Low, High float64
	Coverage  float64
}

// MedianInterval is the narrowest interval between two values, as far from the smallest as from the largest, that holds
// the median of the distribution with at least the given confidence. It assumes that the values are independent and
// nothing else: each value is below the median with probability 1/2, so the number of those that are is binomial (Conover,
// Practical Nonparametric Statistics, section 3.2). Fewer than six values cannot give 95 %; then it is the range, and
// Coverage says what that is worth.
func MedianInterval(values []float64, confidence float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{math.NaN(), math.NaN(), 0}
	}
	sorted := slices.Sorted(slices.Values(values))
	best := Interval{sorted[0], sorted[n-1], 1 - 2*math.Pow(0.5, float64(n))}
	term := math.Pow(0.5, float64(n)) // probability of k values below the median
	tail := term
	for k := 1; 2*k < n-1; k++ {
		term *= float64(n-k+1) / float64(k)
		tail += term
		if 1-2*tail < confidence {
			break
		}
		best = Interval{sorted[k], sorted[n-1-k], 1 - 2*tail}
	}
	return best
}

// Verdict says how an interval lies to a threshold.
type Verdict string

// The verdicts.
const (
	Pass      Verdict = "pass"      // all of the interval is on the right side
	Fail      Verdict = "fail"      // all of it is on the wrong side
	Undecided Verdict = "undecided" // the threshold is inside, or there are fewer than six values: measure more blocks
)

// confidence is that of all intervals here.
const confidence = 0.95

// Judge compares an interval with what it must at least and at most be; 0 asks nothing. An interval that covers with less
// than 95 % decides nothing.
func Judge(i Interval, atLeast, atMost float64) Verdict {
	if atLeast == 0 && atMost == 0 {
		return ""
	}
	if i.Coverage < confidence {
		return Undecided
	}
	verdict := Pass
	for _, side := range []struct {
		asked       bool
		wrong, pass bool
	}{{atLeast != 0, i.High < atLeast, i.Low >= atLeast}, {atMost != 0, i.Low > atMost, i.High <= atMost}} {
		switch {
		case side.asked && side.wrong:
			return Fail
		case side.asked && !side.pass:
			verdict = Undecided
		}
	}
	return verdict
}
