package selection

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// voices are people who correct an answer to the same thing, each asking and saying it in one of several ways.
type voices struct {
	people    int
	from      int // number of the first: the same numbers are the same people
	questions string
	before    string
	after     string
	start     time.Duration // of the first of them; the others follow every ten minutes
	wait      bool
}

// TestWhoWaits says who waits where people correct different things, or the same in different ways. What they correct is the model's own.
func TestWhoWaits(t *testing.T) {
	price := func(of, now string, people, from int) voices {
		return voices{people: people, from: from, questions: fmt.Sprintf("How much does a %s cost?|What is the price of a %s?|What do you charge for a %s?", of, of, of),
			before: fmt.Sprintf("A %s costs $15.", of), after: fmt.Sprintf("A %s costs %s.|The %s is %s now.", of, now, of, now)}
	}
	waiting := func(list ...voices) []voices {
		for i := range list {
			list[i].wait = true
		}
		return list
	}
	const returns = "How long can I return things?|What is your return policy?"
	const policy = "You can return items within 30 days. The return label costs $6. Tags must be on."
	const fee = "When must I bring it back?|How long can I keep it?"
	for _, c := range []struct {
		name string
		list []voices
	}{
		{"two prices that were the same", []voices{price("ski wax", "$16", 5, 0), price("tent peg", "$18", 5, 10)}},
		{"two days that closed at the same hour", []voices{
			{people: 5, questions: "When are you open on Saturday?|Your Saturday hours?", before: "On Saturday we are open from 10 am to 4 pm.", after: "On Saturday we are open from 10 am to 5 pm."},
			{people: 5, from: 10, questions: "When are you open on Sunday?|Your Sunday hours?", before: "On Sunday we are open from noon to 4 pm.", after: "On Sunday we are open from noon to 6 pm."}}},
		{"one price, three values", waiting(price("ski wax", "$16", 5, 0), price("ski wax", "$17", 5, 10), price("ski wax", "$18", 4, 20))},
		{"a person's last word counts", append(waiting(price("ski wax", "$16", 5, 0), price("ski wax", "$17", 5, 0)), price("ski wax", "$18", 5, 0))},
		{"two thirds agree", []voices{price("ski wax", "$16", 8, 0), {people: 4, from: 10, questions: "How much does a ski wax cost?", before: "A ski wax costs $15.", after: "A ski wax costs $17.", wait: true}}},
		{"less than two thirds agree", waiting(price("ski wax", "$16", 7, 0), price("ski wax", "$17", 4, 10))},
		{"one value in two forms", []voices{price("ski wax", "$8", 5, 0), price("ski wax", "$8.00", 5, 10)}},
		{"words for a number, beside one that stays", waiting(
			voices{people: 1, questions: fee, before: "Within 30 days for a $5 fee.", after: "Within two months for a $5 fee."},
			voices{people: 1, from: 1, questions: fee, before: "Within 30 days for a $5 fee.", after: "Within a year for a $5 fee."},
			voices{people: 1, from: 2, questions: fee, before: "Within 30 days for a $5 fee.", after: "Within three weeks for a $5 fee."})},
		{"two parts of one answer", []voices{
			{people: 8, questions: returns, before: policy, after: strings.Replace(policy, "30", "45", 1)},
			{people: 5, from: 10, questions: returns, before: policy, after: strings.Replace(policy, "$6", "$8", 1), wait: true}}}, // these leave in what most correct
		{"a sentence more", []voices{
			{people: 8, questions: returns, before: policy, after: strings.Replace(policy, "30", "45", 1)},
			{people: 5, from: 10, questions: returns, before: policy, after: policy + " Gift cards cannot be returned.", wait: true}}},
		{"it changed at noon", []voices{
			{people: 7, questions: returns, before: policy, after: strings.Replace(policy, "30", "45", 1), wait: true}, // most of whom speak say otherwise since
			{people: 8, from: 10, questions: returns, before: policy, after: strings.Replace(policy, "30", "60", 1), start: 5 * time.Hour}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := ownExamples(rand.New(rand.NewPCG(1, 1))) //nolint:gosec // reproducible, not secret
			var items []Item
			var of []int
			for g, v := range c.list {
				questions, after := strings.Split(v.questions, "|"), strings.Split(v.after, "|")
				for i, q := range questions {
					own := exampleOf(fmt.Sprintf("own-%d-%d", g, i), q, v.before, time.Time{})
					own.Interaction, own.Subject = "", ""
					known = append(known, own)
				}
				for i := range v.people {
					it := correctionOf(fmt.Sprintf("%d-%d", g, i), questions[i%len(questions)], v.before, after[i%len(after)], evening.Add(v.start+time.Duration(10*i+g)*time.Minute))
					it.Subject = fmt.Sprint("person-", v.from+i)
					items, of = append(items, it), append(of, g)
				}
			}
			for i, w := range confirm(items, known, Confirmation{Subjects: 2}, 0.85) {
				if (w.why != "") != c.list[of[i]].wait {
					t.Errorf("%q: waits because %q, want %v", items[i].Completion, w.why, c.list[of[i]].wait)
				}
			}
		})
	}
}
