package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// finite says whether x is a number.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// check reports what makes a set unusable; reference says that the reference's scores are needed too.
func (p Paired) check(reference bool) error {
	n := len(p.Tokens)
	if n == 0 {
		return fmt.Errorf("set %q has no examples", p.Name)
	}
	columns := [][]float64{p.Champion, p.Candidate}
	if reference {
		columns = append(columns, p.Reference)
	}
	for _, c := range columns {
		if len(c) != n {
			return fmt.Errorf("set %q has %d examples and %d scores", p.Name, n, len(c))
		}
		for i, v := range c {
			if !finite(v) {
				return fmt.Errorf("score of example %d of set %q is %g", i+1, p.Name, v)
			}
		}
	}
	for i, t := range p.Tokens {
		if t < 1 {
			return fmt.Errorf("example %d of set %q has %d scored tokens", i+1, p.Name, t)
		}
	}
	if len(p.Corrected) > 0 && len(p.Corrected) != n {
		return fmt.Errorf("set %q has %d examples and %d marks of those that correct an answer", p.Name, n, len(p.Corrected))
	}
	if len(p.People) > 0 && len(p.People) != n {
		return fmt.Errorf("set %q has %d examples and %d people behind them", p.Name, n, len(p.People))
	}
	return nil
}

// difference is a − b.
func difference(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// byPerson adds up the values and tokens of each person's examples, in the order in which people first come up. To
// resample these sums is to resample people with all that they said: the pairs cluster bootstrap.
func byPerson(values []float64, tokens, people []int) (sums []float64, counts []int) {
	at := map[int]int{}
	for i, person := range people {
		j, ok := at[person]
		if !ok {
			j = len(sums)
			at[person] = j
			sums, counts = append(sums, 0), append(counts, 0)
		}
		sums[j] += values[i]
		counts[j] += tokens[i]
	}
	return sums, counts
}

// bootstrap is the ratio Σ values / Σ tokens with its 95 % percentile interval.
func bootstrap(values []float64, tokens []int, resamples int, seed uint64) (value, low, high float64) {
	return interval(values, tokens, resamples, seed, 0.025)
}

// interval is the ratio Σ values / Σ tokens with its percentile interval that leaves out tail on each side, resampling examples with
// replacement at least 200 times (Efron & Tibshirani 1993, chapter 13; for paired system comparison Koehn 2004).
func interval(values []float64, tokens []int, resamples int, seed uint64, tail float64) (value, low, high float64) {
	ratio := func(pick func(i int) int) float64 {
		var sum, n float64
		for i := range values {
			j := pick(i)
			sum += values[j]
			n += float64(tokens[j])
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
	at := func(q float64) float64 {
		return means[min(len(means)-1, max(0, int(math.Round(q*float64(len(means)-1)))))]
	}
	return value, at(tail), at(1 - tail)
}

// signTest is the one-sided p value of seeing at least as many positive values as there are, if positive and negative
// were equally likely; zeros are left out (Dixon & Mood 1946). No values at all give 1.
func signTest(values []float64) float64 {
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
