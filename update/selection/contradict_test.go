package selection

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nightshift/internal/longtest"
	"nightshift/models/demo"
	"nightshift/replaystore"
)

// ownExamples are what the model that ships came with, a few of each fact.
func ownExamples(r *rand.Rand) []Item {
	var list []Item
	for _, f := range demo.Facts() {
		for i, q := range pick(r, f.Questions(demo.Train), 10) {
			list = append(list, Item{Example: replaystore.Example{ID: fmt.Sprintf("file-%s-%d", f.ID, i), Kind: replaystore.SFT, Prompt: []replaystore.Message{{Role: "user", Content: q}},
				Completion: f.Answers(f.Value)[i%len(f.Answers(f.Value))]}, Use: Rehearsal, Weight: 1})
		}
	}
	return list
}

// saying is what a person says of a fact: a correction to a value, or an approval of it.
func saying(r *rand.Rand, id, who string, f demo.Fact, before, value string, at time.Time) Item {
	q := pick(r, f.Questions(demo.Correction), 1)[0]
	it := exampleOf(id, q, pick(r, f.Answers(value), 1)[0], at)
	if before != "" {
		it.Rejected = pick(r, f.Answers(before), 1)[0]
	}
	it.Subject = who
	return it
}

func TestContradictionsNeedSeveralPeople(t *testing.T) {
	c := Confirmation{Subjects: 2}
	waiting := func(items, known []Item) (n int) {
		for _, w := range confirm(items, known, c, 0.85) {
			if w.why != "" {
				n++
				if !strings.Contains(w.why, "contradicts what is known") {
					t.Errorf("waits because %s", w.why)
				}
			}
		}
		return n
	}
	alone, pair, together, outvoted, old, unknown, facts := 0, 0, 0, 0, 0, 0, 0
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 17)) //nolint:gosec // reproducible, not secret
		files := ownExamples(r)
		for _, f := range demo.Facts() {
			facts++
			lie := f.Rivals[r.IntN(len(f.Rivals))]
			one := saying(r, "a", "ann", f, f.Value, lie, evening)
			two := saying(r, "b", "bob", f, f.Value, lie, evening.Add(time.Minute))
			alone += waiting([]Item{one}, files)
			unknown += waiting([]Item{one}, nil)
			three := saying(r, "c", "eve", f, f.Value, lie, evening.Add(2*time.Minute))
			pair += waiting([]Item{one, two}, files)
			together += waiting([]Item{one, two, three}, files)
			var others, before []Item
			for i, who := range []string{"cat", "dan", "fay"} {
				others = append(others, saying(r, who, who, f, "", f.Value, evening.Add(time.Hour+time.Duration(i)*time.Minute)))
				before = append(before, saying(r, who, who, f, "", f.Value, evening.Add(-time.Hour)))
			}
			outvoted += waiting(append([]Item{one, two, three}, others...), files)
			old += waiting(append([]Item{one, two, three}, before...), files)
		}
	}
	share := func(n, of int) float64 { return float64(n) / float64(of) }
	t.Logf("of what one person says %.3f waits, %.3f where nothing is known; of what two say %.3f, of what three say %.3f, %.3f against three others since, %.3f against three before",
		share(alone, facts), share(unknown, facts), share(pair, 2*facts), share(together, 3*facts), share(outvoted, 3*facts), share(old, 3*facts))
	if share(alone, facts) < 0.93 || unknown > 0 || share(pair, 2*facts) < 0.93 || share(together, 3*facts) > 0.08 || share(outvoted, 3*facts) < 0.9 || share(old, 3*facts) > 0.08 {
		t.Error("too little of what should wait does, or too much of what should not")
	}
}

// TestOthersDoNotVouchForALie: two facts have the same number, and ten people correct one of them to another number. Who says that number
// of the other fact is alone, whatever words the questions share.
func TestOthersDoNotVouchForALie(t *testing.T) {
	waiting, lies := 0, 0
	r := rand.New(rand.NewPCG(3, 23)) //nolint:gosec // reproducible, not secret
	files := ownExamples(r)
	sum := func(text string) string { return strings.Join(numbers(words(text)), " ") }
	for _, f := range demo.Facts() {
		for _, g := range demo.Facts() {
			if f.ID == g.ID || sum(f.Value) == "" || sum(f.Value) != sum(g.Value) {
				continue
			}
			for _, lie := range f.Rivals {
				for _, truth := range g.Rivals {
					if sum(lie) != sum(truth) {
						continue
					}
					items := []Item{saying(r, "lie", "liar", f, f.Value, lie, evening)}
					for i := range 10 {
						items = append(items, saying(r, fmt.Sprint("truth-", i), fmt.Sprint("person-", i), g, g.Value, truth, evening.Add(time.Duration(i-5)*time.Minute)))
					}
					lies++
					if confirm(items, files, Confirmation{Subjects: 2}, 0.85)[0].why != "" {
						waiting++
					}
				}
			}
		}
	}
	t.Logf("%d of %d lies wait", waiting, lies)
	if lies < 20 || float64(waiting) < 0.95*float64(lies) {
		t.Error("a lie passes that others do not tell")
	}
}

// TestOppositionIsRemembered: what people who are held out said of a claim while it waited counts in later nights too.
func TestOppositionIsRemembered(t *testing.T) {
	f, _ := demo.FactByID("overnight_cost")
	r := rand.New(rand.NewPCG(5, 29)) //nolint:gosec // reproducible, not secret
	files, lie := ownExamples(r), f.Rivals[0]
	c := Confirmation{Subjects: 2}
	claim := saying(r, "a", "ann", f, f.Value, lie, evening)
	night := func(fresh ...Item) (why string) {
		items := append([]Item{claim}, fresh...)
		w := confirm(items, files, c, 0.85)[0]
		claim.Fed, claim.Opposed = w.fed, w.opposed
		return w.why
	}
	for i, who := range []string{"cat", "dan", "fay"} { // nothing of these is known when the others come
		approval := saying(r, who, who, f, "", f.Value, evening.Add(time.Duration(1+i)*time.Hour))
		if why := night(approval); !strings.Contains(why, "one person of 3") || claim.Opposed != i+1 {
			t.Fatalf("night %d: %q, %d opposed", i, why, claim.Opposed)
		}
	}
	two := []Item{saying(r, "b", "bob", f, f.Value, lie, evening.Add(9*time.Hour)), saying(r, "e", "eve", f, f.Value, lie, evening.Add(10*time.Hour))}
	if why := night(two...); !strings.Contains(why, "3 say so and 3 say otherwise") || claim.Opposed != 3 {
		t.Errorf("three against three: %q, %d opposed", why, claim.Opposed)
	}
	two = append(two, saying(r, "g", "gus", f, f.Value, lie, evening.Add(11*time.Hour)))
	if why := night(two...); why != "" {
		t.Errorf("four against three: %q", why)
	}
}

// TestWhoSaysItAgainIsOnePerson: somebody who said otherwise in an earlier night and does so again is not one more.
func TestWhoSaysItAgainIsOnePerson(t *testing.T) {
	const question, was = "How much does a ski wax cost?", "A ski wax costs $15."
	own := exampleOf("own", question, was, time.Time{})
	own.Interaction, own.Subject = "", ""
	says := func(id, who, text string, hours, fed int) Item {
		it := correctionOf(id, question, was, text, evening.Add(time.Duration(hours)*time.Hour))
		it.Subject, it.Fed = who, fed
		return it
	}
	for who, want := range map[string]int{"bob": 1, "cat": 2} {
		claim := says("a", "ann", "A ski wax costs $16.", 0, 1)
		claim.Opposed = 1 // by bob
		old, again := says("b", "bob", "A ski wax costs $17.", 1, 1), says("c", who, "A ski wax costs $17.", 2, 0)
		for where, w := range map[string]wait{
			"waits":   confirm([]Item{claim, old, again}, []Item{own}, Confirmation{Subjects: 2}, 0.85)[0],
			"learned": confirm([]Item{claim, again}, []Item{own, old}, Confirmation{Subjects: 2}, 0.85)[0],
		} {
			if w.opposed != want {
				t.Errorf("what bob said %s, and %s says it: %d opposed, want %d (%s)", where, who, w.opposed, want, w.why)
			}
		}
	}
}

// TestMixedUpAnswersWait: forty people correct four facts, each to its new value, or each to that of another of the four, drawn at random.
func TestMixedUpAnswersWait(t *testing.T) {
	waiting := map[bool]int{}
	total := 0
	for seed := range uint64(6) {
		for _, mixed := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 31)) //nolint:gosec // reproducible, not secret
			files, facts := ownExamples(r), pick(r, demo.Facts(), 4)
			var items []Item
			for i := range 80 {
				f := facts[i%4]
				it := saying(r, fmt.Sprint(i), fmt.Sprint("person-", i/2), f, f.Value, f.Rivals[0], evening.Add(time.Duration(i)*time.Minute))
				if other := facts[(i+1+r.IntN(3))%4]; mixed {
					it.Completion = pick(r, other.Answers(other.Rivals[0]), 1)[0]
				}
				items = append(items, it)
			}
			for _, w := range confirm(items, files, Confirmation{Subjects: 2}, 0.85) {
				if w.why != "" {
					waiting[mixed]++
				}
			}
		}
		total += 80
	}
	t.Logf("of %d corrections %d wait, and %d where they are mixed up", total, waiting[false], waiting[true])
	if waiting[false] > total/20 || waiting[true] < total*9/10 {
		t.Error("too little of what should wait does, or too much of what should not")
	}
}

// TestContradictionOfOnePerson: what one other person said is not yet known; what two said is.
func TestContradictionOfOnePerson(t *testing.T) {
	claim := correctionOf("c", "How long can I return a tent?", "You can return it within 30 days.", "You can return it within 45 days.", evening)
	var known []Item
	for i, text := range []string{"Until when can I return my tent?", "Can I return a tent after a month?"} {
		known = append(known, exampleOf(fmt.Sprint("k", i), text, "You can return a tent within 30 days.", evening.Add(-time.Hour)))
		waits := confirm([]Item{claim}, known, Confirmation{Subjects: 2}, 0)
		if got := waits[0].why != ""; got != (i == 1) {
			t.Errorf("after %d people: waits because %q", i+1, waits[0].why)
		}
	}
}

// TestContradictionsAreFound in a whole night's corrections within a reasonable time.
func TestContradictionsAreFound(t *testing.T) {
	longtest.Skip(t)
	r := rand.New(rand.NewPCG(2, 19)) //nolint:gosec // reproducible, not secret
	files := ownExamples(r)
	var items []Item
	for i := range 5000 {
		ch := demo.Changes()[i%8]
		f, _ := demo.FactByID(ch.Fact)
		items = append(items, saying(r, fmt.Sprint(i), fmt.Sprint("person-", i%400), f, f.Value, ch.New, evening.Add(time.Duration(i)*time.Second)))
	}
	begin := time.Now()
	waits := make([]wait, len(items))
	contradict(append(items, files...), len(items), Confirmation{Subjects: 2}, waits)
	t.Logf("%.1f s", time.Since(begin).Seconds())
	for i, w := range waits {
		if w.why != "" {
			t.Errorf("%q of many people waits: %s", items[i].Completion, w.why)
			break
		}
	}
}
