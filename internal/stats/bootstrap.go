package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Ratio is the ratio Σ values / Σ counts with its percentile interval that leaves out tail on each side, resampling the pairs with
// replacement at least 200 times (Efron & Tibshirani 1993, chapter 13; for paired system comparison Koehn 2004).
func Ratio(values []float64, counts []int, resamples int, seed uint64, tail float64) (value, low, high float64) {
	ratio := func(pick func(i int) int) float64 {
		var sum, n float64
		for i := range values {
			j := pick(i)
			sum += values[j]
			n += float64(counts[j])
		}
		return sum / n
	}
	value = ratio(func(i int) int { return i })
	r := rand.New(rand.NewPCG(seed, 0x67617465)) //nolint:gosec // reproducible, not secret
	means := make([]float64, max(resamples, 200))
	for k := range means {
		means[k] = ratio(func(int) int { return r.IntN(len(values)) })
	}
	slices.Sort(means)
	return value, percentile(means, tail), percentile(means, 1-tail)
}

// Pigeonhole gives a statistic of runs in a table its percentile interval that leaves out tail on each side. It draws rows and columns
// with replacement, each on its own, and takes every run of a drawn row in a drawn column, as often as both were drawn (Owen 2007, "The
// pigeonhole bootstrap", Annals of Applied Statistics 1(2)): runs that share a row or a column are not independent. It errs on the wide
// side. statistic gets the indices of the drawn rows and columns, which are its own until it returns, and may return NaN for a draw that
// it says nothing of; an interval of fewer than half of all draws is NaN.
func Pigeonhole(rows, columns, resamples int, seed uint64, tail float64, statistic func(rows, columns []int) float64) (value, low, high float64) {
	r, c := make([]int, rows), make([]int, columns)
	for i := range r {
		r[i] = i
	}
	for i := range c {
		c[i] = i
	}
	value = statistic(r, c)
	random := rand.New(rand.NewPCG(seed, 0x6f776e)) //nolint:gosec // reproducible, not secret
	values := make([]float64, 0, resamples)
	for range resamples {
		for i := range r {
			r[i] = random.IntN(rows)
		}
		for i := range c {
			c[i] = random.IntN(columns)
		}
		if v := statistic(r, c); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) < resamples/2 {
		return value, math.NaN(), math.NaN()
	}
	slices.Sort(values)
	return value, percentile(values, tail), percentile(values, 1-tail)
}

// percentile is the sorted value that is nearest to a share q of the way from the first to the last.
func percentile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, max(0, int(math.Round(q*float64(len(sorted)-1)))))]
}
