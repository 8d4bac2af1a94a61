package stats

import "math"

// SignTest is the one-sided p value of seeing at least as many positive values as there are, if positive and negative
// were equally likely; zeros are left out (Dixon & Mood 1946). No values at all give 1.
func SignTest(values []float64) float64 {
	n, positive := 0, 0
	for _, v := range values {
		if v == 0 {
			continue
		}
		n++
		if v > 0 {
			positive++
		}
	}
	p, term := 0.0, 0.0
	for k := n; k >= positive && n > 0; k-- { // log C(n,k) − n·log 2
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		term = math.Exp(a - b - c - float64(n)*math.Ln2)
		p += term
	}
	if n == 0 {
		return 1
	}
	return min(1, p)
}

// SignTestSize is the number of values with which a sign test can come to p: with fewer it cannot, even if all are positive.
func SignTestSize(p float64) int {
	if !(p > 0) {
		return math.MaxInt32
	}
	return max(1, int(math.Ceil(-math.Log2(p)-1e-9)))
}
