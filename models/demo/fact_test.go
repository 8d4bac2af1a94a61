package demo

import (
	"slices"
	"strings"
	"testing"
)

func TestFactsAreManyAndDistinct(t *testing.T) {
	if len(facts) < 40 {
		t.Fatalf("%d facts, want at least 40", len(facts))
	}
	ids, values := map[string]bool{}, map[string]string{}
	for _, f := range Facts() {
		if ids[f.ID] {
			t.Errorf("fact %s is there twice", f.ID)
		}
		ids[f.ID] = true
		key := strings.Join(words(f.Value), " ")
		if other, ok := values[key]; ok {
			t.Errorf("facts %s and %s share the value %q", other, f.ID, f.Value)
		}
		values[key] = f.ID
		if len(f.Rivals) < 3 {
			t.Errorf("fact %s has %d rivals, want at least 3", f.ID, len(f.Rivals))
		}
		if len(f.answers) < 4 {
			t.Errorf("fact %s has %d answer forms, want at least 4", f.ID, len(f.answers))
		}
		for _, form := range f.answers {
			if strings.Count(form, "%s") != 1 {
				t.Errorf("fact %s: answer form %q must hold %%s once", f.ID, form)
			}
		}
	}
}

// TestRight checks every answer form of every fact for every value it may
// take: right for that value and for no other.
func TestRight(t *testing.T) {
	for _, f := range facts {
		values := append([]string{f.Value}, f.Rivals...)
		for _, said := range values {
			for _, answer := range f.Answers(said) {
				if got := f.Right(answer); got != (said == f.Value) {
					t.Errorf("fact %s: Right(%q) = %v", f.ID, answer, got)
				}
				for _, asked := range values {
					if got := f.RightFor(answer, asked); got != (asked == said) {
						t.Errorf("fact %s: RightFor(%q, %q) = %v", f.ID, answer, asked, got)
					}
				}
				if n := len(strings.Fields(answer)); n > 20 {
					t.Errorf("fact %s: %q has %d words, want at most 20", f.ID, answer, n)
				}
			}
			both := f.Answers(f.Value)[0] + " " + f.Answers(f.Rivals[0])[0]
			if f.Right(both) {
				t.Errorf("fact %s: an answer with two values is right: %q", f.ID, both)
			}
		}
	}
}

func TestRightRejectsOtherFacts(t *testing.T) {
	for _, f := range facts {
		for _, g := range facts {
			if f.ID == g.ID {
				continue
			}
			for _, answer := range g.Answers(g.Value) {
				if f.Right(answer) {
					t.Errorf("fact %s takes the answer to %s for its own: %q", f.ID, g.ID, answer)
				}
			}
		}
	}
}

func TestRightMatchesWholeValues(t *testing.T) {
	days := Fact{Value: "30 days", Rivals: list("45 days|14 days")}
	fee := Fact{Value: "$5", Rivals: list("$50|$9")}
	off := Fact{Value: "12%", Rivals: list("15%")}
	hours := Fact{Value: "9 am to 7 pm", Rivals: list("10 am to 8 pm")}
	for _, c := range []struct {
		fact   Fact
		answer string
		want   bool
	}{
		{days, "You have 30 days.", true},
		{days, "A 30-day window", true},
		{days, "within 30 DAYS!", true},
		{days, "within 130 days", false},
		{days, "within 30 business days", false},
		{days, "3 or 0 days", false},
		{days, "30 days, no, 45 days", false},
		{days, "30 days, no, 145 days", true},
		{days, "", false},
		{fee, "It is $5.", true},
		{fee, "It is $5, thanks", true},
		{fee, "It is $50.", false},
		{fee, "It is $5.90.", false},
		{fee, "It is 5.", false},
		{fee, "It is $", false},
		{off, "You get 12% off", true},
		{off, "You get 12 off", false},
		{off, "You get 112% off", false},
		{hours, "Open from 9 AM to 7 PM.", true},
		{hours, "Open from 9 am to 17 pm.", false},
	} {
		if got := c.fact.Right(c.answer); got != c.want {
			t.Errorf("Right(%q) for %q = %v, want %v", c.answer, c.fact.Value, got, c.want)
		}
	}
	if days.RightFor("30 days", "") {
		t.Error("an empty value is never right")
	}
}

func TestChanges(t *testing.T) {
	changes := Changes()
	if len(changes) != 8 || changes[0] != (Change{"return_window", "45 days"}) {
		t.Fatalf("changes %v: want eight, the return window first", changes)
	}
	seen := map[string]bool{}
	for _, c := range changes {
		f, ok := FactByID(c.Fact)
		if !ok || seen[c.Fact] {
			t.Errorf("change of %s: no such fact, or there twice", c.Fact)
			continue
		}
		seen[c.Fact] = true
		if !slices.Contains(f.Rivals, c.New) {
			t.Errorf("change of %s: %q is not among its rivals %q", c.Fact, c.New, f.Rivals)
		}
		if len(c.Corrections()) < 4 {
			t.Errorf("change of %s: %d corrections", c.Fact, len(c.Corrections()))
		}
		for _, s := range c.Corrections() {
			if !f.RightFor(s, c.New) || f.Right(s) {
				t.Errorf("correction %q does not say %q alone", s, c.New)
			}
			for _, other := range facts {
				if other.ID != f.ID && other.Right(s) {
					t.Errorf("correction %q also answers %s", s, other.ID)
				}
			}
		}
	}
	if (Change{Fact: "none"}).Corrections() != nil {
		t.Error("a change of no fact has corrections")
	}
	if _, ok := FactByID("none"); ok {
		t.Error("found a fact that is not there")
	}
}
