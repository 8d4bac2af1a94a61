package continual

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Interval is a value with its 95 % interval.
type Interval struct {
	Value float64
	Low   float64
	High  float64
}

// String writes the value with its interval, and a dash for what was not measured.
func (i Interval) String() string { return i.text("%.3f", 1) }

// text writes value and interval in a format, multiplied.
func (i Interval) text(format string, by float64) string {
	switch {
	case math.IsNaN(i.Value):
		return "–"
	case math.IsNaN(i.Low) || math.IsNaN(i.High):
		return fmt.Sprintf(format, by*i.Value)
	}
	return fmt.Sprintf(format+" ("+strings.TrimSuffix(format, " %%")+" to "+strings.TrimSuffix(format, " %%")+")", by*i.Value, by*i.Low, by*i.High)
}

// Clear says whether all of the interval is above a limit.
func (i Interval) Clear(limit float64) bool { return i.Low > limit }

// resamples is how often a bootstrap draws.
const resamples = 2000

// Bootstrap gives a statistic of runs over orders and seeds its 95 % percentile interval. It draws orders and seeds
// with replacement, each on its own, and takes every run of a drawn order with a drawn seed, as often as both were drawn
// (the pigeonhole bootstrap, Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2)): runs that share an
// order or a seed are not independent. It errs on the wide side. Statistic gets the indices of the drawn cells, and may
// return NaN for a draw that it says nothing of; an interval of fewer than half of all draws is NaN.
func Bootstrap(orders, seeds int, random uint64, statistic func(cells []Cell) float64) Interval {
	var all []Cell
	for o := range orders {
		for s := range seeds {
			all = append(all, Cell{o, s})
		}
	}
	out := Interval{Value: statistic(all), Low: math.NaN(), High: math.NaN()}
	r := rand.New(rand.NewPCG(random, 0x6f776e)) //nolint:gosec // reproducible, not secret
	values := make([]float64, 0, resamples)
	drawn := make([]Cell, len(all))
	o, s := make([]int, orders), make([]int, seeds)
	for range resamples {
		for i := range o {
			o[i] = r.IntN(orders)
		}
		for i := range s {
			s[i] = r.IntN(seeds)
		}
		for i := range drawn {
			drawn[i] = Cell{o[i/seeds], s[i%seeds]}
		}
		if v := statistic(drawn); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	if len(values) < resamples/2 {
		return out
	}
	slices.Sort(values)
	at := func(q float64) float64 { return values[int(math.Round(q*float64(len(values)-1)))] }
	out.Low, out.High = at(0.025), at(0.975)
	return out
}

// Cell is one run: an order of the tasks and a seed.
type Cell struct{ Order, Seed int }
