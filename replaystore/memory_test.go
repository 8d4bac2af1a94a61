package replaystore

import (
	"fmt"
	"slices"
	"testing"
)

// TestReplacementIsWeighted: a memory with room for one of four keeps each with the probability of its weight, in whatever
// order they come: random replacement with equal weights, replacement by priority with others.
func TestReplacementIsWeighted(t *testing.T) {
	const rounds = 6_000
	for name, weights := range map[string][]float64{"random": {1, 1, 1, 1}, "priority": {1, 2, 3, 6}} {
		total, kept, want := 0.0, make([]float64, len(weights)), make([]float64, len(weights))
		for _, w := range weights {
			total += w
		}
		for n := range rounds {
			secret := fmt.Append(nil, name, n)
			m := NewMemory(MemoryLimits{PerStratum: 1, Recent: 1})
			for at := range weights {
				i := (at + n) % len(weights)
				it := item(i, weights[i])
				if err := m.Admit(Keyed{SampleKey(Uniform(secret, it.ID), it.Weight), it}); err != nil {
					t.Fatal(err)
				}
			}
			var i int
			fmt.Sscanf(m.strata[""][0].Item.ID, "m%d", &i)
			kept[i]++
		}
		x := 0.0
		for i, w := range weights {
			want[i] = rounds * w / total
			x += chi2(kept[i:i+1], want[i])
		}
		if x > 16.3 { // 3 degrees of freedom, 0.001
			t.Errorf("%s: kept %v, want about %v: χ² = %.1f", name, kept, want, x)
		}
	}
}

// TestTiersAreJoined: of a long stream the memory has the newest and, of every stratum however small, a sample; a reader gets
// each item once.
func TestTiersAreJoined(t *testing.T) {
	m := NewMemory(MemoryLimits{Recent: 10, PerStratum: 20})
	for n := range 1000 {
		it := item(n, 1)
		it.Stratum = "common"
		if n%100 == 0 {
			it.Stratum = "rare"
		}
		if err := m.Admit(Keyed{SampleKey(Uniform([]byte("s"), it.ID), 1), it}); err != nil {
			t.Fatal(err)
		}
	}
	r := m.Rehearsal("t")
	if len(r.Recent) != 10 || len(r.Strata) != 2 || len(r.Strata[0].Items) != 20 || len(r.Strata[1].Items) != 10 {
		t.Fatalf("%d recent, strata %+v", len(r.Recent), r.Strata)
	}
	var ids []string
	for _, it := range r.Items() {
		ids = append(ids, it.ID)
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) || len(ids) < 30 || len(ids) > 40 {
		t.Errorf("items %v", ids)
	}
	for n := 990; n < 1000; n++ {
		if id := item(n, 1).ID; !slices.Contains(ids, id) {
			t.Errorf("%s, one of the newest, is not among the items", id)
		}
	}
}
