package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Output prints results as JSON lines for programs, or for people those over all blocks as a table.
func Output(w io.Writer, asJSON bool) (report Report, done func()) {
	if asJSON {
		lines := json.NewEncoder(w)
		return func(r Result) error { return lines.Encode(r) }, func() {}
	}
	var table table
	return func(r Result) error {
		if r.Block == 0 {
			table.add(r)
		}
		return nil
	}, func() { table.print(w) }
}

// table has a row for each case and a column for each figure.
type table struct {
	columns []string
	rows    []map[string]string
	summary []string // what the rows do not say
}

func (t *table) add(r Result) {
	row := map[string]string{}
	put := func(name, value string) {
		if !slices.Contains(t.columns, name) {
			if r.Summary {
				t.summary = append(t.summary, name+" "+value)
				return
			}
			t.columns = append(t.columns, name)
		}
		row[name] = value
	}
	for _, text := range [][2]string{{"bench", r.Bench}, {"case", r.Case}, {"shape", r.Shape}, {"weights", r.Weights}} {
		if text[1] != "" {
			put(text[0], text[1])
		}
	}
	for _, n := range r.Settings {
		put(words(n.Name), number(n.Value))
	}
	for i := 0; i < len(r.Figures); i++ {
		n := r.Figures[i]
		value := number(n.Value)
		if i+2 < len(r.Figures) && r.Figures[i+1].Name == n.Name+"_low" {
			value += fmt.Sprintf(" (%s to %s)", number(r.Figures[i+1].Value), number(r.Figures[i+2].Value))
			i += 2
		}
		put(words(n.Name), value)
	}
	if r.Judgement != "" {
		put("verdict", string(r.Judgement))
	}
	if !r.Summary {
		t.rows = append(t.rows, row)
	}
}

func (t *table) print(w io.Writer) {
	out := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(t.columns, "\t"))
	for _, row := range t.rows {
		for i, c := range t.columns {
			if i > 0 {
				fmt.Fprint(out, "\t")
			}
			fmt.Fprint(out, row[c])
		}
		fmt.Fprintln(out)
	}
	out.Flush()
	if len(t.summary) > 0 {
		fmt.Fprintln(w, strings.Join(t.summary, ", "))
	}
}

// words spells a figure's name for people.
func words(name string) string {
	for _, u := range [][2]string{{"_gb_s", " GB/s"}, {"_gflop_s", " GFLOP/s"}, {"_gop_s", " GOP/s"}, {"_mb", " MB"}, {"_per_second", "/s"}} {
		if rest, ok := strings.CutSuffix(name, u[0]); ok {
			name = rest + u[1]
		}
	}
	return strings.ReplaceAll(name, "_", " ")
}

// number prints four digits, or all of a whole number.
func number(v float64) string {
	if v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}
