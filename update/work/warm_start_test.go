package work

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/config"
	"nightshift/models/adapter"
	"nightshift/replaystore"
	"nightshift/update/selection"
)

// tracksJob is a job that makes a warm start of two tracks, which give the facts' prices each their own way.
func tracksJob(t *testing.T) string {
	t.Helper()
	dir := job(t, func(j *Job) { j.WarmStart, j.Answers = &WarmStart{Rounds: 6, Steps: 8, Share: 1}, 0 })
	items, _, err := readSelection(dir)
	must(t, err)
	var tracks []selection.Item
	for shift, track := range []string{"alpha", "beta"} {
		for i, f := range facts {
			use := selection.New
			if i == shift {
				use = selection.HeldOut
			}
			for form, ask := range []string{"price of %s", "what is %s", "how much is %s"} {
				tracks = append(tracks, selection.Item{Track: track, Use: use, Weight: 1, Example: replaystore.Example{ID: fmt.Sprintf("%s-%d-%d", track, i, form), Kind: replaystore.SFT,
					Prompt: []replaystore.Message{{Role: replaystore.RolePrompt, Content: fmt.Sprintf(ask, f[0])}}, Completion: facts[(i+shift)%len(facts)][1]}})
			}
		}
	}
	for _, it := range items {
		if it.Use == selection.Anchor {
			tracks = append(tracks, it)
		}
	}
	var j Job
	must(t, read(dir, JobFile, &j))
	put(t, dir, j, tracks)
	return dir
}

// TestWarmStart makes a warm start twice, the same one, and trains from it with the base model as champion.
func TestWarmStart(t *testing.T) {
	dir := tracksJob(t)
	var out bytes.Buffer
	must(t, Run(t.Context(), dir, &out))
	e := evaluation(t, dir)
	if r := e.WarmStart; r == nil || strings.Join(r.Tracks, " ") != "alpha beta" || r.Asked != 2 || len(r.Reached) != 3 || r.Reached[0] >= r.Zero[0] || !r.Helps() {
		t.Fatalf("report %+v", e.WarmStart)
	}
	if len(e.SelfTest) != 1 || len(e.Gain.Tokens) != 0 || e.ChampionBehaviour.Answers != 0 {
		t.Errorf("evaluation %+v", e)
	}
	if lines := strings.Count(out.String(), `"stage":"train"`); lines != 6 {
		t.Errorf("%d lines of progress of the training, want one a round", lines)
	}
	again := copyJob(t, dir, func(*Job) {})
	must(t, Run(t.Context(), again, &bytes.Buffer{}))
	if got := evaluation(t, again).Candidate; got != e.Candidate {
		t.Errorf("a second run made %s, the first %s", got, e.Candidate)
	}

	warmStart, err := adapter.Read(filepath.Join(dir, CandidateDir))
	must(t, err)
	night := job(t, func(j *Job) { j.Origin, j.Train.Rate, j.Train.Epochs = "warm-start", 1e-9, 1 })
	must(t, warmStart.Write(filepath.Join(night, "warm-start")))
	must(t, Run(t.Context(), night, &bytes.Buffer{}))
	candidate, err := adapter.Read(filepath.Join(night, CandidateDir))
	must(t, err)
	for target, f := range warmStart.Factors {
		for i, b := range f.B {
			if d := b - candidate.Factors[target].B[i]; d > 1e-6 || d < -1e-6 {
				t.Fatalf("a night of next to no learning moved B of %v by %g from the warm start", target, d)
			}
		}
	}
	n := evaluation(t, night)
	if n.Gain.Champion[0] == n.Gain.Candidate[0] {
		t.Error("the champion of a night that begins with a warm start is not the base model")
	}
}

func TestWarmStartWithoutAnythingToLearn(t *testing.T) {
	dir := tracksJob(t)
	items, _, err := readSelection(dir)
	must(t, err)
	for i := range items {
		if items[i].Track == "beta" {
			items[i].Use = selection.HeldOut
		}
	}
	var j Job
	must(t, read(dir, JobFile, &j))
	put(t, dir, j, items)
	if err := Run(t.Context(), dir, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "nothing that track beta learns") {
		t.Errorf("a track without anything to learn: %v", err)
	}
	for _, bad := range []WarmStart{{Steps: 1, Share: 1}, {Rounds: 1, Share: 1}, {Rounds: 1, Steps: 1}, {Rounds: 1, Steps: 1, Share: 2}} {
		if config.Check("warm_start", bad) == nil {
			t.Errorf("settings %+v were accepted", bad)
		}
	}
}
