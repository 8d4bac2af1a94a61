package update

import (
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
)

func TestNightFromFeedbackToChampion(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, tinyModel(t))
	s.correct(people(0, 10)...)
	var states []nightrecord.State
	s.deps.Progress = func(n nightrecord.Night) {
		if len(states) == 0 || states[len(states)-1] != n.State {
			states = append(states, n.State)
		}
	}
	n, err := s.updater().RunNight(t.Context(), Request{By: "cli"})
	if err != nil {
		t.Fatal(err)
	}
	if n.State != nightrecord.Published {
		t.Fatalf("the night was %s: %s; %+v", n.State, n.Reason, n.Selection)
	}
	t.Logf("%+v\n%+v", n.Selection, n.Verdict)
	champion, err := s.registry.Champion(registry.Default)
	if err != nil || champion.Digest != n.Candidate.Digest || champion.Night != n.ID || champion.Actor != registry.Updater {
		t.Errorf("champion %+v, %v; candidate %+v", champion, err, n.Candidate)
	}
	got := make([]string, len(states))
	for i, st := range states {
		got[i] = string(st)
	}
	if want := "waiting selecting training evaluating gating published"; strings.Join(got, " ") != want {
		t.Errorf("states %v, want %s", got, want)
	}
}
