package night

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/runner"
	"nightshift/update/selection"
	"nightshift/update/work"
)

func TestChildThatFails(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	t.Run("says why", func(t *testing.T) {
		s := &shop{s.In(t), s.config, s.deps}
		s.config.ModelDir = filepath.Join(t.TempDir(), "nothing")
		s.config.Anchors = filepath.Join(filepath.Dir(s.config.ModelDir), "anchors.jsonl")
		if err := os.WriteFile(s.config.Anchors, []byte(`{"messages":[{"role":"prompt","content":"a"}],"completion":"b"}`), 0o644); err != nil {
			t.Fatal(err)
		}
		n, err := s.begin(t.Context(), s.nights(), Request{})
		if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "nothing") || !strings.Contains(n.Reason, "exit status 1") {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	hanging := func(deadline time.Duration) *Nights { // whose child never ends
		ns := s.nights()
		ns.deps.Runner = runner.New(runner.Config{Command: nighttest.Hanging, Deadline: deadline}, runner.Deps{Control: s.Store.Control(), Log: ns.deps.Log, Now: ns.deps.Now})
		return ns
	}
	t.Run("killed in the middle", func(t *testing.T) {
		ns := hanging(time.Hour)
		ctx, kill := context.WithCancel(t.Context())
		ns.deps.Progress = func(n nightrecord.Night) {
			if n.Progress != nil && n.Progress.Step == 1 {
				kill()
			}
		}
		n, err := s.begin(ctx, ns, Request{})
		if err == nil || n.State != nightrecord.Failed || !strings.HasPrefix(n.Reason, "interrupted: ") {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	t.Run("too slow", func(t *testing.T) {
		ns := hanging(300 * time.Millisecond)
		n, err := s.begin(t.Context(), ns, Request{})
		if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "not done after 300ms") {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	night := nightrecord.NewID(s.Now)
	t.Run("killed while it trains", func(t *testing.T) {
		ns := s.nights()
		ns.cfg.Train.Epochs, ns.cfg.Train.MaxSteps = 1e6, 1e9
		ctx, kill := context.WithCancel(t.Context())
		ns.deps.Progress = func(n nightrecord.Night) {
			if n.State == nightrecord.Training && n.Progress.Step >= 3 {
				kill()
			}
		}
		n, err := s.begin(ctx, ns, Request{Night: night})
		if err == nil || n.State != nightrecord.Failed || len(n.Curve) == 0 {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	s.run(s.nights(), Request{Night: night}, nightrecord.Published)
}

func TestErasureWhileTheNightRuns(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	night := nightrecord.NewID(s.Now)
	ns.deps.At = func(step string) {
		if step != "computed" {
			return
		}
		report, err := s.Store.Erase(t.Context(), selection.Using(s.Selected(night), selection.New)[0].Subject)
		if err != nil {
			t.Fatal(err)
		}
		if traces, err := history.Erase(s.Registry, report); err != nil || traces.Examples != 6 {
			t.Fatalf("traces %+v, %v", traces, err)
		}
	}
	n, err := s.begin(t.Context(), ns, Request{Night: night})
	if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "erased while the night ran") {
		t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
	}
	ns.deps.At = func(string) {}
	if n := s.run(ns, Request{}, nightrecord.Published); n.Selected.New+n.Selected.HeldOut != 66 {
		t.Errorf("the next night works with %+v", n.Selected)
	}
}

// TestErasureWhileTheNightSelects forgets somebody whose examples are chosen and not written down yet.
func TestErasureWhileTheNightSelects(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	ns.deps.At = func(step string) {
		if step == "chosen" {
			if traces := s.Erase("person03"); traces.Examples != 0 {
				t.Errorf("erased from a selection that is not written yet: %+v", traces)
			}
		}
	}
	n := s.run(ns, Request{}, nightrecord.Skipped)
	if !strings.Contains(n.Reason, "somebody was erased") {
		t.Errorf("skipped because %s", n.Reason)
	}
	if items := s.Selected(n.ID); len(items) != 72-6+6 || slices.ContainsFunc(items, func(it selection.Item) bool { return it.Subject == "person03" }) {
		t.Errorf("%d examples are left: %+v", len(items), items)
	}
	ns.deps.At = func(string) {}
	if n := s.run(ns, Request{}, nightrecord.Published); n.Selected.New+n.Selected.HeldOut != 66 {
		t.Errorf("the next night works with %+v", n.Selected)
	}
}

func TestDamagedCandidateIsNotPublished(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	night := nightrecord.NewID(s.Now)
	ns.deps.At = func(step string) {
		if step != "computed" {
			return
		}
		dir, err := s.Registry.NightDir(night)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, work.CandidateDir, registry.WeightsFile)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-1] ^= 1
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.begin(t.Context(), ns, Request{Night: night})
	if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "was evaluated") {
		t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
	}
	if refs, err := s.Registry.Versions(registry.Default); err != nil || len(refs) != 0 {
		t.Errorf("versions %v, %v", refs, err)
	}
}
