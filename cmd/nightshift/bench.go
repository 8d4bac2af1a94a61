package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nightshift/internal/app"
	"nightshift/internal/bench"
	"nightshift/internal/config"
)

func benchCommand(s *app.Settings) *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Measure this program on this machine, beside the machine's own limits",
		Long: "Measure this program on this machine, beside the machine's own limits, on random weights.\n\n" +
			"What is compared is measured in the same blocks, in random order. Each line over all blocks gives medians, and for ratios\n" +
			"and shares of the machine's limits a 95 % interval. Nothing else should run meanwhile."}
	cmd.AddCommand(benchRoofline(s), benchDecode(s), benchLookup(s), benchSteps(s), benchPrefill(s), benchServe(s), benchAdapters(s), benchSwap(s), benchVersions(s), benchPrefix(s), benchInvariance(s), benchQuantize(s), benchStart(s), benchNightMemory(s), benchIngest(s), benchTrain(s), benchContinual(s), benchInitial(s),
		benchBusy(s), benchNeighbour(), benchCorrections(s), benchGate(s), benchNights(s), benchSpoil(s), benchReport())
	return cmd
}

// loadBench reads the configuration of a benchmark that keeps models in the cache directory, and opens the runtime.
func loadBench(s *app.Settings, cmd *cobra.Command) (c config.Config, cache string, err error) {
	if c, err = s.Load(cmd); err != nil {
		return c, "", err
	}
	if cache, err = app.CacheDir(c); err != nil {
		return c, "", err
	}
	return c, cache, app.OpenRuntime(cmd.Context(), c)
}

// benchFlags are those that all benchmarks have.
type benchFlags struct {
	bench.Options
	json bool
}

// add defines the flags; judged names the ratio that the thresholds are for, "" for none.
func (b *benchFlags) add(cmd *cobra.Command, judged string) {
	f := cmd.Flags()
	f.IntVar(&b.Blocks, "blocks", 10, "blocks, in each of which everything is measured once; six or more give 95 % intervals")
	f.BoolVar(&b.json, "json", false, "one JSON object a line, the summary last")
	if judged != "" {
		f.Float64Var(&b.AtLeast, "at-least", 0, "fail when all of the interval of "+judged+" is below this")
		f.Float64Var(&b.AtMost, "at-most", 0, "fail when all of the interval of "+judged+" is above this")
	}
}

// addModel defines the flags that choose a random model.
func (b *benchFlags) addModel(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.Shape, "shape", "gpt2", bench.Shapes)
	b.addWeights(cmd)
}

func (b *benchFlags) addWeights(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&b.Weights, "weights", []string{"f32"}, "weight formats: "+strings.Join(bench.Formats(), ", "))
}

// measure opens the runtime, completes the options and runs a benchmark, whose results go to standard output.
func (b *benchFlags) measure(s *app.Settings, cmd *cobra.Command, run func(bench.Report) error) error {
	c, cache, err := loadBench(s, cmd)
	if err != nil {
		return err
	}
	b.CacheDir = cache
	if b.Threads = c.Threads; b.Threads == 0 {
		b.Threads = runtime.GOMAXPROCS(0)
	}
	b.Progress = os.Stderr
	report, done := benchOutput(os.Stdout, b.json)
	if err := run(report); err != nil {
		done()
		return err
	}
	done()
	return nil
}

// benchOutput prints results as JSON lines for programs, or for people those over all blocks as a table.
func benchOutput(w io.Writer, asJSON bool) (report bench.Report, done func()) {
	if asJSON {
		lines := json.NewEncoder(w)
		return func(r bench.Result) error { return lines.Encode(r) }, func() {}
	}
	var table benchTable
	return func(r bench.Result) error {
		if r.Block == 0 {
			table.add(r)
		}
		return nil
	}, func() { table.print(w) }
}

// benchTable has a row for each case and a column for each figure.
type benchTable struct {
	columns []string
	rows    []map[string]string
	summary []string // what the rows do not say
}

func (t *benchTable) add(r bench.Result) {
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
	if r.Verdict != "" {
		put("verdict", string(r.Verdict))
	}
	if !r.Summary {
		t.rows = append(t.rows, row)
	}
}

func (t *benchTable) print(w io.Writer) {
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
