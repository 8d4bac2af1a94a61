package bench

import (
	"slices"
	"testing"

	"nightshift/internal/walkthrough"
)

func TestNightMemoryLines(t *testing.T) {
	of := func(anonymous, file int64) walkthrough.Resident {
		return walkthrough.Resident{Anonymous: anonymous * 1e6, File: file * 1e6}
	}
	opt := NightMemoryOptions{Streams: 4}
	var cases []string
	var last Result
	err := opt.report(walkthrough.Memory{Alone: of(20, 30), Server: of(30, 40), Night: of(110, 20)}, func(r Result) error {
		cases, last = append(cases, r.Case), r
		return nil
	})
	if want := []string{"server alone", "server at night", "night", "server and night", "server and night"}; err != nil || !slices.Equal(cases, want) {
		t.Errorf("lines %q, %v", cases, err)
	}
	for name, want := range map[string]float64{"rss_mb": 200, "anonymous_mb": 140, "file_mb": 60, "over_alone": 4, "streams": 4} {
		if v, ok := last.Figure(name); !ok || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	if err := opt.report(walkthrough.Memory{Alone: of(20, 30)}, func(Result) error { return nil }); err == nil {
		t.Error("no night was seen, and it is no error")
	}
}
