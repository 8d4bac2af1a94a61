package stats

// Proportion is the interval of Clopper and Pearson (1934) for a probability, when k of n independent trials succeeded: each end is
// passed with probability tail at most. Without trials it is 0 to 1.
func Proportion(k, n int, tail float64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	high = 1
	if k > 0 {
		low = betaQuantile(tail, float64(k), float64(n-k+1))
	}
	if k < n {
		high = betaQuantile(1-tail, float64(k+1), float64(n-k))
	}
	return low, high
}

// betaQuantile is the x at which the regularised incomplete beta function I_x(a, b) comes to p.
func betaQuantile(p, a, b float64) float64 {
	low, high := 0.0, 1.0
	for range 100 {
		middle := (low + high) / 2
		if beta(middle, a, b) < p {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}
