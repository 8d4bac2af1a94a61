package gate

import (
	"fmt"
	"math"
)

// side is what a 95 % interval leaves out on each side.
const side = 0.025

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
