package seasons

import (
	_ "embed" // for the page
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"text/tabwriter"
)

// Almanac is what seasons came to.
type Almanac struct {
	Bench     string `json:"bench"`
	Seasons   int    `json:"seasons"`
	Nights    int    `json:"nights"`
	Activated int    `json:"activated"`

	Changed   float64 `json:"changed_right"` // the night after they changed, mean
	Worst     float64 `json:"changed_right_min"`
	SteadyWas float64 `json:"unchanged_right_before"` // night 0
	Steady    float64 `json:"unchanged_right"`        // after the last night
	MaxLost   float64 `json:"unchanged_lost_max"`     // against night 0, after the worst night
	LostLast  float64 `json:"unchanged_lost"`         // after the last night
	Moved     float64 `json:"moved_right"`            // all that ever changed, after the last night
	MaxBound  float64 `json:"anchor_nll_bound_max"`   // of nights that activated
	Beyond    int     `json:"beyond_anchor_limit"`    // nights that activated a version beyond the limit
	MaxDrift  float64 `json:"drift_max"`              // of nights that activated
	Seconds   float64 `json:"seconds"`

	Failures []string `json:"failures,omitempty"`
	Summary  bool     `json:"summary"`
	All      []Entry  `json:"-"`
}

// What a season must show.
const (
	minChanged = 0.9  // right the night after
	maxLost    = 0.03 // of facts that never change
	maxAnchor  = 0.03 // nats per token, of nights that activate
)

// NewAlmanac sums seasons up; each begins with its night 0.
func NewAlmanac(nights []Entry) Almanac {
	a := Almanac{Bench: "nights", Worst: 1, Summary: true, All: nights}
	var before Entry
	events := 0
	for i, n := range nights {
		a.Seconds += n.Seconds
		if n.Night == 0 {
			before = n
			a.Seasons++
			a.SteadyWas += n.Steady
			continue
		}
		a.Nights++
		a.MaxLost = max(a.MaxLost, before.Steady-n.Steady)
		if len(n.Changed) > 0 {
			events++
			a.Changed += n.New
			a.Worst = min(a.Worst, n.New)
		}
		if n.Activated() {
			a.Activated++
			a.MaxBound, a.MaxDrift = max(a.MaxBound, n.RetentionBound), max(a.MaxDrift, n.Drift)
			if !(n.RetentionBound <= maxAnchor) {
				a.Beyond++
			}
		}
		if i+1 == len(nights) || nights[i+1].Night == 0 {
			a.Steady += n.Steady
			a.Moved += n.Moved
		}
	}
	seasons := float64(max(1, a.Seasons))
	a.SteadyWas, a.Steady, a.Moved = a.SteadyWas/seasons, a.Steady/seasons, a.Moved/seasons
	a.LostLast = a.SteadyWas - a.Steady
	a.Changed /= float64(max(1, events))
	miss := func(bad bool, format string, args ...any) {
		if bad {
			a.Failures = append(a.Failures, fmt.Sprintf(format, args...))
		}
	}
	miss(a.Changed < minChanged, "%.1f %% of the changed facts are right the night after, %.0f %% must be", 100*a.Changed, 100*minChanged)
	miss(a.MaxLost > maxLost+1e-9, "%.1f points of the unchanged facts are lost after the worst night, at most %.0f may be", 100*a.MaxLost, 100*maxLost)
	miss(a.Beyond > 0, "%d nights activated a version whose bound on the anchors is above %g nats per token", a.Beyond, maxAnchor)
	return a
}

// Table prints every night, and what they come to, for people.
func (a Almanac) Table(out io.Writer) error {
	t := tabwriter.NewWriter(out, 2, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "night\tchanged\tfeedback\tlearned\tstate\tchanged facts\tall that changed\tunchanged facts\tanchor ΔNLL\tbound\tdrift\t")
	for _, n := range a.All {
		row := []string{fmt.Sprint(n.Night), number(len(n.Changed)), number(n.Feedback), "", stateOf(n), "", "", fmt.Sprintf("%.1f %%", 100*n.Steady), "", "", ""}
		if n.Selected != nil {
			row[3] = fmt.Sprint(n.Selected.New)
		}
		if n.Night > 0 {
			row[5], row[6] = fmt.Sprintf("%.1f %%", 100*n.New), fmt.Sprintf("%.1f %%", 100*n.Moved)
		}
		if n.RetentionBound != 0 {
			row[8], row[9], row[10] = fmt.Sprintf("%+.4f", n.Retention), fmt.Sprintf("%.4f", n.RetentionBound), fmt.Sprintf("%.4f", n.Drift)
		}
		fmt.Fprintln(t, strings.Join(row, "\t")+"\t")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d of %d nights activated their candidate. Changed facts right the night after: %.1f %% (at least %.1f %%); all that ever changed, at the end: %.1f %%.\n"+
		"Unchanged facts: %.1f %% before, %.1f %% at the end, %.1f points fewer after the worst night. Anchors: the highest bound of an activated version is %.4f nats per token.\n",
		a.Activated, a.Nights, 100*a.Changed, 100*a.Worst, 100*a.Moved, 100*a.SteadyWas, 100*a.Steady, 100*a.MaxLost, a.MaxBound)
	return err
}

// number is nothing for 0.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// stateOf says how a night ended, and which checks refused its candidate.
func stateOf(n Entry) string {
	s := string(n.State)
	if len(n.Refused) > 0 {
		s += " (" + strings.Join(n.Refused, ", ") + ")"
	}
	return s
}

//go:embed almanac.html
var page string

var layout = template.Must(template.New("almanac").Parse(page))

// HTML writes the seasons as one page that needs nothing else: a drawing and a table of each, and all nights as JSON at its end.
func (a Almanac) HTML(out io.Writer, command string) error {
	data, err := json.Marshal(a.All)
	if err != nil {
		return fmt.Errorf("write the nights' page: %w", err)
	}
	view := struct {
		Almanac
		Command string
		Charts  []chart
		Data    template.JS
	}{Almanac: a, Command: command, Data: template.JS(data)} //nolint:gosec // encoding/json escapes <, > and & in strings
	from := 0
	for i := range a.All {
		if i+1 == len(a.All) || a.All[i+1].Night == 0 {
			view.Charts = append(view.Charts, newChart(a.All[from:i+1]))
			from = i + 1
		}
	}
	if err := layout.Execute(out, view); err != nil {
		return fmt.Errorf("write the nights' page: %w", err)
	}
	return nil
}

// Sizes of the drawings in pixels.
const (
	chartWidth, chartHeight, boundHeight = 800.0, 220.0, 110.0
	minShown                             = 0.5  // share at the bottom
	maxShown                             = 0.06 // nats per token at the top
)

// chart is a season's drawing.
type chart struct {
	Seed                 uint64
	Steady, Moved, Fresh string  // points of lines
	Marks                []mark  // nights that activated, and those that did not
	Bounds               []bound // of the anchors
	Limit                float64
	Rows                 []tableRow
}

type tableRow struct {
	Entry
	State string
}

type mark struct {
	X      float64
	Active bool
	Change bool
	Text   string
}

type bound struct {
	X, Low, High float64
	Active       bool
}

// newChart draws one season.
func newChart(list []Entry) chart {
	c := chart{Seed: list[0].Seed, Limit: boundY(maxAnchor)}
	x := func(i int) float64 { return 20 + (chartWidth-40)*float64(i)/float64(max(1, len(list)-1)) }
	y := func(share float64) float64 { return 10 + (chartHeight-20)*(1-max(0, share-minShown)/(1-minShown)) }
	for i, n := range list {
		c.Rows = append(c.Rows, tableRow{n, stateOf(n)})
		c.Steady += fmt.Sprintf("%.1f,%.1f ", x(i), y(n.Steady))
		if n.Night == 0 {
			continue
		}
		c.Moved += fmt.Sprintf("%.1f,%.1f ", x(i), y(n.Moved))
		c.Fresh += fmt.Sprintf("%.1f,%.1f ", x(i), y(n.New))
		c.Marks = append(c.Marks, mark{x(i), n.Activated(), len(n.Changed) > 0, fmt.Sprintf("night %d: %s", n.Night, stateOf(n))})
		if n.RetentionBound != 0 {
			c.Bounds = append(c.Bounds, bound{x(i), boundY(n.Retention), boundY(n.RetentionBound), n.Activated()})
		}
	}
	return c
}

// boundY is where a loss of nats per token is drawn.
func boundY(nats float64) float64 {
	return 5 + (boundHeight-10)*(1-(min(maxShown, max(-maxShown/2, nats))+maxShown/2)/(1.5*maxShown))
}
