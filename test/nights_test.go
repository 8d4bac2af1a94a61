package test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/longtest"
)

// resumed runs a benchmark of nights until its limit, and again to its end, and reads what it printed as a program would.
func resumed(t *testing.T, limit string, args ...string) []map[string]any {
	t.Helper()
	args = append([]string{"nightlab"}, append(args, "--json", "--set", "update.train.max_steps=10", "--dir", filepath.Join(t.TempDir(), "records"))...)
	first := execute(t, append(args, "--limit", limit)...)
	if first.code != 3 || !strings.Contains(first.err, "not finished") || strings.Contains(first.out, `"summary"`) {
		t.Fatalf("status %d of what is not finished\n%s%s", first.code, first.out, first.err)
	}
	got := execute(t, args...)
	var lines []map[string]any
	for line := range strings.Lines(got.out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, got.err)
		}
		lines = append(lines, m)
	}
	if !strings.HasPrefix(got.out, strings.SplitAfter(first.out, "\n")[0]) {
		t.Errorf("the second run did not keep what the first had measured:\n%s\n%s", first.out, got.out)
	}
	if len(lines) == 0 || lines[len(lines)-1]["summary"] != true {
		t.Fatalf("status %d, the last line is no summary:\n%s%s", got.code, got.out, got.err)
	}
	if failed := lines[len(lines)-1]["failures"] != nil; failed != (got.code == 1) {
		t.Errorf("status %d, failures %v", got.code, lines[len(lines)-1]["failures"])
	}
	return lines
}

// TestBenchGate runs one night of each kind, which learn almost nothing: it counts lines, and asks that what is spoiled does not
// pass.
func TestBenchGate(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	lines := resumed(t, "2", "gate", "--good", "1", "--bad", "1")
	if len(lines) != 7 {
		t.Fatalf("%d lines, want one for each kind and a summary", len(lines))
	}
	states := map[any]any{}
	for _, l := range lines[:6] {
		states[l["kind"]] = l["state"]
		if l["selection"] == nil {
			t.Errorf("%v", l)
		}
	}
	if states["nan"] != "failed" || states["scaled"] != "rejected" || states["truncated"] != "rejected" || states["shuffled"] != "rejected" {
		t.Errorf("states %v", states)
	}
}

// TestBenchNights runs two nights.
func TestBenchNights(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	lines := resumed(t, "2", "nights", "--nights", "2", "--seasons", "1")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want nights 0 to 2 and a summary", len(lines))
	}
	if lines[0]["unchanged_right"].(float64) < 0.95 || lines[1]["selection"] == nil || lines[2]["night"] != 2.0 {
		t.Errorf("%v", lines)
	}
}

// TestBenchCorrections lets three people correct two facts, and holds the night to what it promises.
func TestBenchCorrections(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	got := execute(t, "nightlab", "corrections", "--people", "3", "--facts", "2", "--json")
	var c struct {
		Facts []struct{ Fact, New string }
		Said  []struct{ Question, Correction string }
		State string
	}
	if err := json.Unmarshal([]byte(got.out), &c); err != nil || got.code != 0 || len(c.Facts) != 2 || len(c.Said) != 20 || c.State != "published" {
		t.Errorf("status %d, %v\n%s%s", got.code, err, got.out, got.err)
	}
	refused(t, []string{"nightlab", "corrections", "--people", "3", "--facts", "1"}, "at least 2 facts")
}
