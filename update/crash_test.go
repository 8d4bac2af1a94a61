package update

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

// stopped is the panic with which tests stop the world.
type stopped struct{ step string }

// killedAt has an updater do something, and stops it dead at a step of a night.
func (s *shop) killedAt(step string, do func(u *Updater)) {
	s.Helper()
	defer func() {
		if _, ok := recover().(stopped); !ok {
			s.Errorf("the updater went past step %s", step)
		}
	}()
	killed := *s
	killed.deps.At = func(at string) {
		if at == step {
			panic(stopped{step})
		}
	}
	do(killed.updater())
}

// TestUpdaterKilledAtEachStep stops the updater dead at each step of a night. Another one clears up, and the night's
// evidence ends in exactly one published version.
func TestUpdaterKilledAtEachStep(t *testing.T) {
	ort.ForTest(t)
	model := nighttest.Model(t)
	for _, step := range []string{"frozen", "computed", "put", "activated", "settled"} {
		t.Run(step, func(t *testing.T) {
			s := newShop(t, model)
			s.CreateTrack("other")
			s.Correct(0, 12)
			night := nightrecord.NewID(s.Now)
			s.killedAt(step, func(u *Updater) { _, _ = u.RunNight(t.Context(), Request{Night: night}) })
			u := s.updater()
			if left, _, err := u.history.Record(night); err != nil || left.State.Final() {
				t.Fatalf("the killed night is %s, %v", left.State, err)
			}
			s.run(u, Request{Track: "other"}, nightrecord.Skipped) // any night clears up first
			cleared, _, err := u.history.Record(night)
			if err != nil {
				t.Fatal(err)
			}
			if step == "activated" || step == "settled" {
				if cleared.State != nightrecord.Published || cleared.Candidate.Digest != s.Champion().Digest {
					t.Errorf("the night is %s with candidate %+v", cleared.State, cleared.Candidate)
				}
			} else {
				if cleared.State != nightrecord.Failed || !strings.Contains(cleared.Reason, "interrupted") || s.Champion().Sequence != 0 {
					t.Errorf("the night is %s: %s", cleared.State, cleared.Reason)
				}
				s.run(u, Request{Night: night}, nightrecord.Published)
			}
			refs, err := s.Registry.Versions(registry.Default)
			if err != nil || len(refs) != 1 || s.Champion().Sequence != 1 || refs[0].Digest != s.Champion().Digest {
				t.Errorf("versions %v, %v; champion %+v", refs, err, s.Champion())
			}
			if n := s.run(u, Request{}, nightrecord.Skipped); n.Selection.New != 0 || len(s.Memory()) == 0 {
				t.Errorf("evidence is used twice: %+v; remembered %d", n.Selection, len(s.Memory()))
			}
			if learned := selection.Using(s.Selected(night), selection.New); len(s.Memory()) != len(learned) {
				t.Errorf("%d examples were learned, the memory has %d: %v", len(learned), len(s.Memory()), s.Memory())
			}
		})
	}
}

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
		n, err := s.updater().RunNight(t.Context(), Request{})
		if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "nothing") || !strings.Contains(n.Reason, "exit status 1") {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	hanging := func(deadline time.Duration) *Updater { // whose child never ends
		u := s.updater()
		u.nights.deps.Runner = runner.New(runner.Config{Command: nighttest.Hanging, Deadline: deadline}, runner.Deps{Control: s.Store.Control(), Log: u.nights.deps.Log, Now: u.nights.deps.Now})
		return u
	}
	t.Run("killed in the middle", func(t *testing.T) {
		u := hanging(time.Hour)
		ctx, kill := context.WithCancel(t.Context())
		u.nights.deps.Progress = func(n nightrecord.Night) {
			if n.Progress != nil && n.Progress.Step == 1 {
				kill()
			}
		}
		n, err := u.RunNight(ctx, Request{})
		if err == nil || n.State != nightrecord.Failed || !strings.HasPrefix(n.Reason, "interrupted: ") {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	t.Run("too slow", func(t *testing.T) {
		u := hanging(300 * time.Millisecond)
		n, err := u.RunNight(t.Context(), Request{})
		if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "not done after 300ms") {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	night := nightrecord.NewID(s.Now)
	t.Run("killed while it trains", func(t *testing.T) {
		u := s.updater()
		u.nights.cfg.Train.Epochs, u.nights.cfg.Train.MaxSteps = 1e6, 1e9
		ctx, kill := context.WithCancel(t.Context())
		u.nights.deps.Progress = func(n nightrecord.Night) {
			if n.State == nightrecord.Training && n.Progress.Step >= 3 {
				kill()
			}
		}
		n, err := u.RunNight(ctx, Request{Night: night})
		if err == nil || n.State != nightrecord.Failed || len(n.Curve) == 0 {
			t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
		}
	})
	s.run(s.updater(), Request{Night: night}, nightrecord.Published)
}

func TestErasureWhileTheNightRuns(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	u := s.updater()
	night := nightrecord.NewID(s.Now)
	u.nights.deps.At = func(step string) {
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
	n, err := u.RunNight(t.Context(), Request{Night: night})
	if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "erased while the night ran") {
		t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
	}
	u.nights.deps.At = func(string) {}
	if n := s.run(u, Request{}, nightrecord.Published); n.Selection.New+n.Selection.HeldOut != 66 {
		t.Errorf("the next night works with %+v", n.Selection)
	}
}

// TestErasureWhileTheNightSelects forgets somebody whose examples are chosen and not written down yet.
func TestErasureWhileTheNightSelects(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	u := s.updater()
	u.nights.deps.At = func(step string) {
		if step == "chosen" {
			if traces := s.Erase("person03"); traces.Examples != 0 {
				t.Errorf("erased from a selection that is not written yet: %+v", traces)
			}
		}
	}
	n := s.run(u, Request{}, nightrecord.Skipped)
	if !strings.Contains(n.Reason, "somebody was erased") {
		t.Errorf("skipped because %s", n.Reason)
	}
	if items := s.Selected(n.ID); len(items) != 72-6+6 || slices.ContainsFunc(items, func(it selection.Item) bool { return it.Subject == "person03" }) {
		t.Errorf("%d examples are left: %+v", len(items), items)
	}
	u.nights.deps.At = func(string) {}
	if n := s.run(u, Request{}, nightrecord.Published); n.Selection.New+n.Selection.HeldOut != 66 {
		t.Errorf("the next night works with %+v", n.Selection)
	}
}

func TestDamagedCandidateIsNotPublished(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	u := s.updater()
	night := nightrecord.NewID(s.Now)
	u.nights.deps.At = func(step string) {
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
	n, err := u.RunNight(t.Context(), Request{Night: night})
	if err == nil || n.State != nightrecord.Failed || !strings.Contains(n.Reason, "was evaluated") {
		t.Errorf("the night is %s: %s (%v)", n.State, n.Reason, err)
	}
	if refs, err := s.Registry.Versions(registry.Default); err != nil || len(refs) != 0 {
		t.Errorf("versions %v, %v", refs, err)
	}
}
