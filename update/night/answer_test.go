package night

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/anchors"
	"nightshift/internal/engine"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/demo"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// brought is a model that can chat and brings neither anchors nor a starter memory, with what a configuration says of it.
func brought(t *testing.T) (*engine.Model, anchors.Place) {
	t.Helper()
	ort.ForTest(t)
	from, err := demo.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{anchorFile, starterFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := engine.LoadModel(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return m, anchors.Place{Model: dir, Base: m.Checkpoint.Digest(), Template: m.Template.Digest()}
}

// TestNightMakesAnchors: the first night of a model that brings no anchors has it answer questions, learns, and leaves them to later nights.
func TestNightMakesAnchors(t *testing.T) {
	m, place := brought(t)
	s := newShop(t, place.Model)
	s.config.Settings, s.config.Shape, s.config.Place, s.config.LearningRate = Defaults(), m.Config, place, 2e-3
	set := &s.config.Settings
	set.Threads, set.Nice, set.Governor.Target, set.Gate.Resamples = 2, 0, 0, 200
	set.Train.Learned, set.Train.Epochs, set.Train.MaxSteps, set.Train.MaxTime = 0, 4, 8, 0
	var asked int
	s.deps.Progress = func(n nightrecord.Night) {
		if p := n.Progress; p != nil && p.Phase == "anchors" {
			asked = max(asked, p.Step)
		}
	}
	ns := s.nights()
	if n := s.run(ns, Request{Night: "20260301-010000-aa"}, nightrecord.Skipped); !strings.Contains(n.Reason, "no new examples") || asked > 0 {
		t.Errorf("a night without anything to learn: %s; %d questions were asked", n.Reason, asked)
	}
	text := "You can return an item within 45 days."
	in := replaystore.Interaction{ID: "i", Track: registry.Default, Time: s.Now, Subject: "a", Messages: []replaystore.Message{{Role: demo.User, Content: "How long can I return an item?"}}, Answer: "30 days"}
	f := replaystore.Feedback{ID: "f", Interaction: "i", Track: registry.Default, Time: s.Now, Subject: "a", Correction: &text, Editor: true}
	if err := s.Store.Append(t.Context(), replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &f}); err != nil {
		t.Fatal(err)
	}
	plan, err := s.nights().Plan(t.Context(), registry.Default)
	if err != nil || !plan.Ready || !strings.Contains(strings.Join(plan.Sentences, " "), "Before it learns, the model answers 332 questions") {
		t.Errorf("the plan says %+v, %v", plan, err)
	}
	n, err := s.begin(t.Context(), ns, Request{})
	if err != nil || n.State == nightrecord.Skipped || n.State == nightrecord.Failed {
		t.Fatalf("the night was %s: %s, %v", n.State, n.Reason, err)
	}
	if c := n.Selected; c.Anchors < 100 || c.Rehearsal < 100 || asked != len(anchors.Shipped()) {
		t.Errorf("%d questions were asked; selection %+v", asked, c)
	}
	said := slices.IndexFunc(n.Log, func(l nightrecord.Line) bool {
		return strings.HasPrefix(l.Message, "made ") && strings.HasSuffix(l.Message, place.Model)
	})
	if said < 0 || !slices.ContainsFunc(n.Log[:said], func(l nightrecord.Line) bool { return strings.Contains(l.Message, "answers 332 questions first") }) {
		t.Errorf("the log says %+v", n.Log)
	}
	if state, _, err := place.Look(); err != nil || state != anchors.Current {
		t.Errorf("the anchors are %s, %v", state, err)
	}
	if plan, err = s.nights().Plan(t.Context(), registry.Default); err != nil || strings.Contains(strings.Join(plan.Sentences, " "), "Before it learns") {
		t.Errorf("the next plan says %+v, %v", plan, err)
	}
}

// TestNightAsksNobody: a file of anchors that the settings name is the operator's affair, and a model that answers nothing learns nothing.
func TestNightAsksNobody(t *testing.T) {
	dir := nighttest.Model(t)
	for _, name := range []string{anchorFile, starterFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ named, want string }{{"missing.jsonl", "there is no anchor example"}, {"", "usable answers to 332 questions"}} {
		s := newShop(t, dir)
		s.config.Place = anchors.Place{Model: dir, Base: "sha256:a"}
		if c.named != "" {
			s.config.Anchors = filepath.Join(dir, c.named)
		}
		s.Correct(0, 12)
		if n := s.run(s.nights(), Request{}, nightrecord.Skipped); !strings.Contains(n.Reason, c.want) {
			t.Errorf("skipped because %s, want %q", n.Reason, c.want)
		}
	}
}

// TestOpenAnswers: an example that goes on where it was cut is read as such; one that ended has the id that it always had.
func TestOpenAnswers(t *testing.T) {
	const line = `{"messages":[{"role":"user","content":"a"}],"completion":"b"`
	items, err := parseExamples("x", []byte(line+"}\n"+line+`,"open":true}`), selection.Anchor)
	if err != nil || len(items) != 2 || items[0].Open || !items[1].Open || items[0].ID == items[1].ID || items[0].ID != "file-6eb9889e68e95ab95fb3f9a2" {
		t.Errorf("%+v, %v", items, err)
	}
}
