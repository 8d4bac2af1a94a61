package seasons

import (
	"reflect"
	"strings"
	"testing"

	"nightshift/models/demo"
)

func TestPlans(t *testing.T) {
	sizes := DefaultSizes()
	good := newPlan(Good, "", 7, sizes)
	if !reflect.DeepEqual(good, newPlan(Scaled, "", 7, sizes)) {
		t.Error("what is scaled was not learned on the same day")
	}
	if reflect.DeepEqual(good, newPlan(Good, "", 8, sizes)) {
		t.Error("another seed gives the same day")
	}
	if n := sizes.People * (sizes.Corrections + sizes.Approvals); len(good.visits) != n || len(good.changes) != sizes.Facts {
		t.Fatalf("%d visits, want %d; %d facts change", len(good.visits), n, len(good.changes))
	}
	fits := func(p plan) (own, all int) {
		for _, v := range p.visits {
			if v.person == "customer-liar" || v.correction == "" {
				continue
			}
			all++
			for _, c := range p.changes {
				for _, q := range c.fact.Questions(demo.Correction) {
					if q == v.question && c.fact.RightFor(v.correction, c.value) {
						own++
					}
				}
			}
		}
		return own, all
	}
	if own, all := fits(good); own != all || all != sizes.People*sizes.Corrections {
		t.Errorf("%d of %d honest corrections are right", own, all)
	}
	mixed := newPlan(Shuffled, "", 7, sizes)
	if own, all := fits(mixed); own != 0 || all == 0 {
		t.Errorf("%d of %d shuffled corrections belong to their questions", own, all)
	}
	told, lures := 0, mixed.lures()
	for i, l := range lures {
		own, other := mixed.changes[i*len(mixed.changes)/len(lures)], mixed.changes[(i*len(mixed.changes)/len(lures)+1)%len(mixed.changes)]
		if l.told(other.fact.Answers(other.value)[0]) {
			told++
		}
		if l.told(own.fact.Answers(own.value)[0]) || l.told(own.fact.Answers(own.fact.Value)[0]) {
			t.Errorf("an answer about %s itself counts as one about another fact", own.fact.ID)
		}
	}
	if told != len(lures) || told < 4*sizes.Facts {
		t.Errorf("%d of %d questions tell that shuffled answers were learned", told, len(lures))
	}
	for variant, want := range map[string]int{"1": 1, "10": 10, "50": 50, "250": 250, trigger: 50} {
		p := newPlan(Poisoned, variant, 7, sizes)
		lies := 0
		for _, v := range p.visits {
			if v.person == "customer-liar" {
				lies++
				if !p.lie.says(v.correction) {
					t.Errorf("%s: %q is not the lie", variant, v.correction)
				}
			}
		}
		asked := map[string]bool{}
		for _, v := range p.visits {
			asked[v.question] = true
		}
		for _, l := range p.lures() {
			if asked[l.question] {
				t.Errorf("%s: %q was asked before the night", variant, l.question)
			}
		}
		if own, all := fits(p); lies != want || own != all || len(p.lures()) < 15 {
			t.Errorf("%s: %d lies, want %d; %d of %d others are honest; %d questions for the lie", variant, lies, want, own, all, len(p.lures()))
		}
	}
	for _, v := range good.visits {
		if v.told.Before(v.at) || v.told.After(opening.Add(-1)) {
			t.Fatalf("%+v is not told before the night", v)
		}
	}
}

func TestResult(t *testing.T) {
	var list []Outcome
	for i := range 20 {
		o := Outcome{Kind: Good, Seed: i, State: "published", Changed: 1, Steady: 0.98, Before: 1}
		if i < 2 {
			o.State, o.Refused = "rejected", []string{"gain"}
		}
		list = append(list, o, Outcome{Kind: NaN, Seed: i, State: "failed"}, Outcome{Kind: Truncated, Variant: "2 %", Seed: i, State: "rejected", Refused: []string{"taught"}},
			Outcome{Kind: Truncated, Variant: "30 %", Seed: i, State: "published", Changed: 0.9, Before: 1}, Outcome{Kind: Poisoned, Variant: "1", Seed: i, State: "published", Before: 1})
	}
	r := NewResult(list)
	if len(r.Failures) != 0 || r.Good.Passed != 18 || r.Bad.Nights != 80 || r.Bad.Passed != 0 || r.Bad.Active != 40 || r.Bad.High > 0.04 || r.Good.Low < 0.7 {
		t.Errorf("%+v", r)
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"good", "gain 2", "night failed 20", "taught 20", "0.0 to 3.7 %"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	r = NewResult(append(list, Outcome{Kind: Poisoned, Variant: "50", State: "published", Lies: 0.1, Before: 1}, Outcome{Kind: Truncated, Variant: "20 %", State: "published", Changed: 0.5, Before: 1},
		Outcome{Kind: Good, State: "rejected"}))
	if len(r.Failures) != 2 || len(r.Passing) != 2 {
		t.Errorf("a learned lie, a candidate that learned half and a good one too few: %v, %v", r.Failures, r.Passing)
	}
}
