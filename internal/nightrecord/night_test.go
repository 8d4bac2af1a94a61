package nightrecord

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDocument(t *testing.T) {
	at := time.Date(2026, 3, 2, 3, 4, 5, 0, time.UTC)
	n := Night{ID: "20260302-030405-00ff", Track: "support", State: Rejected, Reason: "the gate said no", Started: at, Finished: at.Add(time.Minute),
		Progress: &Progress{Phase: "train", Step: 3, Steps: 9, ETA: 1.5}, Selected: &Selected{Examples: 7, New: 3, HeldOut: 4},
		Curve: []CurvePoint{{Step: 1, Loss: 2.5, Rate: 1e-4, Norm: 0.5, Margin: 2}}, Verdict: &Verdict{Checks: []Check{{Name: "gain", Value: 0.1, Low: -0.1, High: 0.3, Detail: "x"}}},
		Candidate: &Candidate{Version: 2, Digest: "sha256:00"}, Log: []Line{{at, "began"}}}
	data, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"held_out": 4`, `"eta_seconds": 1.5`, `"grad_norm": 0.5`, `"lr": 0.0001`, `"version": 2`, `"pass": false`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the document lacks %s:\n%s", want, data)
		}
	}
	back, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n, back) {
		t.Errorf("read back:\n%+v\nwant\n%+v", back, n)
	}
	if _, err := Decode([]byte(`{"id":`)); err == nil {
		t.Error("a truncated document was accepted")
	}
}

func TestCandidateIsNullWithoutOne(t *testing.T) {
	data, err := Night{ID: "a", State: Queued}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"candidate": null`) || strings.Contains(string(data), "started") {
		t.Errorf("document of a queued night:\n%s", data)
	}
}

func TestStates(t *testing.T) {
	final := 0
	for _, s := range States() {
		if s.Final() {
			final++
		}
	}
	if final != 4 || Gating.Final() {
		t.Errorf("%d states are final, want 4, and gating is not", final)
	}
}

func TestIDsAreOrderedByTime(t *testing.T) {
	at := time.Date(2026, 3, 2, 4, 4, 5, 0, time.FixedZone("", 3600))
	a, b := NewID(at), NewID(at.Add(time.Second))
	if !strings.HasPrefix(a, "20260302-030405-") || len(a) != 26 || a >= b {
		t.Errorf("ids %s and %s", a, b)
	}
}

// TestIDsOfOneSecondDiffer: a thousand tracks fall due at once.
func TestIDsOfOneSecondDiffer(t *testing.T) {
	at, seen := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC), map[string]bool{}
	for range 1000 {
		seen[NewID(at)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 nights have %d ids", len(seen))
	}
}
