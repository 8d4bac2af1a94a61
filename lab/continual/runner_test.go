package continual

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/longtest"
)

// small are options that run in seconds.
func small(t *testing.T, methods ...string) Options {
	t.Helper()
	b := DefaultBudget()
	b.Steps, b.Rows, b.Columns = 4, 4, 96
	opt := Options{Model: tinyModel(t), Budget: b, Sizes: Sizes{Train: 2, Exam: 1, Quick: 1}, Tracks: []string{Tasks}, Orders: 2, Seeds: 1, Workers: 2,
		Stream: StreamOptions{Rounds: 3, Size: 20, Delay: 1, Wrong: 0.1, Changes: 0.25}}
	for _, m := range Methods() {
		if slices.Contains(methods, m.Name) {
			opt.Methods = append(opt.Methods, m)
		}
	}
	if len(opt.Methods) != len(methods) {
		t.Fatalf("of %v there are %d", methods, len(opt.Methods))
	}
	return opt
}

func runAll(t *testing.T, dir string, opt Options) []Record {
	t.Helper()
	kept, err := OpenRecords(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	records, err := Run(t.Context(), kept, opt)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// figures are the records without what a clock says.
func figures(t *testing.T, records []Record) string {
	t.Helper()
	for i := range records {
		records[i].Seconds = 0
	}
	data, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sameGoroutines skips a test with -short whose goroutines TestRunResumes has as well.
func sameGoroutines(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("other methods and figures; TestRunResumes has the same goroutines")
	}
}

// TestRunEveryMethod takes every method through one order: with the same steps, about the same tokens, and whole matrices.
func TestRunEveryMethod(t *testing.T) {
	longtest.Skip(t)
	sameGoroutines(t)
	var names []string
	for _, m := range Methods() {
		names = append(names, m.Name)
	}
	opt := small(t, names...)
	for i := range opt.Methods {
		opt.Methods[i].Grid = nil
	}
	opt.Orders = 1
	records := runAll(t, t.TempDir(), opt)
	if len(records) != len(names) {
		t.Fatalf("%d records, want %d", len(records), len(names))
	}
	tokens := map[string]int{}
	for i, r := range records {
		if r.Method != names[i] || r.Stage != Measuring || len(r.Columns) != 5 || len(r.Phases) != 5 {
			t.Fatalf("record %d is %s, columns %v", i, r.Method, r.Columns)
		}
		for j, row := range r.Exact {
			for k := range row {
				missing := r.Method == Joint && j > 0 && j < 5
				if math.IsNaN(row[k]) != missing || math.IsNaN(r.LogProb[j][k]) != missing {
					t.Fatalf("%s: score of column %d after %d tasks is %g, %g", r.Method, k, j, row[k], r.LogProb[j][k])
				}
				if !missing && (row[k] < 0 || row[k] > 1 || r.LogProb[j][k] >= 0) {
					t.Fatalf("%s: scores %g and %g", r.Method, row[k], r.LogProb[j][k])
				}
			}
		}
		if r.Method == "frozen" {
			if r.Steps != 0 || !slices.Equal(r.LogProb[0], r.LogProb[5]) {
				t.Errorf("frozen took %d steps, or its scores changed", r.Steps)
			}
			continue
		}
		if want := opt.Budget.Steps * 5; r.Steps != want {
			t.Errorf("%s took %d steps, want %d", r.Method, r.Steps, want)
		}
		if slices.Equal(r.LogProb[0], r.LogProb[5]) {
			t.Errorf("%s learned nothing", r.Method)
		}
		tokens[r.Method] = r.Tokens
	}
	for name, n := range tokens {
		want := 1.0
		if name == "A-GEM" {
			want = 1.8 // a step over what is new computes a second gradient of as much that is rehearsed, but in the first task
		}
		if share := float64(n) / float64(tokens[Naive]); math.Abs(share-want) > 0.1 {
			t.Errorf("%s trained on %d tokens, naive on %d", name, n, tokens[Naive])
		}
	}
}

// TestRunIsReproducible: the number of workers changes no figure, and order and seed do.
func TestRunIsReproducible(t *testing.T) {
	sameGoroutines(t)
	opt := small(t, Naive, "shipped default")
	a := figures(t, runAll(t, t.TempDir(), opt))
	opt.Workers = 1
	records := runAll(t, t.TempDir(), opt)
	if a != figures(t, records) {
		t.Error("one worker and two have different figures")
	}
	if records[0].Columns[0] == records[1].Columns[0] {
		t.Errorf("two orders begin with %s", records[0].Columns[0])
	}
	if slices.Equal(records[0].LogProb[5], records[1].LogProb[5]) {
		t.Error("two orders have the same figures")
	}
}

// TestRunResumes: interrupted after a few runs, with half a line at the end, it runs what is missing and nothing else, and
// the figures are those of a benchmark that was not interrupted.
func TestRunResumes(t *testing.T) {
	opt := small(t, "frozen", Naive, "replay 10 %")
	opt.Budget.Steps = 1
	whole := figures(t, runAll(t, t.TempDir(), opt))
	dir := t.TempDir()
	stop := errors.New("stop")
	opt.Workers = 1
	opt.Report = func(p RunReport) error {
		if p.Done == 3 && p.Stage == Measuring {
			return stop
		}
		return nil
	}
	kept, err := OpenRecords(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), kept, opt); !errors.Is(err, stop) {
		t.Fatalf("the benchmark ended with %v", err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, RunsFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Count(data, []byte("\n"))
	if err := os.WriteFile(path, append(data, `{"key":"half a li`...), 0o644); err != nil {
		t.Fatal(err)
	}
	again := 0
	opt.Report = func(p RunReport) error {
		if !p.Kept {
			again++
		}
		return nil
	}
	if got := figures(t, runAll(t, dir, opt)); got != whole {
		t.Error("a benchmark that was interrupted has other figures")
	}
	if want := 2 + 6 - before; again != want { // two to tune, six to measure
		t.Errorf("%d runs after %d before, want %d", again, before, want)
	}
	if data, err = os.ReadFile(path); err != nil || strings.Contains(string(data), "half") || bytes.Count(data, []byte("\n")) != 8 {
		t.Errorf("the file has %d lines, error %v", bytes.Count(data, []byte("\n")), err)
	}
	opt.Budget.Rate *= 2
	again = 0
	runAll(t, dir, opt)
	if again != 8 {
		t.Errorf("with another learning rate %d runs were made, want 8", again)
	}
}

func TestOpenRecordsRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, RunsFile), []byte("{}\nnot a record\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRecords(dir); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("opened with %v", err)
	}
}

// TestRunStream takes methods through a stream; those that need task boundaries are left out.
func TestRunStream(t *testing.T) {
	sameGoroutines(t)
	opt := small(t, "frozen", Naive, Joint, "replay 10 %", "adapter a task, routed")
	opt.Tracks, opt.Orders = []string{Streaming}, 1
	records := runAll(t, t.TempDir(), opt)
	if len(records) != 4 {
		t.Fatalf("%d records, want 4", len(records))
	}
	for _, r := range records {
		if len(r.Exact) != 4 || len(r.Exact[0]) != 5 || len(r.Phases) != 3 || r.Phases[0] != "round 1" {
			t.Errorf("%s: %d rows of %d, phases %v", r.Method, len(r.Exact), len(r.Exact[0]), r.Phases)
		}
		if r.Method == "frozen" || slices.Equal(r.LogProb[0], r.LogProb[3]) {
			if r.Method != "frozen" {
				t.Errorf("%s learned nothing", r.Method)
			}
		}
	}
}

// TestPlans: both plans have naive and joint training to measure a gap, names that are told apart, and grids that hold what
// a method does by itself.
func TestPlans(t *testing.T) {
	for _, opt := range []Options{Full(), Quick()} {
		seen := map[string]bool{}
		for _, m := range opt.Methods {
			if seen[m.Name] || m.Says == "" || m.Family == "" {
				t.Errorf("method %q of family %q: %q", m.Name, m.Family, m.Says)
			}
			seen[m.Name] = true
			for i, s := range m.Grid {
				if slices.Contains(m.Grid[:i], s) {
					t.Errorf("%s tries %+v twice", m.Name, s)
				}
			}
			if len(m.Grid) > 0 && !slices.Contains(m.Grid, m.Settings) {
				t.Errorf("%s does not try what it does by itself, %+v", m.Name, m.Settings)
			}
		}
		if !seen[Naive] || !seen[Joint] || opt.Orders*opt.Seeds < 2 || opt.Budget.Steps < 20 {
			t.Errorf("a plan of %d orders × %d seeds with %d steps", opt.Orders, opt.Seeds, opt.Budget.Steps)
		}
	}
	if full := Full(); full.Orders < 3 || full.Seeds < 3 || len(full.Tracks) != 2 {
		t.Errorf("the full plan has %d orders × %d seeds on %v", full.Orders, full.Seeds, full.Tracks)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	opt := small(t, Naive)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	kept, err := OpenRecords(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if _, err := Run(ctx, kept, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if _, err := Run(t.Context(), kept, Options{}); err == nil {
		t.Error("ran without anything to run")
	}
}

// TestAnswers compares with what looking at every distribution says.
func TestAnswers(t *testing.T) {
	opt := small(t, Naive)
	l, err := newLearner(opt.Model, opt.Budget)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	course := TaskCourse([]int{0, 1}, Final, Test, 1, Sizes{Train: 4, Exam: 2, Quick: 2})
	l.budget.Steps = 60
	r, err := l.study(t.Context(), opt.Methods[0], Settings{}, course, 1)
	if err != nil {
		t.Fatal(err)
	}
	list := opt.Model.Sequences(append(course.Phases[1].Learn, course.Phases[0].Exams[0]...))
	for i := range list { // of some the end alone is asked for, which is easy
		if i%2 == 0 {
			list[i].Prompt = len(list[i].Tokens) - 1 - i%3
		}
	}
	right, _, err := l.answers(r.params, list)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.scorer.Teach(r.params, list, 0); err != nil {
		t.Fatal(err)
	}
	count := 0
	for i, q := range list {
		greedy := len(q.Teacher) == q.Losses()
		for j, d := range q.Teacher {
			greedy = greedy && d.IDs[0] == q.Tokens[q.Prompt+j]
		}
		if greedy != right[i] {
			t.Errorf("answer %d is right: %t, want %t", i, right[i], greedy)
		}
		if greedy {
			count++
		}
	}
	if count == 0 || count == len(list) {
		t.Errorf("%d of %d are right, so nothing is compared", count, len(list))
	}
	t.Logf("%d of %d are right", count, len(list))
}
