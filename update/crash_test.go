package update

import (
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/update/night"
	"nightshift/update/nighttest"
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
			id := nightrecord.NewID(s.Now)
			s.killedAt(step, func(u *Updater) { _, _ = u.RunNight(t.Context(), night.Request{Night: id}) })
			u := s.updater()
			if left, _, err := u.history.Record(id); err != nil || left.State.Final() {
				t.Fatalf("the killed night is %s, %v", left.State, err)
			}
			s.run(u, night.Request{Track: "other"}, nightrecord.Skipped) // any night clears up first
			cleared, _, err := u.history.Record(id)
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
				s.run(u, night.Request{Night: id}, nightrecord.Published)
			}
			refs, err := s.Registry.Versions(registry.Default)
			if err != nil || len(refs) != 1 || s.Champion().Sequence != 1 || refs[0].Digest != s.Champion().Digest {
				t.Errorf("versions %v, %v; champion %+v", refs, err, s.Champion())
			}
			if n := s.run(u, night.Request{}, nightrecord.Skipped); n.Selected.New != 0 || len(s.Memory()) == 0 {
				t.Errorf("evidence is used twice: %+v; remembered %d", n.Selected, len(s.Memory()))
			}
			if learned := selection.Using(s.Selected(id), selection.New); len(s.Memory()) != len(learned) {
				t.Errorf("%d examples were learned, the memory has %d: %v", len(learned), len(s.Memory()), s.Memory())
			}
		})
	}
}

// TestWarmStartAfterAKill: whether the updater dies before the activation or after it, one version is active in the end, and no
// track remembers what others said.
func TestWarmStartAfterAKill(t *testing.T) {
	ort.ForTest(t)
	for _, step := range []string{"put", "activated"} {
		s := newShop(t, nighttest.Model(t))
		s.config.WarmStart = night.WarmStart{Track: "warm-start", WarmStart: work.WarmStart{Rounds: 12, Steps: 10, Share: 1}}
		for i, track := range []string{"alpha", "beta", "gamma"} {
			s.CreateTrack(track)
			s.Remember(track, i+1)
		}
		id := nightrecord.NewID(s.Now)
		s.killedAt(step, func(u *Updater) { _, _ = u.RunNight(t.Context(), night.Request{Night: id, Track: "warm-start"}) })
		u := s.updater()
		want := map[string]nightrecord.State{"put": nightrecord.Published, "activated": nightrecord.Skipped}[step]
		s.run(u, night.Request{Track: "warm-start"}, want)
		s.run(u, night.Request{Track: "warm-start"}, nightrecord.Skipped)
		active, err := s.Registry.Champion("warm-start")
		refs, errs := s.Registry.Versions("warm-start")
		if err != nil || errs != nil || active.Sequence != 1 || len(refs) != 1 || active.Digest != refs[0].Digest {
			t.Errorf("killed at %s: active is %+v, %v; versions %v, %v", step, active, err, refs, errs)
		}
		if memory, err := s.Store.Rehearsal(t.Context(), "warm-start"); err != nil || len(memory.Items()) != 0 {
			t.Errorf("the track of warm starts remembers %d examples, %v", len(memory.Items()), err)
		}
	}
}
