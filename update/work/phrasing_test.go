package work

import (
	"slices"
	"strings"
	"testing"

	"nightshift/replaystore"
	"nightshift/update/selection"
)

// TestIndirect: questions as parts of sentences, and those of which nobody can tell where the verb belongs.
func TestIndirect(t *testing.T) {
	for question, want := range map[string]string{
		"How long can I return an item?":         "how long I can return an item",
		"how many days do I have to return it":   "how many days I have to return it",
		"Which payment methods do you accept?":   "which payment methods you accept",
		"What does it cost?":                     "what it costs",
		"When does it finish in winter?":         "when it finishes in winter",
		"What does he carry?":                    "what he carries",
		"Does it have a warranty?":               "whether it has a warranty",
		"Can I return a sale item?":              "whether I can return a sale item",
		"Do you ship to Canada?":                 "whether you ship to Canada",
		"Are there gift cards?":                  "whether there are gift cards",
		"What is the return period?":             "what the return period is",
		"What is the price of a TrailLite tent?": "what the price of a TrailLite tent is",
		"What are your opening hours?":           "what your opening hours are",
		"Where can I find Anna's size chart?":    "where I can find Anna's size chart",

		"How long is the tent guaranteed for?":    "",
		"What is the tent made of?":               "",
		"Where is the shop located?":              "",
		"How much does express delivery cost?":    "",
		"Who ships my order?":                     "",
		"What did you say?":                       "",
		"Return policy":                           "",
		"I bought a tent. Can I return it?":       "",
		"How long can I return it, and where to?": "",
		"Why?": "",
	} {
		if got := indirect(question); got != want {
			t.Errorf("%q becomes %q, want %q", question, got, want)
		}
	}
}

// TestEnglish: what templates of English may be applied to.
func TestEnglish(t *testing.T) {
	for text, want := range map[string]bool{
		"How long can I return an item?": true, "Do you ship to Canada?": true, "How much is shipping?": true, "Where are you?": true, "is it waterproof": true,
		"What's the café's opening time and the address of it?": true,
		"Wie lange kann ich einen Artikel zurückgeben?":         false, "Was ist das?": false, "Kann ich in bar zahlen?": false, "Quels modes de paiement acceptez-vous ?": false,
		"Hoe lang is de garantie?": false, "Hvordan kan jeg returnere?": false, "¿Qué tallas tienen los zapatos?": false, "Posso pagare con la carta a casa?": false,
		"返品はいつまでできますか？": false, "Как долго?": false, "Return policy": false, "Shipping": false, "": false,
	} {
		if got := english(text); got != want {
			t.Errorf("%q is English: %t", text, got)
		}
	}
}

// TestPhrasings: so many other ways to ask as are wanted, the same for the same seed, none of them the question itself; of another language
// only its case and punctuation change.
func TestPhrasings(t *testing.T) {
	const question = "How long can I return an item?"
	all := phrasings(question, 1000, 1)
	for _, want := range []string{"Hi, how long can I return an item?", "Quick question: how long can I return an item?", "how long can i return an item",
		"Could you tell me how long I can return an item?", "I want to know how long I can return an item.", "How long can I return an item"} {
		if !slices.Contains(all, want) {
			t.Errorf("there is no %q among %q", want, all)
		}
	}
	if slices.Contains(all, question) || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("the question itself, or one twice: %q", all)
	}
	three := phrasings(question, 3, 1)
	if len(three) != 3 || !slices.Equal(three, phrasings(question, 3, 1)) || slices.Equal(three, phrasings(question, 3, 2)) {
		t.Errorf("%q, then %q, of another seed %q", three, phrasings(question, 3, 1), phrasings(question, 3, 2))
	}
	if got := strings.Join(phrasings("Sind Hunde erlaubt?", 9, 1), "|"); len(phrasings("Sind Hunde erlaubt?", 9, 1)) != 3 || !strings.Contains(got, "sind hunde erlaubt") || strings.Contains(got, "Hi") {
		t.Errorf("German: %q", got)
	}
	for _, none := range []string{"", "   ", "x"} {
		if got := phrasings(none, 3, 1); len(got) != 0 {
			t.Errorf("%q: %q", none, got)
		}
	}
	if got := phrasings(question, 0, 1); got != nil {
		t.Errorf("none are wanted: %q", got)
	}
	if got := phrasings("TrailLite tents: do you have them?", 1000, 1); slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "Hi, trail") }) {
		t.Errorf("a name lost its letter: %q", got)
	}
}

// TestTaughtIsPhrased: what was taught out of a file is asked in other words besides, and nothing else is: not what people said, not what
// is rehearsed. What was made is no correction to measure on, and none of it is asked elsewhere in the selection.
func TestTaughtIsPhrased(t *testing.T) {
	item := func(id, source, use string) selection.Item {
		return selection.Item{Use: use, Weight: 1, Example: replaystore.Example{ID: id, Kind: replaystore.SFT, Interaction: id, Source: source, Editor: true, Completion: "b", Rejected: "c",
			Prompt: []replaystore.Message{{Role: "user", Content: "How long can I return an item?"}}}}
	}
	made := phrasings("How long can I return an item?", 3, 1)
	elsewhere := item("anchor", "", selection.Anchor)
	elsewhere.Prompt[0].Content = strings.ToUpper(made[1])
	items := []selection.Item{item("said", "", selection.New), item("taught", "file:a.md#1", selection.New), item("old", "file:a.md#1", selection.Rehearsal), elsewhere}
	w := &worker{job: Job{Seed: 1, Train: Train{Phrasings: 3}}}
	asked := questionsOf(items)
	var got []string
	for _, it := range items {
		for _, other := range w.phrased(it, asked) {
			got = append(got, other.ID+" "+other.Prompt[0].Content)
			if other.Completion != "b" {
				t.Errorf("%+v", other)
			}
		}
	}
	if want := []string{"taught~1 " + made[0], "taught~3 " + made[2]}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if items[1].Prompt[0].Content != "How long can I return an item?" {
		t.Error("the original was changed")
	}
}
