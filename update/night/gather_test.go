package night

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/nighttest"
)

// approve stores feedback on an interaction, which need not be there.
func (s *shop) approve(interaction string, at time.Time) {
	s.Helper()
	yes := 1.0
	fb := replaystore.Feedback{ID: "f", Interaction: interaction, Track: registry.Default, Time: at, Rating: &yes}
	if err := s.Store.Append(s.Context(), replaystore.Event{Feedback: &fb}); err != nil {
		s.Fatal(err)
	}
}

// interact stores an interaction.
func (s *shop) interact(id string, at time.Time) {
	s.Helper()
	in := replaystore.Interaction{ID: id, Track: registry.Default, Time: at, Messages: nighttest.Raw("q"), Answer: "a"}
	if err := s.Store.Append(s.Context(), replaystore.Event{Interaction: &in}); err != nil {
		s.Fatal(err)
	}
}

// gatherAt gathers at a time with a minimum age of an hour, and returns the feedback that was taken as "interaction minutes",
// minutes being its age, with ? where the interaction is not known.
func (s *shop) gatherAt(ns *Nights, after replaystore.Cursor, now time.Time) (string, gathered) {
	s.Helper()
	g, err := ns.gather(s.Context(), registry.Default, after, now, time.Hour)
	if err != nil {
		s.Fatal(err)
	}
	known := map[string]bool{}
	var list []string
	for _, e := range g.events {
		if e.Interaction != nil {
			known[e.Interaction.ID] = true
			continue
		}
		text := e.Feedback.Interaction + " " + now.Sub(e.Feedback.Time).String()
		if !known[e.Feedback.Interaction] {
			text += "?"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", "), g
}

// TestFeedbackWaitsForItsInteraction: a server that is down may still hold the interaction in its journal.
func TestFeedbackWaitsForItsInteraction(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	given := s.Now.Add(-2 * time.Hour)
	s.interact("first", given)
	s.approve("first", given)
	s.approve("late", given)
	s.interact("next", given)
	s.approve("next", given)
	got, g := s.gatherAt(ns, "", s.Now)
	if got != "first 2h0m0s" || g.waiting != 2 || g.absent != "late" {
		t.Errorf("took %q, %d wait for %q", got, g.waiting, g.absent)
	}
	if again, h := s.gatherAt(ns, g.cursor, given.Add(Grace-time.Second)); again != "" || h.cursor != g.cursor {
		t.Errorf("before the grace period is over %q was taken", again)
	}
	if over, h := s.gatherAt(ns, g.cursor, given.Add(Grace)); over != "late 24h0m0s?, next 24h0m0s" || h.waiting != 0 || h.absent != "" {
		t.Errorf("after it %q was taken, %d wait", over, h.waiting)
	}
	s.interact("late", given) // the server is back
	if came, h := s.gatherAt(ns, g.cursor, s.Now); came != "late 2h0m0s, next 2h0m0s" || h.waiting != 0 {
		t.Errorf("once it was there %q was taken, %d wait", came, h.waiting)
	}
}

// TestClockAhead: feedback that claims to come from the future is as old as what was stored after it, and keeps nothing
// waiting.
func TestClockAhead(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	future, given := s.Now.AddDate(1, 0, 0), s.Now.Add(-2*time.Hour)
	for _, id := range []string{"ahead", "sound", "young", "newest", "last"} {
		s.interact(id, given)
	}
	s.approve("ahead", future)
	s.approve("missing", future)
	s.approve("sound", given)
	s.approve("last", future)
	got, g := s.gatherAt(ns, "", s.Now)
	if got != "ahead 2h0m0s" || g.waiting != 3 || g.absent != "missing" || g.ahead != 3 {
		t.Errorf("took %q, %d wait for %q, %d are ahead", got, g.waiting, g.absent, g.ahead)
	}
	now := given.Add(Grace)
	got, g = s.gatherAt(ns, g.cursor, now)
	if got != "missing 24h0m0s?, sound 24h0m0s" || g.waiting != 1 || g.absent != "" {
		t.Errorf("took %q, %d wait for %q", got, g.waiting, g.absent)
	}
	s.approve("young", now.Add(-time.Minute))
	if again, h := s.gatherAt(ns, g.cursor, now); again != "" || h.waiting != 2 || h.cursor != g.cursor {
		t.Errorf("took %q, %d wait", again, h.waiting)
	}
	if again, h := s.gatherAt(ns, g.cursor, now.Add(time.Hour)); again != "last 1h1m0s, young 1h1m0s" || h.waiting != 0 {
		t.Errorf("took %q, %d wait", again, h.waiting)
	}
}

// TestWaitingIsExplained: a night that leaves feedback for what is not there says so.
func TestWaitingIsExplained(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.approve("late", s.Now.Add(-2*time.Hour))
	s.approve("later", s.Now.Add(time.Hour))
	n := s.run(s.nights(), Request{}, nightrecord.Skipped)
	said := ""
	for _, l := range n.Log {
		said += l.Message + "\n"
	}
	if n.Selected.Waiting != 2 || !strings.Contains(said, "2 pieces of feedback wait: the first is about interaction late,") || !strings.Contains(said, "1 pieces of feedback were given later") {
		t.Errorf("waiting %d, log:\n%s", n.Selected.Waiting, said)
	}
}

// TestYoungFeedbackIsLeftForTheNextNight puts young feedback in the middle of more events than one page: the cursor stops
// right before it, and the next night begins with it.
func TestYoungFeedbackIsLeftForTheNextNight(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	const before, after = 300, 320
	var events []replaystore.Event
	yes := 1.0
	for i := range before + after {
		at := s.Now.Add(-2 * time.Hour)
		if i == before {
			at = s.Now.Add(-time.Minute)
		}
		in := replaystore.Interaction{ID: fmt.Sprintf("i%04d", i), Track: "default", Time: at, Messages: nighttest.Raw("q"), Answer: "a"}
		fb := replaystore.Feedback{ID: "f", Interaction: in.ID, Track: "default", Time: at, Rating: &yes}
		events = append(events, replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &fb})
	}
	if err := s.Store.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	first, err := ns.gather(t.Context(), "default", "", s.Now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.events) != 2*before || first.waiting != after {
		t.Errorf("the first night takes %d events and leaves %d", len(first.events), first.waiting)
	}
	second, err := ns.gather(t.Context(), "default", first.cursor, s.Now.Add(2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.events) != 2*after || second.waiting != 0 || second.events[0].Interaction == nil || second.events[0].Interaction.ID != "i0300" {
		t.Errorf("the second night takes %d events, first %+v, and leaves %d", len(second.events), second.events[0], second.waiting)
	}
	third, err := ns.gather(t.Context(), "default", second.cursor, s.Now.Add(2*time.Hour), time.Hour)
	if err != nil || len(third.events) != 0 || third.cursor != second.cursor {
		t.Errorf("the third night takes %d events, %v", len(third.events), err)
	}
}

func TestFeedbackOnAnOlderInteraction(t *testing.T) {
	s := newShop(t, t.TempDir())
	ns := s.nights()
	in := s.Feedback(1, "x", "y", "z")
	first, err := ns.gather(t.Context(), "default", "", s.Now, 0)
	if err != nil {
		t.Fatal(err)
	}
	no := -1.0
	if err := s.Store.Append(t.Context(), replaystore.Event{Feedback: &replaystore.Feedback{ID: "late", Interaction: in.ID, Track: "default", Time: s.Now, Subject: "q", Rating: &no}}); err != nil {
		t.Fatal(err)
	}
	second, err := ns.gather(t.Context(), "default", first.cursor, s.Now, 0)
	if err != nil || len(second.events) != 2 || second.events[0].Interaction == nil || !second.negative[in.ID] {
		t.Errorf("gathered %+v, %v", second, err)
	}
}
