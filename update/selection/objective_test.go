package selection

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"nightshift/replaystore"
)

// conversation is one of each kind of feedback, and four ratings by a person who rates by numbers.
func conversation() []replaystore.Event {
	var events []replaystore.Event
	add := func(id, person string, rating float64, right string) {
		events = append(events, chat(id, person, "question "+id, "answer "+id, len(events)), says(id, person, rating, right, 50+len(events)))
	}
	add("corrected", "ann", -1, "what is right")
	add("up", "ann", 1, "")
	add("down", "bob", -1, "")
	for i, r := range []float64{0.9, 0.8, 0.5, 0.75} { // their mean is 0.7375
		add(fmt.Sprintf("n%d", i), "cid", r, "")
	}
	return events
}

func TestObjectives(t *testing.T) {
	forms := func(objective string) map[string]string {
		opt := later()
		opt.Objective = objective
		s := selected(t, conversation(), opt)
		got := map[string]string{}
		for _, it := range Shape(s.Items, objective) {
			text := string(it.Kind)
			switch it.Kind {
			case replaystore.Unpaired:
				text += fmt.Sprintf(" %t %.3f", it.Good, it.Weight)
			case replaystore.Preference:
				text += fmt.Sprintf(" %s > %s %g", it.Chosen, it.Rejected, it.Weight)
			default:
				text += fmt.Sprintf(" %s %g", it.Completion, it.Weight)
			}
			got[it.ID] = text
			if m := (replaystore.MemoryItem{Example: it.Example, Weight: 1}); it.Kind != replaystore.SFT && m.Validate() != nil {
				t.Errorf("%s of %s: %v", it.ID, objective, m.Validate())
			}
			if plain := Plain(it); plain.Completion == "" {
				t.Errorf("%s of %s has no completion: %+v", it.ID, objective, plain)
			}
		}
		return got
	}
	sft := map[string]string{"corrected": "sft what is right 2", "up": "sft answer up 0.5", "n0": "sft answer n0 0.5", "n1": "sft answer n1 0.5"} // n2 is less than cid's mean, n3 as cid always rates
	dpo := map[string]string{}
	for id, text := range sft {
		dpo[id] = text
	}
	dpo["corrected"] = "preference what is right > answer corrected 2"
	rated := map[string]string{"corrected": dpo["corrected"], "up": "unpaired true 0.500", "down": "unpaired false 0.500",
		"n0": "unpaired true 0.081", "n1": "unpaired true 0.031", "n2": "unpaired false 0.119"}
	for objective, want := range map[string]map[string]string{"": sft, SFT: sft, DPO: dpo, KTO: rated, APO: rated} {
		if got := forms(objective); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", objective, got, want)
		}
	}
}

// TestBadAnswersAreNotHeldOut: the gain is measured on answers that are good.
func TestBadAnswersAreNotHeldOut(t *testing.T) {
	opt := later()
	opt.Objective, opt.HeldOut, opt.HeldOutKey = KTO, 1, []byte("k")
	s := selected(t, conversation(), opt)
	for _, it := range s.Items {
		if it.Use != HeldOut || it.Kind != replaystore.SFT || it.Completion == "" || it.Good || it.ID == "down" || it.ID == "n2" {
			t.Errorf("held out: %+v", it)
		}
	}
	if len(s.Items) != 4 || len(s.Rejected) != 3 {
		t.Errorf("%d are held out, %v", len(s.Items), s.Rejected)
	}
}

// TestBadAnswersAndCorrections: a correction retires the approval of what it corrects, and not that it was called bad.
func TestBadAnswersAndCorrections(t *testing.T) {
	events := []replaystore.Event{
		chat("good", "ann", "How long can I return a tent?", "You can return it within 30 days.", 0), says("good", "ann", 1, "", 1),
		chat("bad", "bob", "How long can I return a tent?", "You can return it within 30 days.", 2), says("bad", "bob", -1, "", 3),
		chat("fix", "cid", "How long can I return a tent?", "You can return it within 30 days.", 4), says("fix", "cid", 0, "You can return it within 45 days.", 5),
	}
	opt := guarded()
	opt.Objective, opt.Confirm.Examples = KTO, 2
	s := selected(t, events, opt)
	var ids []string
	for _, it := range s.Items {
		ids = append(ids, it.ID)
	}
	if !reflect.DeepEqual(ids, []string{"bad", "fix"}) {
		t.Errorf("selected %v, rejected %v", ids, s.Rejected)
	}
	opt.Confirm.Examples = 1 // a good rating of an answer does not confirm a bad one
	if s := selected(t, events, opt); len(s.Items) != 0 {
		t.Errorf("selected %+v", s.Items)
	}
}

func TestScales(t *testing.T) {
	list := func(ratings ...float64) (list []evidence) {
		for i, r := range ratings {
			id := fmt.Sprint(i)
			list = append(list, evidence{*chat(id, "p", "q", "a", i).Interaction, *says(id, "p", r, "", i).Feedback})
		}
		return list
	}
	for _, c := range []struct {
		ratings []float64
		mean    float64
	}{{[]float64{1, -1, 1, 1}, 0}, {[]float64{0.5, 1}, 0}, {[]float64{0.5, 1, 0.75}, 0.75}, {[]float64{-0.5, -1, -0.75}, -0.75}, {[]float64{0.9, 0.9, 0.9, 0.9}, 0}} {
		if got := scales(list(c.ratings...))["p"]; math.Abs(got-c.mean) > 1e-12 {
			t.Errorf("of %v: %g, want %g", c.ratings, got, c.mean)
		}
	}
}

// TestApprovalIsCentred: a positive rating approves an answer if it is above what its person gives on average, whichever objective; of people
// whose ratings show no scale every one does, and every thumb.
func TestApprovalIsCentred(t *testing.T) {
	for _, c := range []struct {
		name    string
		ratings []float64
		learned []string
		why     map[string]string
	}{
		{"a generous person", []float64{0.9, 0.2, 0.55}, []string{"0"}, map[string]string{"1": below, "2": average}},
		{"a strict person", []float64{0.2, -0.8, -0.6}, []string{"0"}, map[string]string{"1": negative, "2": negative}},
		{"one who always says the same", []float64{0.6, 0.6, 0.6}, []string{"0", "1", "2"}, nil},
		{"two ratings are no scale", []float64{0.9, 0.2}, []string{"0", "1"}, nil},
		{"thumbs", []float64{1, -1, 1, 1}, []string{"0", "2", "3"}, map[string]string{"1": negative}},
		{"hardly a rating", []float64{0.01}, nil, map[string]string{"0": average}},
	} {
		var events []replaystore.Event
		for i, r := range c.ratings {
			id := fmt.Sprint(i)
			events = append(events, chat(id, "p", "question "+id, "answer "+id, i), says(id, "p", r, "", 10+i))
		}
		for _, objective := range []string{SFT, DPO} {
			opt := later()
			opt.Objective = objective
			s := selected(t, events, opt)
			var learned []string
			for _, it := range s.Items {
				if learned = append(learned, it.ID); it.Weight != opt.Approval {
					t.Errorf("%s, %s: answer %s has the weight %g, want that of an approval", c.name, objective, it.ID, it.Weight)
				}
			}
			if !slices.Equal(learned, c.learned) || len(s.Rejected) != len(c.why) {
				t.Errorf("%s, %s: learned %v, want %v; rejected %v", c.name, objective, learned, c.learned, s.Rejected)
			}
			for _, r := range s.Rejected {
				if r.Why != c.why[r.ID] {
					t.Errorf("%s, %s: %s is rejected since %q, want %q", c.name, objective, r.ID, r.Why, c.why[r.ID])
				}
			}
		}
	}
}

// TestNegativeRatingsAreNeverGood: also not those of somebody who rates everything lower.
func TestNegativeRatingsAreNeverGood(t *testing.T) {
	var events []replaystore.Event
	for i, r := range []float64{-0.9, -0.8, -0.1} {
		id := fmt.Sprintf("i%d", i)
		events = append(events, chat(id, "p", "question "+id, "answer "+id, i), says(id, "p", r, "", 10+i))
	}
	opt := later()
	opt.Objective = APO
	s := selected(t, events, opt)
	if len(s.Items) != 2 || s.Items[0].Good || s.Items[1].Good || len(s.Rejected) != 1 || s.Rejected[0].ID != "i2" {
		t.Errorf("selected %+v, rejected %v", s.Items, s.Rejected)
	}
}

// TestServedAnswersAreKept: what is recorded of an answer goes with it where an objective weighs it, and not with what measures.
func TestServedAnswersAreKept(t *testing.T) {
	events := conversation()
	for _, e := range events {
		if in := e.Interaction; in != nil {
			in.PromptTokens, in.AnswerTokens, in.LogProbs, in.Version, in.Weights, in.TemplateHash, in.Finish = []int32{1, 2}, []int32{3}, []float32{-1}, "sha256:v", "f32", "t", "stop"
		}
	}
	want := &Served{Prompt: []int32{1, 2}, Answer: []int32{3}, LogProbs: []float32{-1}, Version: "sha256:v", Weights: "f32", Template: "t", Finish: "stop"}
	for objective, ids := range map[string][]string{SFT: nil, DPO: {"corrected"}, KTO: {"corrected", "up", "down", "n0", "n1", "n2"}} {
		opt := later()
		opt.Objective = objective
		for _, it := range Shape(selected(t, events, opt).Items, objective) {
			if expect := map[bool]*Served{true: want}[slices.Contains(ids, it.ID)]; !reflect.DeepEqual(it.Served, expect) {
				t.Errorf("%s of %s: %+v, want %+v", it.ID, objective, it.Served, expect)
			}
		}
		opt.HeldOut, opt.HeldOutKey = 1, []byte("k")
		for _, it := range Shape(selected(t, events, opt).Items, objective) {
			if it.Served != nil {
				t.Errorf("%s of %s is held out with its record", it.ID, objective)
			}
		}
	}
	for _, c := range []struct {
		served *Served
		ended  bool
	}{{nil, true}, {&Served{}, true}, {&Served{Finish: "stop"}, true}, {&Served{Finish: "length"}, false}, {&Served{Finish: "cancelled"}, false}} {
		if c.served.Ended() != c.ended {
			t.Errorf("%+v ended: %t", c.served, !c.ended)
		}
	}
}

// TestAnotherObjectiveAgain: what was rated waits from nights with ratings to one without. The good answers are approved ones
// then, and the bad ones say nothing.
func TestAnotherObjectiveAgain(t *testing.T) {
	opt := later()
	opt.Objective = KTO
	opt.Again, opt.Objective = Shape(selected(t, conversation(), opt).Items, KTO), SFT
	s := selected(t, nil, opt)
	if len(s.Items) != 4 || len(s.Rejected) != 2 {
		t.Fatalf("selected %+v, rejected %v", s.Items, s.Rejected)
	}
	for _, it := range s.Items {
		if it.Kind != replaystore.SFT || it.Good || it.Completion == "" || it.ID == "down" || it.ID == "n2" {
			t.Errorf("taken up again: %+v", it)
		}
	}
	for _, r := range s.Rejected {
		if r.Why != negative || r.ID != "down" && r.ID != "n2" {
			t.Errorf("rejected: %+v", r)
		}
	}
}
