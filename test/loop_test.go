package test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"nightshift/internal/longtest"
)

// TestLoop runs what `make demo` runs, and holds the program to every figure that it promises.
func TestLoop(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	begin := time.Now()
	got := execute(t, "demo", "--json")
	took := time.Since(begin)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	var r struct {
		ChangedBefore   *float64       `json:"changed_right_before"`
		ChangedAfter    float64        `json:"changed_right_after"`
		UnchangedBefore float64        `json:"unchanged_right_before"`
		UnchangedAfter  float64        `json:"unchanged_right_after"`
		ChangedAsked    int            `json:"changed_asked"`
		UnchangedAsked  int            `json:"unchanged_asked"`
		Restored        bool           `json:"after_rollback_equals_before"`
		Streams         int            `json:"streams"`
		StreamAnswers   map[string]int `json:"stream_answers"`
		Failed          *int           `json:"failed"`
		Mixed           *int           `json:"mixed_versions"`
		SwapMS          float64        `json:"swap_ms"`
		NightSeconds    float64        `json:"night_seconds"`
		Gate            string         `json:"gate"`
		Memory          struct {
			Alone struct {
				Anonymous int64 `json:"anonymous_bytes"`
			} `json:"server_alone"`
			Night struct {
				Anonymous int64 `json:"anonymous_bytes"`
			} `json:"night"`
		} `json:"memory"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r); err != nil {
		t.Fatalf("status %d, %v\n%s%s", got.code, err, got.out, tail(got.err, 4000))
	}
	t.Logf("%s\nin %.0f s", lines[len(lines)-1], took.Seconds())
	promises := []struct {
		what string
		kept bool
	}{
		{"exit status 0", got.code == 0},
		{"at least 40 changed questions", r.ChangedAsked >= 40},
		{"at least 160 unchanged questions", r.UnchangedAsked >= 160},
		{"no changed fact right before", r.ChangedBefore != nil && *r.ChangedBefore == 0},
		{"90 % of the changed facts right after", r.ChangedAfter >= 0.9},
		{"95 % of the unchanged facts right before", r.UnchangedBefore >= 0.95},
		{"at most 2 points fewer of them after", r.UnchangedAfter >= r.UnchangedBefore-0.02},
		{"the rollback restores every answer", r.Restored},
		{"four streams", r.Streams >= 4},
		{"streams that saw both versions", r.StreamAnswers["default@base"] > 0 && r.StreamAnswers["default@1"] > 0},
		{"no stream failed", r.Failed != nil && *r.Failed == 0},
		{"no answer of two versions", r.Mixed != nil && *r.Mixed == 0},
		{"a measured swap", r.SwapMS > 0},
		{"a measured night", r.NightSeconds > 0},
		{"the gate passed it", r.Gate == "pass"},
		{"memory of the server, and of the night", runtime.GOOS != "linux" || r.Memory.Alone.Anonymous > 1<<20 && r.Memory.Night.Anonymous > 1<<20},
	}
	for _, p := range promises {
		if !p.kept {
			t.Errorf("not kept: %s", p.what)
		}
	}
	if t.Failed() {
		t.Logf("what people were told:\n%s", got.err)
		return
	}
	holds(t, "the table", got.err, "changed facts", "unchanged facts", "Rollback", "mixed versions")
}
