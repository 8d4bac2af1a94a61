package night

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// run runs a night that must end in a state.
func (s *shop) run(ns *Nights, req Request, want nightrecord.State) nightrecord.Night {
	s.Helper()
	n, err := s.begin(s.Context(), ns, req)
	if err != nil {
		s.Fatal(err)
	}
	if n.State != want {
		s.Fatalf("the night was %s: %s; selection %+v; want %s", n.State, n.Reason, n.Selected, want)
	}
	stored, found, err := ns.history.Record(n.ID)
	if err != nil || !found || stored.State != n.State || stored.Finished.IsZero() {
		s.Errorf("stored record %+v, %v, %v", stored, found, err)
	}
	return n
}

// trimming is a store that writes down what it is asked to drop.
type trimming struct {
	replaystore.Store
	through []replaystore.Cursor
	keep    int64
}

func (s *trimming) Trim(_ context.Context, _ string, through replaystore.Cursor, keep int64) (int64, error) {
	s.through, s.keep = append(s.through, through), keep
	return 3, nil
}

// anotherNight skips a test with -short whose nights differ from other tests' in their settings alone: as far as goroutines go they are the same.
func anotherNight(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("settings of their own; TestNightFromFeedbackToChampion goes the same way")
	}
}

func TestNightFromFeedbackToChampion(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.config.ModelDigest = modelIn(t, s.config.ModelDir).Digest()
	s.Correct(0, 12)
	trimmed := &trimming{Store: s.Store}
	s.deps.Store = trimmed
	var states []string
	s.deps.Progress = func(n nightrecord.Night) {
		if len(states) == 0 || states[len(states)-1] != string(n.State) {
			states = append(states, string(n.State))
		}
	}
	ns := s.nights()
	n := s.run(ns, Request{By: "cli"}, nightrecord.Published)
	if got, want := strings.Join(states, " "), "waiting selecting training evaluating gating published"; got != want {
		t.Errorf("states %s, want %s", got, want)
	}
	champion := s.Champion()
	if champion.Digest != n.Candidate.Digest || champion.Night != n.ID || champion.Actor != registry.Updater || champion.Number != n.Candidate.Version {
		t.Errorf("champion %+v, candidate %+v", champion, n.Candidate)
	}
	if !n.Verdict.Pass || len(n.Curve) == 0 || n.Curve[len(n.Curve)-1].Loss > n.Curve[0].Loss/2 || len(n.Log) == 0 {
		t.Errorf("verdict %+v, curve %v", n.Verdict, n.Curve)
	}
	if got := n.Selected; got.New+got.HeldOut != 72 || got.HeldOut < 6 || got.Rehearsal != 3 || got.Anchors != 3 {
		t.Errorf("selection %+v", got)
	}
	if ids := s.Memory(); len(ids) != n.Selected.New {
		t.Errorf("%d examples are remembered, %d were learned", len(ids), n.Selected.New)
	}
	m, err := s.Registry.Version(champion.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if m.Night != n.ID || m.Parent != "" || m.BaseDigest == "" || m.TokenizerHash == "" || !strings.HasPrefix(m.DataDigest, "sha256:") || len(m.SelfTest) != 2 ||
		m.Examples != n.Selected.New+3 || m.Figures["heldout_candidate_nll"] >= m.Figures["heldout_champion_nll"] {
		t.Errorf("manifest %+v", m)
	}
	var done history.Completion
	if _, err := ns.history.Read(n.ID, history.CursorFile, &done); err != nil || !slices.Equal(trimmed.through, []replaystore.Cursor{done.Cursor}) || trimmed.keep != 1_000_000 {
		t.Errorf("the store was asked to drop what is before %q and more than %d, want %q (%v)", trimmed.through, trimmed.keep, done.Cursor, err)
	}
	if !slices.ContainsFunc(n.Log, func(l nightrecord.Line) bool { return strings.Contains(l.Message, "dropped the oldest 3 events") }) {
		t.Errorf("the night's log does not say what was dropped: %v", n.Log)
	}
	// The next night goes on where this one ended.
	again := s.run(ns, Request{By: "cli"}, nightrecord.Skipped)
	if again.Selected.New != 0 || !strings.Contains(again.Reason, "no new examples") {
		t.Errorf("the next night: %s, %+v", again.Reason, again.Selected)
	}

	replayed, err := ns.Replay(t.Context(), n.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !replayed.Same || replayed.Digest != champion.Digest || replayed.Gone != 0 || replayed.Examples != 72 || replayed.Changed {
		t.Errorf("replay %+v", replayed)
	}
	s.replayElsewhere(n)
	s.forgetOne(ns, n, champion)
}

// forgetOne erases a person who was learned from, and replays the night without that person.
func (s *shop) forgetOne(ns *Nights, n nightrecord.Night, champion registry.Activation) {
	s.Helper()
	who := selection.Using(s.Selected(n.ID), selection.New)[0].Subject
	report, err := s.Store.Erase(s.Context(), who)
	if err != nil {
		s.Fatal(err)
	}
	traces, err := history.Erase(s.Registry, report)
	if err != nil {
		s.Fatal(err)
	}
	if !slices.Equal(traces.Nights, []string{n.ID}) || traces.Examples != 6 || len(traces.Versions) != 1 || traces.Versions[0].Digest != champion.Digest {
		s.Errorf("traces %+v", traces)
	}
	if data, err := s.Registry.ReadNight(n.ID, work.SelectionFile); err != nil || bytes.Contains(data, []byte(who)) {
		s.Errorf("the selection still holds the person: %v", err)
	}
	replayed, err := ns.Replay(s.Context(), n.ID, nil)
	if err != nil {
		s.Fatal(err)
	}
	if replayed.Same || !replayed.Changed || replayed.Gone != 6 || replayed.Examples != 72 {
		s.Errorf("replay after the erasure %+v", replayed)
	}
}

// TestShuffledAnswersAreRejected teaches a champion the prices, and then has a candidate learn the wrong ones.
func TestShuffledAnswersAreRejected(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	first := s.run(ns, Request{}, nightrecord.Published)
	s.Now = s.Now.Add(24 * time.Hour)
	s.Correct(20, 34)
	night := nightrecord.NewID(s.Now)
	var sound []byte // what the night had selected
	ns.deps.At = func(step string) {
		if step == "frozen" {
			sound, _ = s.Registry.ReadNight(night, work.SelectionFile)
			s.shuffle(night)
		}
	}
	n := s.run(ns, Request{Night: night}, nightrecord.Rejected)
	if n.Verdict.Pass || !strings.Contains(n.Reason, "gain") {
		t.Errorf("rejected because %s", n.Reason)
	}
	if c := s.Champion(); c.Digest != first.Candidate.Digest {
		t.Errorf("the champion is %s, want that of the first night", c.Champion())
	}
	if n.Candidate.Version == 0 {
		t.Error("the rejected candidate is not kept as a version")
	}
	if got := len(s.Memory()); got != first.Selected.New {
		t.Errorf("%d examples are remembered after the rejection, %d before", got, first.Selected.New)
	}
	ns.deps.At = func(string) {}
	if again := s.run(ns, Request{}, nightrecord.Skipped); again.Selected.New != 0 {
		t.Errorf("the rejected night's evidence is taken again: %+v", again.Selected)
	}
	if err := s.Registry.WriteNightFile(night, work.SelectionFile, sound); err != nil {
		t.Fatal(err)
	}
	s.reviewed(ns, first, n)
}

// shuffle gives every new example of a frozen selection the answer to another question.
func (s *shop) shuffle(night string) {
	s.Helper()
	items := s.Selected(night)
	for i := range items {
		if items[i].Use != selection.New {
			continue
		}
		for g := range nighttest.Goods {
			if items[i].Completion == nighttest.Answer(g) {
				items[i].Completion = nighttest.Answer((g + 1 + i%(len(nighttest.Goods)-1)) % len(nighttest.Goods))
				break
			}
		}
	}
	data, err := selection.EncodeItems(items)
	if err == nil {
		err = s.Registry.WriteNightFile(night, work.SelectionFile, data)
	}
	if err != nil {
		s.Fatal(err)
	}
}

func TestDryRunPublishesNothing(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	n := s.run(ns, Request{DryRun: true}, nightrecord.Skipped)
	if !n.DryRun || !n.Verdict.Pass || !strings.Contains(n.Reason, "passed the gate") || n.Candidate.Version != 0 {
		t.Errorf("dry run %+v", n)
	}
	if c := s.Champion(); c.Sequence != 0 {
		t.Errorf("champion %+v", c)
	}
	if refs, err := s.Registry.Versions(registry.Default); err != nil || len(refs) != 0 || len(s.Memory()) != 0 {
		t.Errorf("versions %v, %v; remembered %v", refs, err, s.Memory())
	}
	if wet := s.run(ns, Request{}, nightrecord.Published); wet.Candidate.Digest != n.Candidate.Digest {
		t.Error("the real night came to another candidate than the dry run")
	}
}

func TestWhatAPersonDidMeanwhileWins(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	ns.deps.At = func(step string) {
		if step == "put" {
			if _, err := s.Registry.Hold(t.Context(), registry.Default, "ann", "inventory"); err != nil {
				t.Error(err)
			}
		}
	}
	n := s.run(ns, Request{}, nightrecord.Rejected)
	if !strings.Contains(n.Reason, "held: ann") || s.Champion().Digest != "" {
		t.Errorf("rejected because %s, champion %+v", n.Reason, s.Champion())
	}
	ns.deps.At = func(string) {}
	if n := s.run(ns, Request{}, nightrecord.Skipped); n.Reason != "ann holds the track: inventory" {
		t.Errorf("skipped because %s", n.Reason)
	}
	if _, err := s.Registry.Release(t.Context(), registry.Default, "ann", ""); err != nil {
		t.Fatal(err)
	}
	ns.deps.At = func(step string) {
		if step == "put" {
			if _, err := s.Registry.Activate(t.Context(), registry.Default, registry.Activation{Previous: registry.Latest, Actor: "ann", Reason: "base is better"}); err != nil {
				t.Error(err)
			}
		}
	}
	if n := s.run(ns, Request{}, nightrecord.Rejected); !strings.Contains(n.Reason, "the track changed while the night ran: ann activated default@base") {
		t.Errorf("rejected because %s", n.Reason)
	}
	ns.deps.At = func(string) {}
	s.run(ns, Request{}, nightrecord.Published) // the evidence was not lost
}

// TestFactsChangeOverNights lets a price change on the second night: the first night's examples of it leave the memory, and
// the second night goes on from the first night's version.
func TestFactsChangeOverNights(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5 // three rehearsed sentences hold little
	s.config.Probes = s.probeFile(0, 1, 2)
	ns := s.nights()
	first := s.run(ns, Request{}, nightrecord.Published)
	if r := s.report(); len(r.Alarms) != 0 || len(r.Sets) != 3 || len(r.Rows) != 2 {
		t.Errorf("after the first night: %+v", r)
	}
	s.Now = s.Now.Add(24 * time.Hour)
	s.Teach(20, 34, 0, "fifty")
	second := s.run(ns, Request{}, nightrecord.Published)
	m, err := s.Registry.Version(second.Candidate.Digest)
	if err != nil || m.Parent != first.Candidate.Digest {
		t.Errorf("the second version's parent is %s, %v", m.Parent, err)
	}
	for _, it := range s.Selected(second.ID) {
		if it.Use == selection.Rehearsal && it.Completion == nighttest.Answer(0) {
			t.Errorf("the old price is rehearsed: %+v", it)
		}
	}
	r, err := s.Store.Rehearsal(t.Context(), registry.Default)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, m := range r.Items() {
		if m.Kind != replaystore.Preference {
			t.Errorf("a correction is remembered as %s", m.Kind)
		}
		count[m.Chosen]++
	}
	if count[nighttest.Answer(0)] != 0 || count["it costs fifty"] == 0 || count[nighttest.Answer(1)] == 0 {
		t.Errorf("remembered answers %v", count)
	}
	s.probed(ns, first, second)
	s.rolledBack(ns, second)
	if r := s.report(); len(r.Rows) != 4 || r.Rows[3].Name != r.Rows[1].Name || r.R[3][0] != r.R[1][0] || len(r.Sets) != 3 || len(r.Alarms) != 0 {
		t.Errorf("after the rollback: %+v", r)
	}
	s.unprobed(ns, first, second)
}

// rolledBack has a person roll the second night back: what it learned is not rehearsed any more, and nothing runs until
// the hold is released.
func (s *shop) rolledBack(ns *Nights, second nightrecord.Night) {
	s.Helper()
	if _, err := s.Registry.Rollback(s.Context(), registry.Default, "ann", "wrong price"); err != nil {
		s.Fatal(err)
	}
	s.run(ns, Request{}, nightrecord.Skipped)
	if _, err := s.Registry.Release(s.Context(), registry.Default, "ann", ""); err != nil {
		s.Fatal(err)
	}
	s.Now = s.Now.Add(24 * time.Hour)
	s.Teach(40, 54, 1, "a hundred")
	n, err := s.begin(s.Context(), ns, Request{DryRun: true})
	if err != nil {
		s.Fatal(err)
	}
	learned := map[string]bool{}
	for _, it := range selection.Using(s.Selected(second.ID), selection.New) {
		learned[it.ID] = true
	}
	for _, it := range s.Selected(n.ID) {
		if it.Use == selection.Rehearsal && learned[it.ID] {
			s.Errorf("what was rolled back is rehearsed: %+v", it)
		}
	}
	var f frozen
	if _, err := ns.history.Read(n.ID, history.ConfigFile, &f); err != nil || f.Reference != s.Champion().Digest {
		s.Errorf("the fixed reference is %q, want the version that a person went back to (%v)", f.Reference, err)
	}
}

// TestThaw reads back what a night decided on and was, also from a night that wrote its settings in other words; the file has the settings
// with the keys of the configuration, for people to read.
func TestThaw(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	write := func(id string, config any) *night {
		if err := errors.Join(s.Registry.CreateNight(id), ns.history.Write(id, history.ConfigFile, config), s.Registry.WriteNightFile(id, work.SelectionFile, nil)); err != nil {
			t.Fatal(err)
		}
		n := ns.night(Request{Night: id, Track: "warm-start"})
		if _, err := n.thaw(); err != nil {
			t.Fatal(err)
		}
		return n
	}
	frozen := ns.night(Request{Night: "new", Track: "default"})
	frozen.frozen.Reference, frozen.frozen.Judges = "abc", 2
	if n := write("new", frozen.config()); n.frozen.Reference != "abc" || n.frozen.Judges != 2 || n.makesWarmStart {
		t.Errorf("a new night is %+v", n.frozen)
	}
	old := map[string]any{"reference": "def", "tracks": []string{"alpha", "beta"},
		"settings": map[string]any{"train": map[string]any{"layers": []int{0}}, "warm_start": map[string]any{"track": "warm-start"}}}
	if n := write("old", old); n.frozen.Reference != "def" || !n.makesWarmStart {
		t.Errorf("an old night is %+v", n.frozen)
	}
	var written struct {
		Update struct {
			Deadline string
			Evidence map[string]any
			Train    map[string]any
		}
	}
	if _, err := ns.history.Read("new", history.ConfigFile, &written); err != nil || written.Update.Deadline != "2h" || written.Update.Evidence["min_new_examples"] != 10.0 || written.Update.Train["row_tokens"] != 512.0 {
		t.Errorf("written are %+v, %v", written, err)
	}
}

func TestReplayNeedsACandidate(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	if _, err := ns.Replay(t.Context(), "20260101-000000-0000", nil); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestNightWaitsForServersThatAreBehind(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.Send(replaystore.ShippedMark{Server: "web-1", Through: time.Now()})
	s.Send(replaystore.ShippedMark{Server: "gone", Through: time.Now()})
	s.Send(replaystore.ShippedMark{Server: "gone", Leaving: true})
	ns := s.nights()
	waited := ""
	ns.deps.Progress = func(n nightrecord.Night) {
		if n.State == nightrecord.Waiting && n.Reason != "" {
			waited = n.Reason
			s.Send(replaystore.ShippedMark{Server: "web-1", Night: n.ID, Through: time.Now()})
		}
	}
	s.run(ns, Request{}, nightrecord.Skipped)
	if waited != "for the journals of web-1" {
		t.Errorf("waited %q", waited)
	}
	ns = s.nights()
	ns.cfg.ShipWait = time.Millisecond
	n := s.run(ns, Request{}, nightrecord.Skipped)
	said := ""
	for _, l := range n.Log {
		said += l.Message + "\n"
	}
	if !strings.Contains(said, "went on without what these servers have not shipped: web-1") {
		t.Errorf("log:\n%s", said)
	}
}

func TestSkippedNightsSayWhy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, anchorFile), []byte(`{"messages":[{"role":"prompt","content":"a"}],"completion":"b"}`+"\n\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		people     int
		change     func(s *Settings)
	}{
		{"few examples", " of 60 examples", 6, func(s *Settings) { s.Evidence.MinExamples = 60 }},
		{"few people", " of 19 people", 6, func(s *Settings) { s.Evidence.MinSubjects = 19 }},
		{"one loud person", " % of the examples, at most 5 %", 6, func(s *Settings) { s.Evidence.MaxSubjectShare = 0.05 }},
		{"too few held out", " of 21 held-out corrections, in fewer of which the gate can see no gain", 6, func(s *Settings) { s.Gate.SignTest = 1e-6 }},
		{"no anchors", "there is no anchor example", 12, func(s *Settings) { s.Anchors = filepath.Join(dir, "missing.jsonl") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, dir)
			s.Correct(0, c.people)
			c.change(&s.config.Settings)
			ns := s.nights()
			n := s.run(ns, Request{}, nightrecord.Skipped)
			if !strings.Contains(n.Reason, c.want) {
				t.Errorf("skipped because %q, want %q; %+v", n.Reason, c.want, n.Selected)
			}
			if _, found, err := ns.history.Record(n.ID); !found || err != nil {
				t.Errorf("record %v %v", found, err)
			}
			if p, err := ns.history.Past("default", ""); err != nil || p.Cursor != "" {
				t.Errorf("a skipped night moved the cursor to %q, %v", p.Cursor, err)
			}
		})
	}
}

func TestApprovedVersion(t *testing.T) {
	machine := func(digest string) registry.Activation {
		return registry.Activation{Digest: digest, Actor: registry.Updater}
	}
	person := func(digest string, held bool) registry.Activation {
		return registry.Activation{Digest: digest, Actor: "ann", Held: held}
	}
	for i, c := range []struct {
		list []registry.Activation
		want string
	}{
		{nil, ""}, {[]registry.Activation{machine("a"), machine("b")}, ""}, {[]registry.Activation{machine("a"), person("b", false), machine("c")}, "b"},
		{[]registry.Activation{machine("a"), person("a", true), person("a", false), machine("c")}, ""},                // held and released
		{[]registry.Activation{machine("a"), person("a", false), machine("c")}, "a"},                                  // confirmed
		{[]registry.Activation{person("a", false), machine("b"), person("", true), person("", false)}, ""},            // back to the base model
		{[]registry.Activation{machine("a"), machine("b"), person("a", true), person("a", false), machine("d")}, "a"}, // rolled back
	} {
		if got := approved(c.list); got != c.want {
			t.Errorf("case %d: %q, want %q", i, got, c.want)
		}
	}
}

// TestTaintedReferenceGivesWay: what a person approved is the reference, until it leaves service because somebody was erased.
func TestTaintedReferenceGivesWay(t *testing.T) {
	s := newShop(t, "model")
	ns := s.nights()
	one := s.Learned(registry.Default, "night1", "ann", 1, "")
	two := s.Learned(registry.Default, "night2", "bob", 2, one.Digest)
	s.Activate(registry.Updater, one, registry.Ref{})
	s.Activate("eve", two, registry.Ref{})
	n := ns.night(Request{Track: registry.Default})
	if _, reference, err := n.base(); err != nil || reference != two.Digest {
		t.Errorf("reference %q, %v; want what a person approved", reference, err)
	}
	if _, err := s.Registry.Hold(t.Context(), registry.Default, "eve", "inventory"); err != nil {
		t.Fatal(err)
	}
	s.Erase("bob")
	s.Now = s.Now.Add(time.Hour)
	if _, err := s.Registry.Release(t.Context(), registry.Default, "eve", ""); err != nil {
		t.Fatal(err)
	}
	_, withdrawal, err := ns.history.Withdrawal(registry.Default, s.Now)
	if err == nil {
		_, err = s.Registry.Activate(t.Context(), registry.Default, withdrawal)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, reference, err := n.base(); err != nil || reference != one.Digest {
		t.Errorf("reference %q, %v; want the last clean version before what a person approved", reference, err)
	}
}
