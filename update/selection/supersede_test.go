package selection

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"nightshift/models/demo"
	"nightshift/replaystore"
)

// exampleOf is an SFT example of one question and its answer.
func exampleOf(id, question, answer string, at time.Time) Item {
	return Item{Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Prompt: []replaystore.Message{{Role: "user", Content: question}},
		Completion: answer, Interaction: id, Subject: "s-" + id, Time: at}, Weight: 1}
}

// correctionOf is a newer example that replaces an answer.
func correctionOf(id, question, said, right string, at time.Time) Item {
	it := exampleOf(id, question, right, at)
	it.Rejected = said
	return it
}

var evening = time.Date(2026, 3, 2, 20, 0, 0, 0, time.UTC)

// pick returns at most n of a list, chosen at random.
func pick[T any](r *rand.Rand, list []T, n int) []T {
	list = slices.Clone(list)
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(n, len(list))]
}

// shopCorrections are n customers' corrections of every fact that changed: the answer that the model gave, and either that
// sentence with the new value or a sentence of their own.
func shopCorrections(r *rand.Rand, n int, ownWords bool) []Item {
	var list []Item
	for _, c := range demo.Changes() {
		f, _ := demo.FactByID(c.Fact)
		for i, q := range pick(r, f.Questions(demo.Correction), n) {
			form := r.IntN(len(f.Answers(f.Value)))
			right := f.Answers(c.New)[form]
			if ownWords {
				right = pick(r, c.Corrections(), 1)[0]
			}
			list = append(list, correctionOf(fmt.Sprintf("c-%s-%d", f.ID, i), q, f.Answers(f.Value)[form], right, evening))
		}
	}
	return list
}

// TestSupersedeRetiresWhatChangedAndNothingElse measures the rule on the demo shop's sentences: after eight corrections of
// each changed fact, at least 95 % of the examples that teach the old value are gone, and at most 2 % of those that teach
// another fact.
func TestSupersedeRetiresWhatChangedAndNothingElse(t *testing.T) {
	changed := map[string]bool{}
	for _, c := range demo.Changes() {
		changed[c.Fact] = true
	}
	for seed := range uint64(3) {
		for _, ownWords := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // reproducible, not secret
			var old []Item
			for _, f := range demo.Facts() {
				for i, q := range pick(r, f.Questions(demo.Train), 40) {
					old = append(old, exampleOf(fmt.Sprintf("%s-%d", f.ID, i), q, pick(r, f.Answers(f.Value), 1)[0], evening.Add(-time.Hour)))
				}
			}
			_, retired := Supersede(old, shopCorrections(r, 8, ownWords))
			gone := map[string]bool{}
			for _, x := range retired {
				gone[x.ID] = true
			}
			count := map[bool][2]int{} // by changed: examples, retired
			perFact := map[string]int{}
			for _, it := range old {
				fact := it.ID[:len(it.ID)-len(lastPart(it.ID))]
				c := count[changed[fact]]
				c[0]++
				if gone[it.ID] {
					c[1]++
				}
				if gone[it.ID] != changed[fact] {
					perFact[fact]++
				}
				count[changed[fact]] = c
			}
			recall := float64(count[true][1]) / float64(count[true][0])
			wrong := float64(count[false][1]) / float64(count[false][0])
			t.Logf("seed %d, own words %v: %.1f %% of the old answers retired, %.2f %% of the others; by fact %v", seed, ownWords, 100*recall, 100*wrong, perFact)
			if recall < 0.95 || wrong > 0.02 {
				t.Errorf("seed %d, own words %v: want at least 95 %% and at most 2 %%", seed, ownWords)
			}
		}
	}
}

// lastPart is the number at the end of an id with its dash.
func lastPart(id string) string {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i] == '-' {
			return id[i:]
		}
	}
	return ""
}

func TestSupersede(t *testing.T) {
	correction := correctionOf("c", "How long can I return a tent?", "You can return it within 30 days.", "You can return it within 45 days.", evening)
	day := correctionOf("d", "Which day is the knot workshop?", "The knot workshop is on Thursday.", "The knot workshop is on Tuesday.", evening)
	older, newer := evening.Add(-time.Hour), evening.Add(time.Hour)
	for _, c := range []struct {
		name             string
		question, answer string
		at               time.Time
		by               Item
		retired          bool
	}{
		{"same question, old value", "how long can i return a tent", "You can return it within 30 days.", older, correction, true},
		{"same question, old value in other words", "How long can I return a tent", "Returns are open for 30 days.", older, correction, true},
		{"same question, new value in other words", "How long can I return a tent?", "Returns are open for 45 days.", older, correction, false},
		{"same question, the same answer", "How long can I return a tent?", "you can return it within 45 days", older, correction, false},
		{"near question, old value", "Can I still return my tent after a month?", "You can return a tent within 30 days.", older, correction, true},
		{"near question, new value", "Can I still return my tent after a month?", "You can return a tent within 45 days, not 30.", older, correction, false},
		{"other question, same number", "How far is the lake?", "The lake is 30 days of walking away.", older, correction, false},
		{"near question, no value", "Where do I return a tent?", "You return a tent at the desk.", older, correction, false},
		{"newer than the correction", "How long can I return a tent?", "You can return it within 30 days.", newer, correction, false},
		{"as old as the correction", "How long can I return a tent?", "You can return it within 30 days.", evening, correction, false},
		{"from a file, without a time", "How long can I return a tent?", "You can return it within 30 days.", time.Time{}, correction, true},
		{"without numbers, old value", "When is the workshop about knots?", "The knot workshop takes place on Thursday.", older, day, true},
		{"without numbers, another thing that day", "When does the bus go?", "The bus goes on Thursday.", older, day, false},
		{"an approval corrects nothing", "How long can I return a tent?", "You can return it within 30 days.", older,
			exampleOf("a", "How long can I return a tent?", "You can return it within 45 days.", evening), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			others := []Item{exampleOf("o1", "Do you sell boots?", "Yes, we sell boots.", older), exampleOf("o2", "Hello", "Hello, what can I do for you?", older)}
			items := append(others, exampleOf("x", c.question, c.answer, c.at))
			kept, retired := Supersede(items, []Item{c.by})
			if len(kept)+len(retired) != 3 || c.retired != (len(retired) == 1) {
				t.Fatalf("retired %v, want that to be %v", retired, c.retired)
			}
			if c.retired && retired[0].ID != "x" {
				t.Errorf("retired %v", retired)
			}
		})
	}
}

func TestNewestCorrectionWins(t *testing.T) {
	var items []Item
	for i, days := range []string{"40", "45", "50"} {
		items = append(items, correctionOf(fmt.Sprintf("c%d", i), "How long can I return a tent?", "Within 30 days.", "Within "+days+" days.", evening.Add(time.Duration(i)*time.Minute)))
	}
	kept, retired := Supersede(items, items)
	if len(kept) != 1 || kept[0].ID != "c2" || len(retired) != 2 {
		t.Errorf("kept %v, retired %v", kept, retired)
	}
}

// TestOtherWordsOfOneCorrection keeps corrections that say the same in other words, none of which is the old answer to the others; one that
// says otherwise retires those before it.
func TestOtherWordsOfOneCorrection(t *testing.T) {
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	say := func(id, question, said, should string) Item {
		at = at.Add(time.Minute)
		return Item{Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Time: at, Subject: "person-" + id, Interaction: id,
			Prompt: []replaystore.Message{{Role: "user", Content: question}}, Rejected: said, Completion: should}}
	}
	items := []Item{
		say("a", "When do you hold your workshops?", "Our workshops are on Saturday.", "Our workshops are on Tuesday."),
		say("b", "On which day is the workshop?", "The workshop takes place on Saturday.", "We hold the workshop every Tuesday."),
		say("c", "When do you hold your workshops?", "Our workshops are on Saturday.", "You can join a workshop on Tuesday."),
	}
	if kept, retired := overrule(items, nil); len(kept) != 3 {
		t.Errorf("kept %d of 3 that say the same: %v", len(kept), retired)
	}
	items = append(items, say("d", "When do you hold your workshops?", "Our workshops are on Saturday.", "Our workshops are on Friday."))
	kept, retired := overrule(items, nil)
	if ids := idsOf(kept); !slices.Contains(ids, "d") || slices.Contains(ids, "a") || len(retired) == 0 {
		t.Errorf("kept %v, retired %v: the newer word must win", ids, retired)
	}
}

// TestOneVersionsAnswersTellQuestionsApart: what is put into one answer may be what is taken out of another. That the same version gave different
// answers says that they are of different questions; of another version, or one that nobody knows, it says nothing.
func TestOneVersionsAnswersTellQuestionsApart(t *testing.T) {
	express := correctionOf("express", "What is the shipping fee of an express parcel?", "The shipping fee is $15.", "The shipping fee is $16.", evening)
	heavy := correctionOf("heavy", "What is the shipping fee of a heavy parcel?", "The shipping fee is $16.", "The shipping fee is $23.", evening.Add(time.Minute))
	items := []Item{express, heavy}
	for _, c := range []struct {
		name     string
		versions map[string]string
		kept     int
	}{
		{"one version", map[string]string{express.Interaction: "", heavy.Interaction: ""}, 2},
		{"two versions", map[string]string{express.Interaction: "", heavy.Interaction: "sha256:1"}, 1},
		{"no version known", nil, 1},
	} {
		if kept, retired := overrule(items, c.versions); len(kept) != c.kept {
			t.Errorf("%s: kept %v, retired %v", c.name, idsOf(kept), retired)
		}
	}
}

// idsOf are the ids of items.
func idsOf(items []Item) (ids []string) {
	for _, it := range items {
		ids = append(ids, it.ID)
	}
	return ids
}

// TestTaughtTogether: what one batch teaches holds beside itself, however alike it reads and whenever each piece was stored; what is taught
// later replaces what was taught of the same question.
func TestTaughtTogether(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	teach := func(id, subject, question, said, answer string, minute int) []replaystore.Event {
		in := replaystore.Interaction{ID: id, Track: "default", Time: at.Add(time.Duration(minute) * time.Minute), Subject: subject, Messages: []replaystore.Message{{Role: "user", Content: question}}, Answer: said}
		f := replaystore.Feedback{ID: "f", Interaction: id, Track: "default", Time: in.Time, Subject: subject, Editor: true, Source: "file:a.csv#2", Correction: &answer}
		return []replaystore.Event{{Interaction: &in}, {Feedback: &f}}
	}
	events := slices.Concat(
		teach("green", "batch", "What does the green alpine tent for two people cost in the shop?", "The green tent costs $10.", "The green alpine tent costs $10 in the shop.", -1),
		teach("red", "batch", "What does the red alpine tent for two people cost in the shop?", "The red alpine tent costs $10.", "The red alpine tent costs $15.", 0),
		teach("blue", "batch", "What does the blue alpine tent for two people cost in the shop?", "The blue alpine tent costs $15.", "The blue alpine tent costs $20.", 1),
		teach("near", "batch", "What does the alpine tent for two people cost in the shop?", "It costs $15.", "The red alpine tent costs $15.", 2))
	of := func(events []replaystore.Event) (ids []string) {
		s, err := CandidatesOf(events, Options{Now: at.Add(time.Hour), Correction: 1, Near: 0.6}).Select(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range s.Items {
			if it.Source != "file:a.csv#2" || it.Use != New {
				t.Errorf("%+v", it)
			}
			ids = append(ids, it.ID)
		}
		return ids
	}
	if got := of(events); !slices.Equal(got, []string{"green", "red", "blue", "near"}) {
		t.Errorf("of one batch %v are learned", got)
	}
	again := teach("newer", "other", "What does the red alpine tent for two people cost in the shop?", "The red alpine tent costs $10.", "The red alpine tent costs $11.", 3)
	if got := of(append(events, again...)); !slices.Equal(got, []string{"blue", "near", "newer"}) {
		t.Errorf("after a later batch %v are learned", got)
	}
}
