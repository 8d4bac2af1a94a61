package demo

import (
	"math"
	"testing"
)

var groups = []Group{Train, Heldout, Correction, Demo}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// TestQuestionsAreDisjoint checks counts, form, and that no two questions of
// any facts and groups are the same but for case and punctuation.
func TestQuestionsAreDisjoint(t *testing.T) {
	atLeast := map[Group]int{Train: 100, Heldout: 5, Correction: 8, Demo: 5}
	owner := map[string]string{}
	total := map[Group]int{}
	for _, g := range groups {
		for _, f := range facts {
			questions := f.Questions(g)
			total[g] += len(questions)
			if len(questions) < atLeast[g] {
				t.Errorf("fact %s: %d %s questions, want %d", f.ID, len(questions), g, atLeast[g])
			}
			for _, q := range questions {
				claim(t, owner, q, f.ID+" "+g.String())
			}
		}
		for _, e := range append(SmallTalk(g), Refusals(g)...) {
			claim(t, owner, e.Question, e.Kind+" "+g.String())
		}
	}
	for _, e := range Refusals(Train) {
		for _, frame := range foreignFrames[1:] {
			claim(t, owner, framed(frame, e.Question), e.Kind+" framed")
		}
	}
	t.Logf("%d facts; questions: %v", len(facts), total)
	if (Fact{}).Questions(Group(9)) != nil || Group(9).String() != "unknown" {
		t.Error("an unknown group has questions or a name")
	}
}

func claim(t *testing.T, owner map[string]string, q, who string) {
	t.Helper()
	if len(q) > 120 || !ascii(q) {
		t.Errorf("%s: %q is longer than 120 or not ASCII", who, q)
	}
	key := plain(q)
	if other, taken := owner[key]; taken {
		t.Errorf("%q belongs to %s and to %s", q, other, who)
	}
	owner[key] = who
}

func TestDress(t *testing.T) {
	for _, c := range []struct {
		style style
		q     string
		want  string
	}{
		{sentence, "how long do i wait", "How long do I wait?"},
		{sentence, "hi, how old must i be", "Hi, how old must I be?"},
		{sentence, "tell me the price", "Tell me the price."},
		{lowerMark, "what's the price", "what's the price?"},
		{lowerBare, "what's the price", "what's the price"},
		{upperBare, "can i", "Can I"},
	} {
		if got := c.style.dress(c.q); got != c.want {
			t.Errorf("dress(%q) = %q, want %q", c.q, got, c.want)
		}
	}
}

// TestWordingTellsFactsApart attributes every question of the other groups to
// the fact of the nearest training phrase by weighted shared words. A model
// cannot learn what this crude reader confuses, so at least 97% must be right.
func TestWordingTellsFactsApart(t *testing.T) {
	type phrase struct {
		fact string
		bag  map[string]float64
		norm float64
	}
	var known []phrase
	seenIn := map[string]map[string]bool{}
	for _, f := range facts {
		for _, p := range append(append([]string(nil), f.train...), f.nouns...) {
			bag := map[string]float64{}
			for _, w := range words(p) {
				bag[w] = 1
				if seenIn[w] == nil {
					seenIn[w] = map[string]bool{}
				}
				seenIn[w][f.ID] = true
			}
			known = append(known, phrase{fact: f.ID, bag: bag})
		}
	}
	square := map[string]float64{} // squared weight of each known word
	for w, in := range seenIn {
		weight := math.Log(float64(len(facts)+1) / float64(len(in)))
		square[w] = weight * weight
	}
	norm := func(bag map[string]float64) float64 {
		sum := 0.0
		for w := range bag {
			sum += square[w]
		}
		return math.Sqrt(sum) + 1e-9
	}
	for i, p := range known {
		known[i].norm = norm(p.bag)
	}
	for _, g := range groups[1:] {
		asked, right := 0, 0
		for _, f := range facts {
			for _, q := range f.Questions(g) {
				bag := map[string]float64{}
				for _, w := range words(q) {
					bag[w] = 1
				}
				best, score := "", -1.0
				for _, p := range known {
					dot := 0.0
					for w := range bag {
						dot += p.bag[w] * square[w]
					}
					if s := dot / p.norm; s > score {
						best, score = p.fact, s
					}
				}
				asked++
				if best == f.ID {
					right++
				} else {
					t.Logf("%s: %q of %s reads like %s", g, q, f.ID, best)
				}
			}
		}
		share := float64(right) / float64(asked)
		t.Logf("%s: %d of %d (%.1f%%)", g, right, asked, 100*share)
		if share < 0.97 {
			t.Errorf("%s: only %.1f%% of questions point to their fact, want 97%%", g, 100*share)
		}
	}
}
