package selection

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/replaystore"
)

// chat is one interaction of a person at a minute of the evening.
func chat(id, person, question, answer string, minute int) replaystore.Event {
	return replaystore.Event{Interaction: &replaystore.Interaction{ID: id, Track: "default", Time: evening.Add(time.Duration(minute) * time.Minute), Subject: person,
		Messages: []replaystore.Message{{Role: "user", Content: question}}, Answer: answer}}
}

// says is feedback on an interaction; correction "" is none.
func says(interaction, person string, rating float64, correction string, minute int) replaystore.Event {
	f := &replaystore.Feedback{ID: fmt.Sprintf("f-%s-%d", interaction, minute), Interaction: interaction, Track: "default", Subject: person,
		Time: evening.Add(time.Duration(minute) * time.Minute)}
	if rating != 0 {
		f.Rating = &rating
	}
	if correction != "" {
		f.Correction = &correction
	}
	return replaystore.Event{Feedback: f}
}

// selected is the selection of events that needs no model.
func selected(t *testing.T, events []replaystore.Event, opt Options) Selection {
	t.Helper()
	s, err := CandidatesOf(events, opt).Select(nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// later is an evening with nothing held out.
func later() Options { return Options{Now: evening.Add(24 * time.Hour), Correction: 2, Approval: 0.5} }

func TestSelect(t *testing.T) {
	ask := chat("i", "p", "how long", "30 days", 0)
	redacted := chat("i", "p", "how long", "30 days", 0)
	redacted.Interaction.Redacted = []replaystore.Span{{Field: "answer", End: 2, Rule: "phone"}}
	redactedCorrection := says("i", "p", 0, "45 days", 1)
	redactedCorrection.Feedback.Redacted = []replaystore.Span{{Field: "correction", End: 2, Rule: "phone"}}
	comment := says("i", "p", 0, "", 1)
	comment.Feedback.Comment = "hm"
	blank := says("i", "p", 0, " ", 1)
	spaced := chat("i", "p", "how long", " 30 days", 0)
	cut := chat("i", "p", "how long", "30 da", 0)
	cut.Interaction.Finish = "length"
	cancelled, whole := chat("i", "p", "how long", "30 da", 0), chat("i", "p", "how long", "30 days", 0)
	cancelled.Interaction.Finish, whole.Interaction.Finish = "cancelled", "stop"
	for _, c := range []struct {
		name       string
		events     []replaystore.Event
		completion string // "" for none
		rejected   string
		weight     float64
		why        string
	}{
		{"no feedback", []replaystore.Event{ask}, "", "", 0, ""},
		{"thumbs up", []replaystore.Event{ask, says("i", "p", 1, "", 1)}, "30 days", "", 0.5, ""},
		{"thumbs down", []replaystore.Event{ask, says("i", "p", -1, "", 1)}, "", "", 0, "not positive"},
		{"neither", []replaystore.Event{ask, comment}, "", "", 0, "comment alone"},
		{"correction", []replaystore.Event{ask, says("i", "p", 0, " 45 days ", 1)}, "45 days", "30 days", 2, ""},
		{"thumbs down with a correction", []replaystore.Event{ask, says("i", "p", -1, "45 days", 1)}, "45 days", "30 days", 2, ""},
		{"correction that changes nothing", []replaystore.Event{ask, says("i", "p", 0, "30 days", 1)}, "30 days", "", 0.5, ""},
		{"empty correction", []replaystore.Event{ask, blank}, "", "", 0, "empty"},
		{"up, then down", []replaystore.Event{ask, says("i", "p", 1, "", 1), says("i", "p", -1, "", 2)}, "", "", 0, "not positive"},
		{"down, then up", []replaystore.Event{ask, says("i", "p", -1, "", 1), says("i", "p", 1, "", 2)}, "30 days", "", 0.5, ""},
		{"two corrections", []replaystore.Event{ask, says("i", "p", 0, "40 days", 1), says("i", "p", 0, "45 days", 2)}, "45 days", "30 days", 2, ""},
		{"two corrections, the older one read last", []replaystore.Event{ask, says("i", "p", 0, "45 days", 2), says("i", "p", 0, "40 days", 1)}, "45 days", "30 days", 2, ""},
		{"correction, then down", []replaystore.Event{ask, says("i", "p", 0, "45 days", 1), says("i", "p", -1, "", 2)}, "45 days", "30 days", 2, ""},
		{"correction, then up", []replaystore.Event{ask, says("i", "p", 0, "45 days", 1), says("i", "p", 1, "", 2)}, "45 days", "30 days", 2, ""},
		{"up, then a comment", []replaystore.Event{ask, says("i", "p", 1, "", 1), {Feedback: &replaystore.Feedback{ID: "x", Interaction: "i", Time: evening.Add(time.Hour), Comment: "!"}}}, "30 days", "", 0.5, ""},
		{"redacted interaction", []replaystore.Event{redacted, says("i", "p", 0, "45 days", 1)}, "", "", 0, "interaction was redacted"},
		{"redacted correction", []replaystore.Event{ask, redactedCorrection}, "", "", 0, "correction was redacted"},
		{"approved silence", []replaystore.Event{chat("i", "p", "how long", " ", 0), says("i", "p", 1, "", 1)}, "", "", 0, "approved answer is empty"},
		{"correction of an answer that begins with a space", []replaystore.Event{spaced, says("i", "p", 0, "45 days", 1)}, " 45 days", " 30 days", 2, ""},
		{"the same words without the space", []replaystore.Event{spaced, says("i", "p", 0, "30 days", 1)}, " 30 days", "", 0.5, ""},
		{"approved answer that was cut off", []replaystore.Event{cut, says("i", "p", 1, "", 1)}, "", "", 0, "cut off"},
		{"approved answer that the reader left", []replaystore.Event{cancelled, says("i", "p", 1, "", 1)}, "", "", 0, "cut off"},
		{"approved answer that ended", []replaystore.Event{whole, says("i", "p", 1, "", 1)}, "30 days", "", 0.5, ""},
		{"correction that repeats what was cut off", []replaystore.Event{cut, says("i", "p", 0, "30 da", 1)}, "", "", 0, "cut off"},
		{"correction of an answer that was cut off", []replaystore.Event{cut, says("i", "p", 0, "45 days", 1)}, "45 days", "30 da", 2, ""},
		{"unknown interaction", []replaystore.Event{says("i", "p", 1, "", 1)}, "", "", 0, "not in the store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := selected(t, c.events, later())
			if c.completion == "" {
				if len(s.Items) != 0 {
					t.Fatalf("selected %+v", s.Items)
				}
				if c.why == "" && len(s.Rejected) == 0 {
					return
				}
				if len(s.Rejected) != 1 || s.Rejected[0].ID != "i" || !strings.Contains(s.Rejected[0].Why, c.why) {
					t.Errorf("rejected %v, want one that says %q", s.Rejected, c.why)
				}
				return
			}
			if len(s.Items) != 1 || len(s.Rejected) != 0 {
				t.Fatalf("selected %+v, rejected %v", s.Items, s.Rejected)
			}
			it := s.Items[0]
			if it.Completion != c.completion || it.Rejected != c.rejected || it.Weight != c.weight || it.Use != New || it.Subject != "p" || it.Interaction != "i" || it.Kind != replaystore.SFT {
				t.Errorf("selected %+v", it)
			}
		})
	}
}

// TestWeightOfZeroLearnsNothing: a weight of 0 turns a kind of evidence off.
// A prompt with special tokens, which its text leaves out, is learned by its tokens.
func TestPromptsWithSpecialTokens(t *testing.T) {
	for _, special := range []bool{false, true} {
		ask := chat("i", "p", "how long", "30 days", 0)
		ask.Interaction.SpecialPrompt, ask.Interaction.PromptTokens = special, []int32{7, 8}
		s := selected(t, []replaystore.Event{ask, says("i", "p", 0, "45 days", 1)}, later())
		if len(s.Items) != 1 || special != slices.Equal(s.Items[0].PromptTokens, []int32{7, 8}) {
			t.Errorf("special %t: %+v", special, s.Items)
		}
	}
}

func TestWeightOfZeroLearnsNothing(t *testing.T) {
	events := []replaystore.Event{chat("a", "p", "how long", "30 days", 0), says("a", "p", 1, "", 1), chat("b", "p", "how much", "5 dollars", 0), says("b", "p", 0, "6 dollars", 1)}
	for _, c := range []struct {
		correction, approval float64
		id                   string
	}{{1, 0, "b"}, {0, 1, "a"}} {
		s := selected(t, events, Options{Now: evening.Add(24 * time.Hour), Correction: c.correction, Approval: c.approval})
		if len(s.Items) != 1 || s.Items[0].ID != c.id || s.Items[0].Weight != 1 || len(s.Rejected) != 1 || !strings.Contains(s.Rejected[0].Why, " is 0") {
			t.Errorf("corrections %g, approvals %g: selected %+v, rejected %v", c.correction, c.approval, s.Items, s.Rejected)
		}
	}
}

func TestYoungFeedbackWaits(t *testing.T) {
	opt := later()
	opt.Now, opt.MinAge = evening.Add(90*time.Minute), time.Hour
	s := selected(t, []replaystore.Event{chat("a", "p", "x", "y", 0), says("a", "p", 1, "", 10), chat("b", "q", "z", "y", 0), says("b", "q", 1, "", 40)}, opt)
	if len(s.Items) != 1 || s.Items[0].ID != "a" || s.Waiting != 1 {
		t.Errorf("selected %+v, %d wait", s.Items, s.Waiting)
	}
}

func TestOnePersonsExamplesAreCappedAndDeduplicated(t *testing.T) {
	var events []replaystore.Event
	for i := range 6 {
		id := fmt.Sprintf("i%d", i)
		events = append(events, chat(id, "loud", fmt.Sprintf("question %d", i), "fine", i), says(id, "loud", 1, "", 10+i))
	}
	for i := range 3 { // those whom nobody names are one person
		id := fmt.Sprintf("u%d", i)
		events = append(events, chat(id, "", fmt.Sprintf("unknown %d", i), "fine", i), says(id, "", 1, "", 20+i))
	}
	for i := range 3 {
		id := fmt.Sprintf("d%d", i)
		events = append(events, chat(id, "twice", "the same", "fine", i), says(id, "twice", 1, "", 30+i))
	}
	opt := later()
	opt.PerSubject = 2
	s := selected(t, events, opt)
	var ids []string
	for _, it := range s.Items {
		ids = append(ids, it.ID)
	}
	if got, want := strings.Join(ids, " "), "i4 i5 u1 u2 d2"; got != want {
		t.Errorf("selected %s, want %s", got, want)
	}
	if len(s.Rejected) != 7 {
		t.Errorf("rejected %v", s.Rejected)
	}
	if n, share := People(s.Items); n != 3 || math.Abs(share-2.0/5) > 1e-12 {
		t.Errorf("%d people, the largest share is %g", n, share)
	}
	if n, share := People(nil); n != 0 || share != 0 {
		t.Errorf("%d people of nothing, share %g", n, share)
	}
}

// TestHeldOutIsByPersonAndStable holds out about the share asked for, all of a person's feedback or none, whatever the
// order of events and whoever else there is.
func TestHeldOutIsByPersonAndStable(t *testing.T) {
	var events []replaystore.Event
	for p := range 400 {
		for q := range 2 {
			id := fmt.Sprintf("i%03d-%d", p, q)
			events = append(events, chat(id, fmt.Sprintf("p%03d", p), fmt.Sprintf("question %d of %d", q, p), "fine", 0), says(id, fmt.Sprintf("p%03d", p), 1, "", 1+p+q))
		}
	}
	opt := later()
	opt.HeldOut, opt.HeldOutKey = 0.25, []byte("key")
	heldOut := func(events []replaystore.Event, opt Options) map[string]bool {
		people := map[string]bool{}
		for _, it := range selected(t, events, opt).Items {
			out := it.Use == HeldOut
			if before, seen := people[it.Subject]; seen && before != out {
				t.Fatalf("%s is held out in part", it.Subject)
			}
			people[it.Subject] = out
		}
		return people
	}
	all := heldOut(events, opt)
	n := 0
	for _, out := range all {
		if out {
			n++
		}
	}
	if n < 75 || n > 125 {
		t.Errorf("%d of 400 people are held out, want about 100", n)
	}
	shuffled := append([]replaystore.Event(nil), events...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] }) //nolint:gosec // reproducible
	if !reflect.DeepEqual(all, heldOut(shuffled, opt)) {
		t.Error("the order of events changes who is held out")
	}
	if !reflect.DeepEqual(selected(t, events, opt).Items, selected(t, shuffled, opt).Items) {
		t.Error("the order of events changes the selection")
	}
	for person, out := range heldOut(events[:200], opt) {
		if all[person] != out {
			t.Errorf("%s is held out or not depending on who else there is", person)
		}
	}
	opt.HeldOutKey = []byte("another")
	if reflect.DeepEqual(all, heldOut(events, opt)) {
		t.Error("another key holds out the same people")
	}
}

// TestBound keeps the newest examples and says why the others are not used.
func TestBound(t *testing.T) {
	var events []replaystore.Event
	for i := range 6 {
		id := fmt.Sprintf("b%d", i)
		events = append(events, chat(id, fmt.Sprintf("p%d", i), fmt.Sprintf("question %d", i), "fine", i), says(id, fmt.Sprintf("p%d", i), 1, "", 10+i))
	}
	opt := later()
	opt.MaxExamples = 4
	s := selected(t, events, opt)
	if len(s.Items) != 4 || s.Items[0].ID != "b2" || len(s.Rejected) != 2 || !strings.Contains(s.Rejected[0].Why, "newest 4") {
		t.Errorf("selected %d items, rejected %v", len(s.Items), s.Rejected)
	}
}

// TestAgain chooses once more from what earlier nights had, where nothing newer is said.
func TestAgain(t *testing.T) {
	events := func(minute int) (list []replaystore.Event) {
		for _, id := range []string{"a", "b", "c"} {
			list = append(list, chat(id, "p"+id, "question about "+id, "no", minute), says(id, "p"+id, 0, "the answer of "+id, minute+1))
		}
		return list
	}
	earlier := selected(t, events(0), later()).Items
	earlier[0].Use = HeldOut
	opt := later()
	opt.Again = append(earlier, selected(t, events(10), later()).Items[1:]...) // b and c were chosen twice
	s := selected(t, []replaystore.Event{chat("b", "pb", "question about b", "no", 0), says("b", "pb", -1, "", 30)}, opt)
	var got []string
	for _, it := range s.Items {
		got = append(got, fmt.Sprintf("%s %s %s", it.ID, it.Use, it.Completion))
	}
	if want := []string{"a new the answer of a", "c new the answer of c"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q: b was rated down since", got, want)
	}
	if n := s.Items[1].Time.Sub(evening).Minutes(); n != 11 {
		t.Errorf("c is of minute %v, want its newest of 11", n)
	}
}
