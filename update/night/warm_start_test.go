package night

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/config"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// newWarmStartShop has three tracks that remember, and settings by which a warm start is made of them.
func newWarmStartShop(t *testing.T) *shop {
	s := newShop(t, nighttest.Model(t))
	s.config.WarmStart = WarmStart{Track: "warm-start", WarmStart: work.WarmStart{Rounds: 12, Steps: 10, Share: 1}}
	for i, track := range []string{"alpha", "beta", "gamma"} {
		s.CreateTrack(track)
		s.Remember(track, i+1)
	}
	return s
}

// TestWarmStart makes a warm start of what tracks remember, has a new track begin with it, replays both nights, and finds
// both versions when somebody is erased whom the first one learned from.
func TestWarmStart(t *testing.T) {
	ort.ForTest(t)
	s := newWarmStartShop(t)
	ns := s.nights()
	made := s.run(ns, Request{Track: "warm-start"}, nightrecord.Published)
	report := made.WarmStart
	if report == nil || !slices.Equal(report.Tracks, []string{"alpha", "beta", "gamma"}) || !slices.Equal(report.Steps, []int{0, 5, 10}) || !report.Helps() || report.Asked != 3 {
		t.Fatalf("report %+v", report)
	}
	if len(made.Curve) != 12 || made.Selected.New != 45 || made.Selected.HeldOut != 9 {
		t.Errorf("%d points of the curve, selection %+v", len(made.Curve), made.Selected)
	}
	active, err := s.Registry.Champion("warm-start")
	if err != nil || active.Digest != made.Candidate.Digest || active.Night != made.ID || active.Share != 0 {
		t.Fatalf("active is %+v, %v", active, err)
	}
	m, err := s.Registry.Version(active.Digest)
	if err != nil || m.Night != made.ID || !slices.Equal(m.Tracks, report.Tracks) || m.Parent != "" || m.Examples != 45 || m.DataDigest == "" || len(m.SelfTest) != 2 ||
		m.Figures["adapted_nll"] >= m.Figures["adapted_nll_from_zero"] {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if again := s.run(ns, Request{Track: "warm-start"}, nightrecord.Skipped); again.Reason != "nothing has changed since warm-start@1 was made" {
		t.Errorf("the next night: %s", again.Reason)
	}
	s.sameAgain(ns, made.ID)

	s.Correct(0, 12)
	first := s.run(ns, Request{}, nightrecord.Published)
	if first.From != "warm-start@1" {
		t.Errorf("the first night begins with %q; log %+v", first.From, first.Log)
	}
	if m, err = s.Registry.Version(first.Candidate.Digest); err != nil || m.WarmStart != active.Digest || m.Parent != "" || len(m.Origins()) != 0 {
		t.Errorf("manifest of the first version %+v, %v", m, err)
	}
	s.sameAgain(ns, first.ID)
	without := s.without(ns)
	if a, b := first.Curve[0].Loss, without.Curve[0].Loss; a >= b {
		t.Errorf("the first step's loss is %g with the warm start and %g without it", a, b)
	}

	report2, err := s.Store.Erase(t.Context(), selection.Using(s.Selected(made.ID), selection.New)[0].Subject)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := history.Erase(s.Registry, report2)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ref := range traces.Versions {
		names = append(names, ref.String())
	}
	if !slices.Equal(names, []string{"default@1", "warm-start@1"}) {
		t.Errorf("learned from the person: %v", names)
	}
}

// sameAgain replays a night.
func (s *shop) sameAgain(ns *Nights, night string) {
	s.Helper()
	if r, err := ns.Replay(s.Context(), night, nil); err != nil || !r.Same || r.Changed {
		s.Errorf("replay %+v, %v", r, err)
	}
}

// without looks what the first night would have been at zero.
func (s *shop) without(ns *Nights) nightrecord.Night {
	s.Helper()
	champion := s.Champion()
	if _, err := s.Registry.Activate(s.Context(), registry.Default, registry.Activation{Actor: "ann", Previous: champion.Sequence}); err != nil {
		s.Fatal(err)
	}
	plain := *s
	plain.config.WarmStart.Track = ""
	return plain.look(plain.nights())
}

// look is a dry run over what the track has said once more.
func (s *shop) look(ns *Nights) nightrecord.Night {
	s.Helper()
	s.Correct(0, 12)
	n, err := s.begin(s.Context(), ns, Request{DryRun: true})
	if err != nil {
		s.Fatal(err)
	}
	return n
}

// TestWarmStartIsNotUsed: a night says why it begins at zero.
func TestWarmStartIsNotUsed(t *testing.T) {
	s := newWarmStartShop(t)
	said := func(want string) {
		t.Helper()
		n := s.nights().night(Request{Track: registry.Default})
		dir, err := n.origin()
		if err != nil || dir != "" || len(n.log.night.Log) != 1 || !strings.Contains(n.log.night.Log[0].Message, want) || n.log.night.From != "" {
			t.Errorf("origin %q, %v, log %+v; want %q", dir, err, n.log.night.Log, want)
		}
	}
	said("track warm-start has none yet")
	_, ref := s.Put("warm-start", adapter.Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}, 1, registry.Manifest{})
	if _, err := s.Registry.Activate(t.Context(), "warm-start", registry.Activation{Digest: ref.Digest, Actor: "ann"}); err != nil {
		t.Fatal(err)
	}
	said("warm-start@1 has rank 2 and scale 2 in mlp.c_fc; the settings ask for rank 8")
	s.config.WarmStart.Track = ""
	n := s.nights().night(Request{Track: registry.Default})
	if dir, err := n.origin(); err != nil || dir != "" || len(n.log.night.Log) != 0 {
		t.Errorf("without the setting: origin %q, %v, log %+v", dir, err, n.log.night.Log)
	}
}

// TestWarmStartNeedsTracks: tracks that name another one, or remember too little, are left out, and of one track none is made.
func TestWarmStartNeedsTracks(t *testing.T) {
	s := newWarmStartShop(t)
	own := s.config.Settings
	own.WarmStart.Track = "other"
	few := s.config.Settings
	few.Evidence.MinExamples = 100
	s.config.Tracks = map[string]Settings{"beta": own, "gamma": few}
	n := s.run(s.nights(), Request{Track: "warm-start"}, nightrecord.Skipped)
	if n.Reason != "1 tracks remember enough, a warm start needs 2" ||
		!slices.ContainsFunc(n.Log, func(l nightrecord.Line) bool {
			return l.Message == "leaves out track gamma, which remembers 18 examples, of 100 that it needs"
		}) {
		t.Errorf("the night: %s, log %+v", n.Reason, n.Log)
	}
}

// TestWarmStartThatDoesNotHelp is stored, and not activated.
func TestWarmStartThatDoesNotHelp(t *testing.T) {
	ort.ForTest(t)
	s := newWarmStartShop(t)
	s.config.WarmStart.Rounds, s.config.WarmStart.Steps = 1, 4
	ns, night := s.nights(), nightrecord.NewID(s.Now)
	ns.deps.At = func(step string) {
		var e work.Evaluation
		if step != "computed" {
			return
		}
		if _, err := ns.history.Read(night, work.EvaluationFile, &e); err != nil {
			t.Error(err)
		}
		e.WarmStart.Reached = e.WarmStart.Zero
		if err := ns.history.Write(night, work.EvaluationFile, e); err != nil {
			t.Error(err)
		}
	}
	n := s.run(ns, Request{Night: night, Track: "warm-start"}, nightrecord.Rejected)
	if !strings.HasPrefix(n.Reason, "the warm start does not help: after 4 steps") || n.Candidate.Version != 1 {
		t.Errorf("%s, %+v", n.Reason, n.Candidate)
	}
	if a, err := s.Registry.Champion("warm-start"); err != nil || a.Digest != "" {
		t.Errorf("active is %+v, %v", a, err)
	}
}

// TestErasureWhileAWarmStartIsSelected forgets somebody whose examples are chosen and not written down yet.
func TestErasureWhileAWarmStartIsSelected(t *testing.T) {
	s := newWarmStartShop(t)
	ns := s.nights()
	ns.deps.At = func(step string) {
		if step == "chosen" {
			if traces := s.Erase("beta-person1"); traces.Examples != 0 {
				t.Errorf("erased from a selection that is not written yet: %+v", traces)
			}
		}
	}
	n := s.run(ns, Request{Track: "warm-start"}, nightrecord.Skipped)
	if !strings.Contains(n.Reason, "somebody was erased") {
		t.Errorf("skipped because %s", n.Reason)
	}
	items := s.Selected(n.ID)
	if people := selection.Using(items, selection.New); len(people) == 0 || slices.ContainsFunc(items, func(it selection.Item) bool { return it.Subject == "beta-person1" }) {
		t.Errorf("%d examples are left: %+v", len(items), items)
	}
}

func TestUnseenAnswers(t *testing.T) {
	var items []selection.Item
	for g := range nighttest.Goods {
		for f := range nighttest.Questions {
			items = append(items, selection.Item{Example: replaystore.Example{ID: fmt.Sprintf("%d-%d", g, f), Completion: nighttest.Answer(g)}})
		}
	}
	held := func(list []selection.Item) (answers []string) {
		for _, it := range unseen("alpha", slices.Clone(list), []byte("key")) {
			if it.Track != "alpha" {
				t.Errorf("item %+v", it)
			}
			if it.Use == selection.HeldOut {
				answers = append(answers, it.Completion)
			}
		}
		return answers
	}
	all := held(items)
	if len(all) != len(nighttest.Questions) || slices.Max(all) != slices.Min(all) {
		t.Errorf("held out %v, want one answer with all its questions", all)
	}
	slices.Reverse(items)
	if again := held(items); !slices.Equal(again, all) {
		t.Errorf("in another order %v, want %v", again, all)
	}
	if one := held(items[:3]); len(one) != 0 {
		t.Errorf("of one answer nothing would be left to learn: %v", one)
	}
}

func TestWarmStartSettingsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"warm_start.track: want a name like that of a track, not \"default\"": func(s *Settings) { s.WarmStart.Track = registry.Default },
		"warm_start.track: want train.modules by name":                        func(s *Settings) { s.Train.Modules = []string{work.Auto} },
		"warm_start.rounds: want at least 1":                                  func(s *Settings) { s.WarmStart.Rounds = 0 },
		"No Such":                                                             func(s *Settings) { s.WarmStart.Track = "No Such" },
	} {
		s := Defaults()
		s.WarmStart.Track = "warm-start"
		change(&s)
		if err := config.Check("update", s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
