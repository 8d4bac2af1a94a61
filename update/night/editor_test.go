package night

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// anchored is a directory with one anchor and nothing else of a model: enough for a night that decides and does not train.
func anchored(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, anchorFile), []byte(`{"messages":[{"role":"prompt","content":"a"}],"completion":"b"}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// correction stores an interaction and a correction of it of some age.
func (s *shop) correction(id string, good int, text string, age time.Duration, editor bool) replaystore.Feedback {
	s.Helper()
	at := s.Now.Add(-age)
	in := replaystore.Interaction{ID: id, Track: registry.Default, Time: at, Subject: "asks-" + id, Messages: nighttest.Raw(nighttest.Question(0, good)), Answer: "no idea"}
	f := replaystore.Feedback{ID: "f-" + id, Interaction: id, Track: registry.Default, Time: at, Subject: "says-" + id, Correction: &text, Editor: editor}
	if err := s.Store.Append(s.Context(), replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &f}); err != nil {
		s.Fatal(err)
	}
	return f
}

// TestEditorsAreNotKeptWaiting: what an editor says is taken at once, also behind what waits, and not once more when that is taken.
func TestEditorsAreNotKeptWaiting(t *testing.T) {
	s := newShop(t, anchored(t))
	ns := s.nights()
	s.correction("young", 0, nighttest.Answer(0), time.Minute, false)
	edited := s.correction("edited", 1, nighttest.Answer(1), 0, true)
	s.correction("ahead", 2, nighttest.Answer(2), -time.Hour, false)
	s.correction("fast-clock", 3, nighttest.Answer(3), -time.Hour, true)
	g, err := ns.gather(t.Context(), registry.Default, "", s.Now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var taken []string
	for _, e := range g.events {
		if f := e.Feedback; f != nil {
			taken = append(taken, f.Interaction)
			if f.Time.After(s.Now) {
				t.Errorf("%s has a time after now", f.Interaction)
			}
		}
	}
	if !slices.Equal(taken, []string{"edited", "fast-clock"}) || g.waiting != 2 || len(g.beyond) != 2 || g.beyond[0] != (replaystore.Event{Feedback: &edited}).Key() {
		t.Errorf("takes %v, beyond the cursor %v, %d wait", taken, g.beyond, g.waiting)
	}
	if !g.usable.Equal(s.Now.Add(59 * time.Minute)) {
		t.Errorf("the oldest that waits can be used at %s", g.usable)
	}
	s.Now = s.Now.Add(3 * time.Hour)
	later, err := ns.gather(t.Context(), registry.Default, g.cursor, s.Now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, key := range g.beyond {
		used[key] = true
	}
	sel, err := selection.CandidatesOf(later.events, selection.Options{Now: s.Now, MinAge: time.Hour, Correction: 1, Used: used}).Select(nil)
	if err != nil || len(sel.Items) != 2 || sel.Items[0].Editor || sel.Items[1].Editor || len(later.beyond) != 0 {
		t.Errorf("the next night learns %+v, %v", sel.Items, err)
	}
}

// decided is what a night decides.
func (s *shop) decided(ns *Nights) decision {
	s.Helper()
	n := ns.night(Request{Track: registry.Default})
	n.frozen.Time = s.Now
	d, err := n.decide(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// TestNothingRidesAlongWithAnEditor: what others say and is not enough for a night waits, and retires nothing.
func TestNothingRidesAlongWithAnEditor(t *testing.T) {
	s := newShop(t, anchored(t))
	s.correction("other", 0, nighttest.Answer(0), 3*time.Hour, false)
	s.correction("edited", 1, nighttest.Answer(1), 0, true)
	if err := s.Store.Admit(t.Context(), registry.Default, replaystore.MemoryItem{Weight: 1, Example: replaystore.Example{ID: "old", Kind: replaystore.SFT,
		Prompt: nighttest.Raw(nighttest.Question(0, 0)), Completion: "it costs nothing", Interaction: "old", Subject: "x", Time: s.Now.Add(-100 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	d := s.decided(s.nights())
	c := d.chosen
	if fresh := selection.Using(c.items, selection.New); len(fresh) != 1 || fresh[0].ID != "edited" || fresh[0].Author != "says-edited" || fresh[0].Subject != "asks-edited" {
		t.Errorf("learns %+v", fresh)
	}
	if len(c.quarantined) != 1 || c.quarantined[0].ID != "other" || c.quarantined[0].Fed != 1 || len(c.retire) != 0 || c.counts.Editors != 1 || c.counts.Subjects != 0 || c.editors() != history.EditorsAlone {
		t.Errorf("waits: %+v; retires %v; %+v", c.quarantined, c.retire, c.counts)
	}
	if err := d.enough(); err != nil {
		t.Errorf("it is skipped: %v", err)
	}
	n := night{frozen: frozen{Time: s.Now}}
	if ev := n.evidenceOf(c.items); ev.Editors != 1 || ev.Examples != 0 {
		t.Errorf("evidence %+v", ev)
	}
}

// TestEditorsComeBack: what editors said in a night that was rejected with what others said is taken up again, once; what others said
// there, and what editors said by themselves, is not.
func TestEditorsComeBack(t *testing.T) {
	s := newShop(t, anchored(t))
	ns := s.nights()
	items := []selection.Item{{Example: replaystore.Example{ID: "e", Interaction: "e", Kind: replaystore.SFT, Editor: true}, Use: selection.New},
		{Example: replaystore.Example{ID: "o", Interaction: "o", Kind: replaystore.SFT}, Use: selection.New}}
	data, err := selection.EncodeItems(items)
	if err != nil {
		t.Fatal(err)
	}
	night := func(id string, done history.Completion) {
		t.Helper()
		done.Track, done.Digest, done.Completed = registry.Default, "sha256:"+id, s.Now
		s.Now = s.Now.Add(time.Hour)
		err := s.Registry.CreateNight(id)
		if err == nil {
			err = s.Registry.WriteNightFile(id, work.SelectionFile, data)
		}
		if err == nil {
			err = ns.history.Write(id, history.CursorFile, done)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again := func() string {
		t.Helper()
		p, err := ns.history.Past(registry.Default, "")
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, it := range p.Again {
			ids = append(ids, it.ID)
		}
		if p.Refused != "" {
			ids = append(ids, "refused:"+p.Refused)
		}
		return strings.Join(append(ids, p.Taken()...), " ")
	}
	night("20260301-000000-alone", history.Completion{Editors: history.EditorsAlone})
	if got := again(); got != "refused:20260301-000000-alone" {
		t.Errorf("after a night of editors alone: %q", got)
	}
	night("20260301-000001-mixed", history.Completion{Editors: history.EditorsAlso})
	if got := again(); got != "e 20260301-000001-mixed" {
		t.Errorf("after a mixed night: %q", got)
	}
	night("20260301-000002-again", history.Completion{Editors: history.EditorsAlone, Reviewed: []string{"20260301-000001-mixed"}})
	if got := again(); got != "refused:20260301-000002-again" {
		t.Errorf("after the night that took it up again: %q", got)
	}
	if p, err := ns.Plan(t.Context(), registry.Default); err != nil || !strings.Contains(strings.Join(append(p.Sentences, p.Help...), "\n"), "night review 20260301-000002-again") {
		t.Errorf("the plan says nothing of the night that was rejected: %+v, %v", p, err)
	}
	if n, err := ns.history.Judged(registry.Default, "", time.Time{}); err != nil || n != 1 {
		t.Errorf("%d nights were judged by chance, want the mixed one (%v)", n, err)
	}
}

// TestPlan: what the next night waits for, in words, and that looking at it changes nothing.
func TestPlan(t *testing.T) {
	s := newShop(t, anchored(t))
	ns := s.nights()
	at := func(what string, says ...string) nightrecord.Plan {
		t.Helper()
		ns.plans.keep(registry.Default, planned{})
		p, err := ns.Plan(t.Context(), registry.Default)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(append(slices.Clone(p.Sentences), p.Help...), "\n")
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: want %q in\n%s", what, want, text)
			}
		}
		return p
	}
	at("nothing", "nothing new to learn", "waits for 10 examples from 3 people")
	s.correction("a", 0, nighttest.Answer(0), 3*time.Hour, false)
	s.correction("b", 1, nighttest.Answer(1), 20*time.Minute, false)
	at("some", "The next night waits for more: 1 of 10 examples, 1 of 3 people", "1 piece of feedback waits for the minimum age of 60 minutes; the oldest can be used in 40 minutes", "editor needs none of this", "Send `user`")
	s.correction("c", 2, nighttest.Answer(2), time.Minute, true)
	if p := at("an editor", "The next night learns an answer that an editor corrected.", "What others say waits until there is more of it: 1 of 10 examples"); !p.Ready || p.Editors != 1 || p.New != 1 || p.Unconfirmed != 0 || p.TooYoung != 1 {
		t.Errorf("an editor: %+v", p)
	}
	if nights, err := s.Registry.ListNights(); err != nil || len(nights) != 0 {
		t.Errorf("looking made nights: %v %v", nights, err)
	}
	s.Now = s.Now.Add(4 * time.Hour)
	s.Correct(0, 6)
	if p := at("enough", "What people say is enough"); !p.Ready || p.HeldOut < 6 || !p.Needs[0].Met {
		t.Errorf("enough: %+v", p)
	}
	if _, err := s.Registry.Hold(t.Context(), registry.Default, "ann", "wrong tone"); err != nil {
		t.Fatal(err)
	}
	at("held", "No night learns now: ann holds the track: wrong tone.", "adapter release default")
}

// TestPlanIsKept: a plan is made anew when something was said, and shown again where nothing was.
func TestPlanIsKept(t *testing.T) {
	s := newShop(t, anchored(t))
	ns := s.nights()
	if _, err := ns.Plan(t.Context(), registry.Default); err != nil {
		t.Fatal(err)
	}
	kept := ns.plans.of(registry.Default)
	kept.plan.Sentences, kept.took = []string{"kept"}, time.Hour
	kept.made = time.Now().Add(-5 * time.Hour)
	ns.plans.keep(registry.Default, kept)
	if p, err := ns.Plan(t.Context(), registry.Default); err != nil || p.Sentences[0] != "kept" {
		t.Errorf("made anew though nothing was said: %+v %v", p, err)
	}
	s.correction("a", 0, nighttest.Answer(0), 3*time.Hour, false)
	if p, err := ns.Plan(t.Context(), registry.Default); err != nil || p.Sentences[0] == "kept" {
		t.Errorf("kept though something was said: %+v %v", p, err)
	}
}

// TestEditorsNight: one correction of an editor, of this minute, is a night's work.
func TestEditorsNight(t *testing.T) {
	s := newShop(t, nighttest.Model(t))
	s.config.Gate.Repetition = 1 // of the three answers of a random model
	ns := s.nights()
	s.correction("other", 0, "it costs a kiss", 3*time.Hour, false)
	s.correction("young", 3, nighttest.Answer(3), time.Minute, false)
	s.correction("edited", 1, nighttest.Answer(1), 0, true)
	n := s.run(ns, Request{}, nightrecord.Published)
	if sel := n.Selected; sel.New != 1 || sel.Editors != 1 || sel.Subjects != 0 || sel.HeldOut != 0 || sel.Quarantined != 1 || sel.Waiting != 1 {
		t.Errorf("selected %+v", sel)
	}
	if c := n.Verdict.Checks[0]; c.Name != "gain" || !strings.Contains(c.Detail, "measured on what was learned") {
		t.Errorf("gain: %+v", c)
	}
	memory, err := s.Store.Rehearsal(t.Context(), registry.Default)
	if err != nil || len(memory.Items()) != 1 || !memory.Items()[0].Editor {
		t.Errorf("the memory has %+v, %v", memory.Items(), err)
	}
	s.Now = s.Now.Add(24 * time.Hour)
	n = s.run(ns, Request{}, nightrecord.Skipped)
	if !strings.Contains(n.Reason, "2 of 10 examples") {
		t.Errorf("the next night: %s; %+v", n.Reason, n.Selected)
	}
}

// TestForgettingAnEditor takes out of a night's files what they said of another person's answer.
func TestForgettingAnEditor(t *testing.T) {
	report := replaystore.EraseReport{Erasure: replaystore.Erasure{Subject: "says-edited", Time: time.Now()}}
	s := newShop(t, anchored(t))
	s.correction("edited", 1, nighttest.Answer(1), 0, true)
	it := selection.Using(s.decided(s.nights()).chosen.items, selection.New)[0]
	if it.Subject == report.Erasure.Subject || !history.Erased(it, report) {
		t.Errorf("an example by %s of %s is kept when the first is erased", it.Author, it.Subject)
	}
	report.Erasure.Subject = "asks-edited"
	if !history.Erased(it, report) {
		t.Error("it is kept when the person whose question it was is erased")
	}
	report.Erasure.Subject = "somebody"
	if history.Erased(it, report) {
		t.Error("it is erased with somebody else")
	}
}
