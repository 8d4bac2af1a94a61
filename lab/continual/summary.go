package continual

import (
	"fmt"
	"math"
	"slices"

	"nightshift/internal/retention"
)

// Scale is one of the two scores that every run has.
type Scale string

// The scales.
const (
	ExactAnswers Scale = "exact answers"         // share of answers that are right to the last token
	LogProb      Scale = "log-probability/token" // nats
)

// of is a record's matrix on the scale.
func (s Scale) of(r Record) retention.Matrix {
	if s == LogProb {
		return r.LogProb
	}
	return r.Exact
}

// Figure is a named figure with its interval.
type Figure struct {
	Name string
	Interval
}

// MethodSummary is a method over all orders and seeds of a track.
type MethodSummary struct {
	Method   string
	Family   string
	Settings Settings
	Figures  []Figure // see Summarize
	Domains  []Figure // score at the end, by domain, in canonical order
	Tokens   float64  // trained on, mean of the runs
	Seconds  float64  // of one core, mean of the runs
}

// Figure finds a figure by its name.
func (m MethodSummary) Figure(name string) (Interval, bool) {
	for _, f := range m.Figures {
		if f.Name == name {
			return f.Interval, true
		}
	}
	return Interval{}, false
}

// Summary is a track on a scale.
type Summary struct {
	Track   string
	Scale   Scale
	Orders  int
	Seeds   int
	Methods []MethodSummary
	// Gaps are joint − naive at the end in each domain: what there is to win. Where the interval is not clear of 0, no method
	// can be told from another. Of tasks, runs in which a domain was learned last are left out: nothing came after it.
	Gaps []Figure
}

// Names of figures.
const (
	FigureACC        = "ACC"
	FigureBWT        = "BWT"
	FigureFWT        = "FWT"
	FigureForgetting = "forgetting"
	FigureLearning   = "learning accuracy"
	FigureAlong      = "mean after each round" // of a stream
	FigureGap        = "gap closed"
)

// bootstrapSeed makes intervals the same every time.
const bootstrapSeed = 1

// Summarize computes the figures of a track, with 95 % intervals over orders and seeds: of tasks ACC, BWT, FWT, forgetting
// and learning accuracy (see retention.Metrics), of a stream ACC, the mean score after its last round, and the mean after each; of both the
// share of the gap between naive and joint training that a method closes in ACC. Differences between methods are taken within the
// same order and seed. Records of other tracks and stages are left out; every method must have all orders and seeds.
func Summarize(records []Record, track string, scale Scale) (Summary, error) {
	s := Summary{Track: track, Scale: scale}
	runs := map[string]map[Cell]Record{}
	var names []string
	for _, r := range records {
		if r.Track != track || r.Stage != Measuring {
			continue
		}
		if runs[r.Method] == nil {
			runs[r.Method] = map[Cell]Record{}
			names = append(names, r.Method)
		}
		runs[r.Method][Cell{r.Order, r.Seed}] = r
		s.Orders, s.Seeds = max(s.Orders, r.Order+1), max(s.Seeds, r.Seed+1)
	}
	for _, name := range names {
		if len(runs[name]) != s.Orders*s.Seeds {
			return s, fmt.Errorf("summarize %s: it has %d runs, want %d orders × %d seeds", name, len(runs[name]), s.Orders, s.Seeds)
		}
	}
	for _, name := range names {
		m, err := s.method(name, runs)
		if err != nil {
			return s, err
		}
		s.Methods = append(s.Methods, m)
	}
	if runs[Joint] != nil && runs[Naive] != nil {
		for _, d := range Domains() {
			s.Gaps = append(s.Gaps, Figure{d.Name, Bootstrap(s.Orders, s.Seeds, bootstrapSeed, func(cells []Cell) float64 {
				if track == Tasks {
					cells = slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return last(runs[Naive][c]) == d.Name })
				}
				return average(cells, func(c Cell) float64 { return s.domain(runs[Joint][c], d.Name) - s.domain(runs[Naive][c], d.Name) })
			})})
		}
	}
	return s, nil
}

// method summarizes one method.
func (s Summary) method(name string, runs map[string]map[Cell]Record) (MethodSummary, error) {
	first := runs[name][Cell{}]
	out := MethodSummary{Method: name, Family: first.Family, Settings: first.Settings}
	measured := map[Cell]retention.Metrics{}
	n := float64(len(runs[name]))
	for c, r := range runs[name] {
		out.Tokens += float64(r.Tokens) / n
		out.Seconds += r.Seconds / n
		if s.Track != Tasks {
			continue
		}
		m, err := retention.Measure(s.Scale.of(r))
		if err != nil {
			return out, fmt.Errorf("summarize %s: %w", name, err)
		}
		measured[c] = m
	}
	end := func(method string, c Cell) float64 { return s.end(runs[method][c]) }
	add := func(name string, value func(Cell) float64) {
		out.Figures = append(out.Figures, Figure{name, s.interval(value)})
	}
	add(FigureACC, func(c Cell) float64 { return end(name, c) })
	if s.Track == Tasks {
		add(FigureBWT, func(c Cell) float64 { return measured[c].BWT })
		add(FigureFWT, func(c Cell) float64 { return measured[c].FWT })
		add(FigureForgetting, func(c Cell) float64 { return measured[c].Forgetting })
		add(FigureLearning, func(c Cell) float64 { return measured[c].Learning })
	} else {
		add(FigureAlong, func(c Cell) float64 {
			var rows []float64
			for _, row := range s.Scale.of(runs[name][c])[1:] {
				rows = append(rows, retention.Mean(row))
			}
			return retention.Mean(rows)
		})
	}
	if runs[Joint] != nil && runs[Naive] != nil {
		out.Figures = append(out.Figures, Figure{FigureGap, Bootstrap(s.Orders, s.Seeds, bootstrapSeed, func(cells []Cell) float64 {
			over := func(method string) float64 {
				return average(cells, func(c Cell) float64 { return end(method, c) })
			}
			return retention.GapClosed(over(name), over(Naive), over(Joint))
		})})
	}
	for _, d := range Domains() {
		out.Domains = append(out.Domains, Figure{d.Name, s.interval(func(c Cell) float64 { return s.domain(runs[name][c], d.Name) })})
	}
	return out, nil
}

// interval is the mean over runs with its interval.
func (s Summary) interval(value func(Cell) float64) Interval {
	return Bootstrap(s.Orders, s.Seeds, bootstrapSeed, func(cells []Cell) float64 { return average(cells, value) })
}

func average(cells []Cell, value func(Cell) float64) float64 {
	sum := 0.0
	for _, c := range cells {
		sum += value(c)
	}
	return sum / float64(len(cells))
}

// last is the domain that a run learned last.
func last(r Record) string { return r.Columns[len(r.Columns)-1] }

// end is the mean score of a run's last row.
func (s Summary) end(r Record) float64 {
	m := s.Scale.of(r)
	return retention.Mean(m[len(m)-1])
}

// domain is a domain's score in a run's last row, NaN where it was not learned.
func (s Summary) domain(r Record, name string) float64 {
	m := s.Scale.of(r)
	if at := slices.Index(r.Columns, name); at >= 0 {
		return m[len(m)-1][at]
	}
	return math.NaN()
}
