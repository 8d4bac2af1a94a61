package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/update/gate"
)

// TestNightShow shows a night and its trial as a table and as JSON, and says when there is no such night.
func TestNightShow(t *testing.T) {
	data, at := t.TempDir(), time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	const id = "20260302-030000-00ff"
	dir := filepath.Join(data, "registry", "nights", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		nightrecord.File: nightrecord.Night{ID: id, Track: "default", State: nightrecord.Published, Started: at, Finished: at.Add(time.Minute), Candidate: &nightrecord.Candidate{Version: 3, Digest: "sha256:aa"},
			Verdict: &nightrecord.Verdict{Pass: true, Checks: []nightrecord.Check{{Name: "gain", Pass: true, Value: 0.4, Low: 0.1, High: 0.7, Detail: "better"}}}},
		nightrecord.TrialFile: nightrecord.Trial{Steps: []nightrecord.TrialStep{{Began: at, Ended: at.Add(time.Hour), Share: 0.05, People: 40, Decision: nightrecord.Finished,
			Tests: []nightrecord.TrialTest{{Name: "complaints", Pass: true, Events: 7, P: 1, Limit: 0.025}}}}},
	} {
		text, err := json.Marshal(v)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	table := execute(t, "night", "show", id, "--data", data)
	if table.code != 0 || !strings.Contains(table.out, "candidate  default@3 sha256:aa") || !strings.Contains(table.out, "verdict: passed") || !strings.Contains(table.out, "pass complaints") {
		t.Errorf("status %d\n%s%s", table.code, table.out, table.err)
	}
	got := execute(t, "night", "show", id, "--json", "--data", data)
	var n struct {
		nightrecord.Night
		Trial nightrecord.Trial
	}
	if err := json.Unmarshal([]byte(got.out), &n); err != nil || n.ID != id || len(n.Verdict.Checks) != 1 || len(n.Trial.Steps) != 1 || n.Trial.Steps[0].Tests[0].Events != 7 {
		t.Errorf("%v: %+v\n%s", err, n, got.out)
	}
	refused(t, []string{"night", "show", "20260101-000000-aa", "--data", data}, "there is no night 20260101-000000-aa")
}

// TestChecksAreExplained: whatever the gate checks, the table says what it asks, and the console has a name and a sentence for it.
func TestChecksAreExplained(t *testing.T) {
	words, err := os.ReadFile(filepath.Join("..", "serve", "console", "static", "console", "words.js"))
	if err != nil {
		t.Fatal(err)
	}
	checks := gate.Judge(gate.Evaluation{}, gate.Evidence{}, gate.Defaults()).Checks
	if len(checks) < 7 {
		t.Fatalf("the gate has the checks %+v", checks)
	}
	for _, c := range checks {
		var table strings.Builder
		if err := (nightrecord.Night{Verdict: &nightrecord.Verdict{Checks: []nightrecord.Check{{Name: c.Name}}}}).Table(&table, nil); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^  FAIL +` + c.Name + ` .*\?$`).MatchString(table.String()) {
			t.Errorf("the table does not say what %s asks:\n%s", c.Name, &table)
		}
		for _, what := range []string{`\b` + c.Name + `: '`, `\n  ` + c.Name + `: \(c\) =>`} {
			if !regexp.MustCompile(what).Match(words) {
				t.Errorf("the console's words have no %s", what)
			}
		}
	}
}
