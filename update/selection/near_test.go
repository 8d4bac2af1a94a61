package selection

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nightshift/replaystore"
)

// by gives an example to a person.
func by(it Item, person string) Item {
	it.Subject, it.Kind = person, replaystore.SFT
	return it
}

// nearTo are the ids of the examples that are near-identical to the first, itself left out.
func nearTo(items []Item, threshold float64) string {
	r := resemble(items, threshold)
	var ids []string
	for _, t := range r.near[r.text[0]] {
		for _, i := range r.items[t] {
			if i > 0 {
				ids = append(ids, items[i].ID)
			}
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func TestNearIdentical(t *testing.T) {
	const question, answer = "How long can I return a tent that I bought in the shop last week?", "You can return it within 45 days of the purchase, at any of our shops or by mail."
	bad := exampleOf("rated down", question, answer, evening)
	bad.Kind = replaystore.Unpaired
	items := []Item{
		exampleOf("x", question, answer, evening),
		exampleOf("same", strings.ToUpper(question), strings.ReplaceAll(answer, ",", " "), evening),
		exampleOf("a word more", question, answer+" Thanks.", evening),
		exampleOf("a word less", "How long can I return a tent that I bought in the shop last week", strings.Replace(answer, "any of ", "", 1), evening),
		exampleOf("another number", question, strings.Replace(answer, "45", "46", 1), evening),
		exampleOf("the opposite", question, strings.Replace(answer, "can", "can not", 1), evening),
		exampleOf("another question", "What does a kayak cost to rent for the day after tomorrow?", answer, evening),
		exampleOf("another answer", question, "Please ask the people at the desk of the shop where you bought it, they know.", evening),
		bad,
	}
	if got, want := nearTo(items, 0.8), "a word less a word more same"; got != want {
		t.Errorf("near: %s, want %s", got, want)
	}
	if got, want := nearTo(items, 1), "same"; got != want {
		t.Errorf("near with the index 1: %s, want %s", got, want)
	}
}

// TestNearIsWhatComparingAllPairsFinds compares with every pair's Jaccard index.
func TestNearIsWhatComparingAllPairsFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible, not secret
	vocabulary := make([]string, 300)
	for i := range vocabulary {
		vocabulary[i] = fmt.Sprintf("word%c%c", 'a'+i%26, 'a'+i/26)
	}
	var items []Item
	for n := range 60 {
		text := pick(random, vocabulary, 20+random.IntN(20))
		for v := range 5 { // variants with 0 to 4 words exchanged
			variant := slices.Clone(text)
			for range v {
				variant[random.IntN(len(variant))] = vocabulary[random.IntN(len(vocabulary))]
			}
			items = append(items, exampleOf(fmt.Sprintf("%d-%d", n, v), strings.Join(variant[:10], " "), strings.Join(variant[10:], " "), evening))
		}
	}
	sets := make([][]uint64, len(items))
	for i, it := range items {
		sets[i] = shingles(words(LastQuestion(it.Prompt)), words(it.Completion))
	}
	for _, threshold := range []float64{0.6, 0.7, 0.85} {
		r := resemble(items, threshold)
		pairs, missed := 0, 0
		for i := range items {
			for j := range items {
				want, got := jaccard(sets[i], sets[j]) >= threshold, slices.Contains(r.near[r.text[i]], r.text[j])
				if got && !want {
					t.Errorf("%s and %s are near, their index is %g", items[i].ID, items[j].ID, jaccard(sets[i], sets[j]))
				}
				if want {
					pairs++
					if !got {
						missed++
					}
				}
			}
		}
		t.Logf("%g: %d pairs, %d missed", threshold, pairs, missed)
		if pairs < 400 || missed > pairs/100 {
			t.Errorf("%g: %d of %d near pairs are missed", threshold, missed, pairs)
		}
	}
}

func TestJaccard(t *testing.T) {
	for _, c := range []struct {
		a, b []uint64
		want float64
	}{{nil, nil, 1}, {nil, []uint64{1}, 0}, {[]uint64{1, 2, 3}, []uint64{2, 3, 4}, 0.5}, {[]uint64{1, 2}, []uint64{1, 2}, 1}} {
		if got := jaccard(c.a, c.b); got != c.want {
			t.Errorf("jaccard of %v and %v is %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

// TestNearDuplicatesOfOnePerson keeps the newest, and everybody else's.
func TestNearDuplicatesOfOnePerson(t *testing.T) {
	const question, said = "How long can I return a tent that I bought in the shop last week?", "I do not know"
	var events []replaystore.Event
	for i, c := range []struct{ person, right string }{
		{"ann", "You can return it within 45 days of the purchase at any of our shops."},
		{"bob", "You can return it within 45 days of the purchase at any of our shops."},
		{"ann", "You can return it within 45 days of the purchase, at any one of our shops!"},
		{"ann", "You can return it within 45 days of the purchase, at any one of our shops, thanks!"},
	} {
		id := fmt.Sprintf("i%d", i)
		events = append(events, chat(id, c.person, question+strings.Repeat(" ", i), said, i), says(id, c.person, 0, c.right, 10+i))
	}
	opt := later()
	opt.Near = 0.7
	s := selected(t, events, opt)
	var ids []string
	for _, it := range s.Items {
		ids = append(ids, it.ID)
	}
	if got := strings.Join(ids, " "); got != "i1 i3" {
		t.Errorf("selected %s, want i1 i3", got)
	}
	for _, r := range s.Rejected {
		if want := "nearly the same example as i3 of the same person, which is newer"; r.Why != want || r.Waits {
			t.Errorf("%s is not used because %q, want %q", r.ID, r.Why, want)
		}
	}
	opt.Near = 0
	if s := selected(t, events, opt); len(s.Items) != 4 {
		t.Errorf("without near duplicates %d examples are selected", len(s.Items))
	}
}

// TestFloodIsBounded: as many texts as a band takes do not make the search quadratic, and find each other still.
func TestFloodIsBounded(t *testing.T) {
	var items []Item
	base := strings.Repeat("alpha beta gamma delta epsilon zeta eta theta ", 1)
	for i := range 3000 {
		items = append(items, exampleOf(fmt.Sprint(i), base+fmt.Sprintf("w%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676), "iota kappa lambda mu nu xi omikron pi", evening))
	}
	r := resemble(items, 0.8)
	largest, alone := 0, 0
	for _, list := range r.near {
		largest = max(largest, len(list))
		if len(list) < 3 {
			alone++
		}
	}
	if alone > 0 || largest >= 3000 {
		t.Errorf("%d texts found fewer than two others, one found %d", alone, largest)
	}
}
