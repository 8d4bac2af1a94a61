package continual

import (
	"fmt"
	"math"
	"strings"

	"nightshift/internal/stats"
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

// Bootstrap gives a statistic of runs over orders and seeds its 95 % interval, by the pigeonhole bootstrap (stats.Pigeonhole): runs that
// share an order or a seed are not independent. Statistic gets the drawn cells, and may return NaN for a draw that it says nothing of.
func Bootstrap(orders, seeds int, random uint64, statistic func(cells []Cell) float64) Interval {
	cells := make([]Cell, orders*seeds)
	var i Interval
	i.Value, i.Low, i.High = stats.Pigeonhole(orders, seeds, resamples, random, 0.025, func(o, s []int) float64 {
		for k := range cells {
			cells[k] = Cell{o[k/seeds], s[k%seeds]}
		}
		return statistic(cells)
	})
	return i
}

// Cell is one run: an order of the tasks and a seed.
type Cell struct{ Order, Seed int }
