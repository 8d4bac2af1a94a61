package continual

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"nightshift/internal/retention"
)

// Report is what a benchmark has to show.
type Report struct {
	Model     string // digest of the recipe
	Budget    Budget
	Sizes     Sizes
	Stream    StreamOptions
	Tuned     bool // whether settings were chosen; otherwise they are those that methods bring along
	Summaries []Summary
	Records   []Record // of the measurement
}

//go:embed report.html
var page string

var layout = template.Must(template.New("report").Parse(page))

// HTML writes the report as one page that needs nothing else: what to choose, bars of the gap that is closed, tables, heat
// maps of R and learning curves of the first order, and all records as JSON at its end.
func (r Report) HTML(w io.Writer) error {
	data, err := json.Marshal(r.Records)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	view := struct {
		Report
		Tracks  []trackView
		Methods []Method
		Data    template.JS
	}{Report: r, Data: template.JS(data)} //nolint:gosec // encoding/json escapes <, > and & in strings
	for _, m := range Methods() {
		if i := slices.IndexFunc(r.Records, func(r Record) bool { return r.Method == m.Name }); i >= 0 {
			m.Settings = r.Records[i].Settings
			view.Methods = append(view.Methods, m)
		}
	}
	for _, s := range r.Summaries {
		view.Tracks = append(view.Tracks, r.track(s))
	}
	if err := layout.Execute(w, view); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// trackView is what the page shows of a summary.
type trackView struct {
	Summary
	Title  string
	Advice []string
	Bars   []bar
	Header []string
	Rows   []tableRow
	Maps   []heatMap
	Curves []curve
}

type tableRow struct {
	Method, Family string
	Cells          []string
}

// bar is a bar from 0 with an interval, in pixels.
type bar struct {
	Label, Text               string
	X, Width, Low, High, Y, T float64
	Negative                  bool
}

// Sizes of the drawings in pixels.
const (
	barLeft, barWidth, barHeight   = 220.0, 480.0, 22.0
	curveWidth, curveHeight        = 300.0, 90.0
	barFrom, barTo                 = -0.5, 1.25 // share of the gap at the ends of the drawing
	hueStart, hueStep, shadeOfFull = 205.0, 67.0, 55.0
)

// Height is that of all bars.
func (t trackView) Height() float64 { return barHeight*float64(len(t.Bars)) + 24 }

// Zero and One are where nothing and all of the gap is closed.
func (t trackView) Zero() float64 { return barAt(0) }

// One is where all of the gap is closed.
func (t trackView) One() float64 { return barAt(1) }

func barAt(share float64) float64 {
	return barLeft + barWidth*(min(barTo, max(barFrom, share))-barFrom)/(barTo-barFrom)
}

// track prepares one summary.
func (r Report) track(s Summary) trackView {
	t := trackView{Summary: s, Advice: Advise(s), Header: header(s)}
	t.Title = fmt.Sprintf("%s, scored by %s", map[string]string{Tasks: "Tasks one after another", Streaming: "A stream without task boundaries"}[s.Track], s.Scale)
	for _, m := range s.Methods {
		t.Rows = append(t.Rows, tableRow{m.Method, m.Family, cellsOf(m)})
		if g, ok := m.Figure(FigureGap); ok && !math.IsNaN(g.Value) {
			b := bar{Label: m.Method, Text: percent(g), X: min(barAt(0), barAt(g.Value)), Width: math.Abs(barAt(g.Value) - barAt(0)), Y: barHeight * float64(len(t.Bars)), Negative: g.Value < 0}
			b.T, b.Low, b.High = b.Y+barHeight/2, barAt(g.Value), barAt(g.Value)
			if !math.IsNaN(g.Low) && !math.IsNaN(g.High) {
				b.Low, b.High = barAt(g.Low), barAt(g.High)
			}
			t.Bars = append(t.Bars, b)
		}
		if s.Scale == ExactAnswers {
			runs := r.first(s.Track, m.Method)
			t.Maps = append(t.Maps, heat(m.Method, runs))
			t.Curves = append(t.Curves, curves(m.Method, runs)...)
		}
	}
	return t
}

// first are a method's runs of the first order.
func (r Report) first(track, method string) []Record {
	var runs []Record
	for _, record := range r.Records {
		if record.Track == track && record.Method == method && record.Order == 0 && record.Stage == Measuring {
			runs = append(runs, record)
		}
	}
	return runs
}

// heatMap is R, the mean over the seeds of the first order.
type heatMap struct {
	Method  string
	Columns []string
	Rows    []heatRow
}

type heatRow struct {
	Name  string
	Cells []heatCell
}

type heatCell struct {
	Text  string
	Style template.CSS
}

// heat draws a matrix; cells that were not measured are empty.
func heat(method string, runs []Record) heatMap {
	h := heatMap{Method: method}
	if len(runs) == 0 {
		return h
	}
	h.Columns = runs[0].Columns
	for i := range runs[0].Exact {
		row := heatRow{Name: "before"}
		if i > 0 {
			row.Name = "after " + runs[0].Phases[i-1]
		}
		for j := range h.Columns {
			var values []float64
			for _, run := range runs {
				values = append(values, run.Exact[i][j])
			}
			v := retention.Mean(values)
			if math.IsNaN(v) {
				row.Cells = append(row.Cells, heatCell{})
				continue
			}
			style := fmt.Sprintf("background:hsl(150 55%% %.0f%%);color:%s", 96-shadeOfFull*v, map[bool]string{true: "#fff", false: "#111"}[v > 0.6])
			row.Cells = append(row.Cells, heatCell{fmt.Sprintf("%.0f", 100*v), template.CSS(style)}) //nolint:gosec // of two numbers
		}
		h.Rows = append(h.Rows, row)
	}
	return h
}

// curve is the exact answers of each domain on the way through the first order, the mean over seeds.
type curve struct {
	Method string
	Ends   []float64 // of phases, in pixels
	Lines  []curveLine
}

type curveLine struct {
	Name   string
	Color  template.CSS
	Points string
}

// curves draws a method's curve, none for one that was not examined on the way.
func curves(method string, runs []Record) []curve {
	if len(runs) == 0 || len(runs[0].Curve) == 0 || len(runs[0].Curve[0].Exact) == 0 {
		return nil
	}
	c := curve{Method: method}
	n := len(runs[0].Curve)
	for _, run := range runs {
		n = min(n, len(run.Curve))
	}
	x := func(i int) float64 { return curveWidth * float64(i+1) / float64(n) }
	for i := 1; i < n; i++ {
		if runs[0].Curve[i].Phase != runs[0].Curve[i-1].Phase {
			c.Ends = append(c.Ends, x(i-1))
		}
	}
	for k, name := range runs[0].Columns {
		line := curveLine{Name: name, Color: template.CSS(fmt.Sprintf("hsl(%.0f 70%% 40%%)", hueStart+hueStep*float64(k)))} //nolint:gosec // of a number
		for i := range n {
			var values []float64
			for _, run := range runs {
				values = append(values, run.Curve[i].Exact[k])
			}
			line.Points += fmt.Sprintf("%.1f,%.1f ", x(i), 4+(curveHeight-8)*(1-retention.Mean(values)))
		}
		c.Lines = append(c.Lines, line)
	}
	return []curve{c}
}

// header names the columns of a summary's table.
func header(s Summary) []string {
	if len(s.Methods) == 0 {
		return nil
	}
	var names []string
	for _, f := range s.Methods[0].Figures {
		names = append(names, f.Name)
	}
	return append(names, "tokens", "core s")
}

// cellsOf are a method's figures in the order of header.
func cellsOf(m MethodSummary) []string {
	var out []string
	for _, f := range m.Figures {
		if f.Name == FigureGap {
			out = append(out, percent(f.Interval))
		} else {
			out = append(out, f.String())
		}
	}
	return append(out, fmt.Sprintf("%.0f", m.Tokens), fmt.Sprintf("%.0f", m.Seconds))
}

// Table writes a summary for a terminal.
func (s Summary) Table(w io.Writer) error {
	fmt.Fprintf(w, "%s, %s: mean (95 %% interval over %d orders × %d seeds)\n", s.Track, s.Scale, s.Orders, s.Seeds)
	out := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	line := func(first string, cells []string) {
		for _, c := range slices.Concat([]string{first}, cells) {
			fmt.Fprintf(out, "%s\t", c)
		}
		fmt.Fprintln(out)
	}
	line("method", header(s))
	for _, m := range s.Methods {
		line(m.Method, cellsOf(m))
	}
	for _, g := range s.Gaps {
		fmt.Fprintf(out, "joint − naive in %s\t%s\t\n", g.Name, g)
	}
	return out.Flush()
}
