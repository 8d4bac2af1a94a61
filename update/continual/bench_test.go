package continual

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBench makes a model, measures and writes the report; the second time nothing is left to do but the report.
func TestBench(t *testing.T) {
	opt := small(t, Naive, Joint)
	opt.Orders, opt.Seeds = 1, 2
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
	if len(report.Records) != 4 || len(report.Summaries) != 2 || report.Model != opt.Model.Digest {
		t.Errorf("%d records, %d summaries, model %s", len(report.Records), len(report.Summaries), report.Model)
	}
	if n := strings.Count(progress.String(), "\n"); n != 4 || !strings.Contains(progress.String(), "measuring 4 of 4: tasks, joint, order 1, seed") {
		t.Errorf("progress:\n%s", progress.String())
	}
	first, err := os.ReadFile(filepath.Join(b.Dir, ReportFile))
	if err != nil {
		t.Fatal(err)
	}
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
