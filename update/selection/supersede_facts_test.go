package selection

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"nightshift/models/demo"
)

// TestSupersedeWhateverChanges lets each of the shop's facts change once, four at a time, to one of its rivals: at least 98 % of the
// examples that teach the old value are retired, and at most 0.5 % of those that teach anything else, which would be forgotten
// for want of rehearsal.
func TestSupersedeWhateverChanges(t *testing.T) {
	facts := demo.Facts()
	old, wrong, others, missed := 0, 0, 0, 0
	by := map[string]int{}
	for seed := range uint64(2) {
		r := rand.New(rand.NewPCG(seed, 11)) //nolint:gosec // reproducible, not secret
		r.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		for at := 0; at < len(facts); at += 4 {
			changed := map[string]bool{}
			var corrections, items []Item
			for _, f := range facts[at : at+4] {
				changed[f.ID] = true
				value := f.Rivals[r.IntN(len(f.Rivals))]
				for i, q := range pick(r, f.Questions(demo.Correction), 8) {
					corrections = append(corrections, correctionOf(fmt.Sprintf("c-%s-%d", f.ID, i), q, pick(r, f.Answers(f.Value), 1)[0], pick(r, f.Answers(value), 1)[0], evening))
				}
			}
			for _, f := range facts {
				for i, q := range pick(r, f.Questions(demo.Train), 12) {
					items = append(items, exampleOf(fmt.Sprintf("%s-%d", f.ID, i), q, pick(r, f.Answers(f.Value), 1)[0], evening.Add(-time.Hour)))
				}
			}
			kept, _ := Supersede(items, corrections)
			left := map[string]bool{}
			for _, it := range kept {
				left[it.ID] = true
			}
			for _, it := range items {
				fact := it.ID[:len(it.ID)-len(lastPart(it.ID))]
				switch {
				case changed[fact] && left[it.ID]:
					old, missed = old+1, missed+1
					by["missed "+fact]++
				case changed[fact]:
					old++
				case !left[it.ID]:
					others, wrong = others+1, wrong+1
					by["wrong "+fact]++
				default:
					others++
				}
			}
		}
	}
	t.Logf("%.1f %% of %d old answers are retired, %.2f %% of %d others; %v", 100-100*float64(missed)/float64(old), old, 100*float64(wrong)/float64(others), others, by)
	if float64(missed) > 0.02*float64(old) || float64(wrong) > 0.005*float64(others) {
		t.Error("too many of the old answers are left, or too many others retired")
	}
}
