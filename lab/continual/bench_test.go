package continual

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBench makes a model, measures and writes the report; the second time nothing is left to do but the report.
func TestBench(t *testing.T) {
	sameGoroutines(t)
	opt := small(t, Naive, Joint)
	opt.Tracks, opt.Orders, opt.Seeds = []string{Tasks, Streaming}, 1, 2
	cache, err := tiny()
	if err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	b := Bench{Options: opt, Recipe: tinyRecipe(), CacheDir: cache, Dir: t.TempDir(), Progress: &progress}
	report, err := b.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Records) != 8 || len(report.Summaries) != 4 || report.Model != opt.Model.Digest {
		t.Errorf("%d records, %d summaries, model %s", len(report.Records), len(report.Summaries), report.Model)
	}
	if n := strings.Count(progress.String(), "\n"); n != 8 || !strings.Contains(progress.String(), "measuring 8 of 8: ") {
		t.Errorf("progress:\n%s", progress.String())
	}
	first, err := os.ReadFile(filepath.Join(b.Dir, ReportFile))
	if err != nil {
		t.Fatal(err)
	}
	checkResults(t, b.Dir)
	progress.Reset()
	if _, err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(b.Dir, ReportFile))
	if err != nil {
		t.Fatal(err)
	}
	if progress.Len() > 0 || !bytes.Equal(first, second) {
		t.Errorf("the second time: %q, the same report: %t", progress.String(), bytes.Equal(first, second))
	}
}

// checkResults reads the figures as a program would.
func checkResults(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	var results struct {
		Summary map[string]map[string]float64
		Stream  map[string]map[string]float64
		Gaps    map[string]map[string]float64
	}
	if err := json.Unmarshal(data, &results); err != nil {
		t.Fatal(err)
	}
	for key, figures := range map[string][]string{"naive": {"acc", "acc_low", "acc_high", "bwt", "fwt", "forgetting", "learning_accuracy"}, "joint": {"acc"}} {
		for _, name := range figures {
			if _, in := results.Summary[key][name]; !in {
				t.Errorf("%s of %s is not in the results: %s", name, key, data)
			}
		}
	}
	if _, in := results.Stream["naive"]["mean_after_each_round"]; !in || len(results.Gaps) != len(Domains()) {
		t.Errorf("results: %s", data)
	}
}

// TestKeys checks that programs can tell methods apart.
func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Methods() {
		if m.Key == "" || seen[m.Key] || strings.ContainsAny(m.Key, " %()") {
			t.Errorf("method %s has the key %q", m.Name, m.Key)
		}
		seen[m.Key] = true
	}
}
