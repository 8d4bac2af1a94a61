package continual

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// Reached says after how many steps a new track that began with the warm start knew as much as one that began at zero knew
// after some.
type Reached struct {
	Steps    int      // from zero
	Accuracy Interval // after them
	Ratio    Interval // minimum number of measured steps from the warm start, as a share of Steps; +Inf where none of them suffices
}

// WarmStartSummary are the curves over domains and seeds, with their intervals.
type WarmStartSummary struct {
	Zero, WarmStart []Interval // after each number of steps
	Reached         []Reached  // for each number of steps but 0
}

// SummarizeWarmStart joins the records of a benchmark: those of warm starts that all domains gave to, or with apart the others.
func (o WarmStart) SummarizeWarmStart(records []WarmStartRecord, apart bool) WarmStartSummary {
	curves := map[Cell]WarmStartCurve{}
	rows, seeds := 0, 0
	for _, r := range records {
		if (r.Apart != "") != apart {
			continue
		}
		for i, c := range r.Curves {
			curves[Cell{i, r.Seed}] = c
			rows = max(rows, i+1)
		}
		seeds = max(seeds, r.Seed+1)
	}
	mean := func(cells []Cell, of func(WarmStartCurve) float64) float64 {
		return average(cells, func(c Cell) float64 { return of(curves[c]) })
	}
	interval := func(of func(WarmStartCurve) float64) Interval {
		return Bootstrap(rows, seeds, bootstrapSeed, func(cells []Cell) float64 { return mean(cells, of) })
	}
	var s WarmStartSummary
	for i, n := range o.Steps {
		s.Zero = append(s.Zero, interval(func(c WarmStartCurve) float64 { return c.Zero[i] }))
		s.WarmStart = append(s.WarmStart, interval(func(c WarmStartCurve) float64 { return c.WarmStart[i] }))
		if n == 0 {
			continue
		}
		ratio := Bootstrap(rows, seeds, bootstrapSeed, func(cells []Cell) float64 {
			enough := mean(cells, func(c WarmStartCurve) float64 { return c.Zero[i] })
			for k, fewer := range o.Steps {
				if mean(cells, func(c WarmStartCurve) float64 { return c.WarmStart[k] }) >= enough-1e-9 { // equal but for rounding
					return float64(fewer) / float64(n)
				}
			}
			return math.Inf(1)
		})
		s.Reached = append(s.Reached, Reached{Steps: n, Accuracy: s.Zero[i], Ratio: ratio})
	}
	return s
}

// Table writes the curves for people.
func (s WarmStartSummary) Table(w io.Writer, steps []int) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "steps\tfrom zero\tfrom the warm start\tsteps from it to know as much as from zero, as a share")
	for i, n := range steps {
		ratio := ""
		for _, r := range s.Reached {
			switch {
			case r.Steps != n:
			case math.IsInf(r.Ratio.Value, 1):
				ratio = "not reached"
			default:
				ratio = r.Ratio.text("%.2f", 1)
			}
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", n, s.Zero[i].text("%.1f %%", 100), s.WarmStart[i].text("%.1f %%", 100), ratio)
	}
	return t.Flush()
}

// WarmStartResults are the figures for programs. In a figure's map are value, low and high, its 95 % interval; what could not be
// measured is left out.
type WarmStartResults struct {
	Options WarmStart              `json:"options"`
	Seeds   int                    `json:"seeds"`
	Known   WarmStartCurvesResults `json:"all_domains"`
	Apart   WarmStartCurvesResults `json:"domain_apart"` // new tracks of a domain that no track of gave to the warm start

	AfterSteps int      `json:"n"`           // steps from zero that StepsRatio is about
	Ratio      *float64 `json:"steps_ratio"` // of Known, the minimum number of steps from the warm start as a share of n
	Low        *float64 `json:"steps_ratio_low"`
	High       *float64 `json:"steps_ratio_high"`
}

// WarmStartCurvesResults are the curves of new tracks, and by the number of steps from zero the share of them that reaches as much.
type WarmStartCurvesResults struct {
	Zero      []map[string]float64       `json:"zero"`
	WarmStart []map[string]float64       `json:"warm_start"`
	Ratios    map[int]map[string]float64 `json:"steps_ratios"`
}

// Results sorts the figures of all records for programs.
func (o WarmStart) Results(records []WarmStartRecord) WarmStartResults {
	o.Digest = o.Model.Digest
	out := WarmStartResults{Options: o, Seeds: o.Seeds, AfterSteps: o.N}
	for apart, into := range map[bool]*WarmStartCurvesResults{false: &out.Known, true: &out.Apart} {
		s := o.SummarizeWarmStart(records, apart)
		into.Ratios = map[int]map[string]float64{}
		for i := range o.Steps {
			into.Zero, into.WarmStart = append(into.Zero, s.Zero[i].numbers()), append(into.WarmStart, s.WarmStart[i].numbers())
		}
		for _, r := range s.Reached {
			into.Ratios[r.Steps] = r.Ratio.numbers()
		}
	}
	for name, into := range map[string]**float64{"value": &out.Ratio, "low": &out.Low, "high": &out.High} {
		if v, ok := out.Known.Ratios[out.AfterSteps][name]; ok {
			*into = &v
		}
	}
	return out
}

// numbers are a value and its interval by name.
func (i Interval) numbers() map[string]float64 {
	out := map[string]float64{}
	for name, v := range map[string]float64{"value": i.Value, "low": i.Low, "high": i.High} {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			out[name] = math.Round(1e4*v) / 1e4
		}
	}
	return out
}
