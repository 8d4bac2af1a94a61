package selection

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nightshift/replaystore"
)

// numberedItems are n items of weight 1; every round has ids of its own.
func numberedItems(round, n int) []Item {
	items := make([]Item, n)
	for i := range items {
		items[i] = exampleOf(fmt.Sprintf("r%d-%d", round, i), "q", "a", evening)
	}
	return items
}

// counts says how often each position was picked in many rounds.
func counts(rounds, n int, pick func([]Item) []Item) []float64 {
	count := make([]float64, n)
	for round := range rounds {
		items := numberedItems(round, n)
		for _, it := range pick(items) {
			count[slices.IndexFunc(items, func(o Item) bool { return o.ID == it.ID })]++
		}
	}
	return count
}

// chi2 is Σ (observed−expected)²/expected.
func chi2(observed, expected []float64) float64 {
	sum := 0.0
	for i, o := range observed {
		sum += (o - expected[i]) * (o - expected[i]) / expected[i]
	}
	return sum
}

// TestRandomSampleIsUniform: every item is picked as often as another.
func TestRandomSampleIsUniform(t *testing.T) {
	const rounds, n, limit = 4000, 20, 5
	got := counts(rounds, n, func(items []Item) []Item { return RandomSample(items, limit) })
	want := make([]float64, n)
	for i := range want {
		want[i] = rounds * limit / n
	}
	// Of sampling without replacement, χ²·(n−1)/(n−limit) has 19 degrees of freedom: above 43.8 with probability 0.001.
	if x := chi2(got, want) * (n - 1) / (n - limit); x > 43.8 {
		t.Errorf("picked %v: χ² = %.1f", got, x)
	}
}

func TestPriorityWeights(t *testing.T) {
	feedback := []float64{1, 1, 1, 0.5}
	for _, c := range []struct {
		losses  []float64
		uniform float64
		want    []float64
	}{
		{[]float64{1, 2, 3, 4}, 0, []float64{0.125, 0.25, 0.375, 0.25}},
		{[]float64{1, 2, 3, 4}, 1, []float64{0.25, 0.25, 0.25, 0.25}},
		{[]float64{1, 2, 3, 4}, 0.5, []float64{0.1875, 0.25, 0.3125, 0.25}},
		{[]float64{1, 2, math.NaN(), math.Inf(1)}, 0, []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6}},
		{[]float64{0, 0, 0, 0}, 0, []float64{0.25, 0.25, 0.25, 0.25}},
		{[]float64{math.NaN(), math.NaN(), math.NaN(), math.NaN()}, 0, []float64{0.25, 0.25, 0.25, 0.25}},
		{nil, 0, []float64{2. / 7, 2. / 7, 2. / 7, 1. / 7}},
		{nil, 1, []float64{0.25, 0.25, 0.25, 0.25}},
	} {
		got := PriorityWeights(c.losses, feedback, c.uniform)
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-12 {
				t.Errorf("losses %v, uniform %g: %v, want %v", c.losses, c.uniform, got, c.want)
				break
			}
		}
	}
	same, losses := make([]float64, 100), make([]float64, 100)
	for i := range losses {
		losses[i], same[i] = float64(i+1), 1
	}
	losses[99] = 1e9
	if w := PriorityWeights(losses, same, 0); w[99] != w[95] || w[99] != w[94] || !(w[94] > w[93]) {
		t.Errorf("the loss of garbage is not bounded by the 95th percentile: %g, %g, %g", w[99], w[94], w[93])
	}
}

// TestPrioritySampleIsWeighted: a sample of one picks each item with the probability of its weight.
func TestPrioritySampleIsWeighted(t *testing.T) {
	const rounds = 6000
	weights := PriorityWeights([]float64{1, 2, 3, 4}, []float64{1, 1, 1, 0.5}, 0.2)
	got := counts(rounds, 4, func(items []Item) []Item { return PrioritySample(items, weights, 1) })
	want := make([]float64, 4)
	for i, w := range weights {
		want[i] = rounds * w
	}
	if x := chi2(got, want); x > 16.3 { // 3 degrees of freedom, 0.001
		t.Errorf("picked %v, want about %v: χ² = %.1f", got, want, x)
	}
	items := numberedItems(0, 4)
	if got := PrioritySample(items, []float64{0, 1, 0, 1}, 2); got[0].ID != items[1].ID || got[1].ID != items[3].ID {
		t.Errorf("items without weight are picked before those with some: %v", got)
	}
	if got := PrioritySample(items, []float64{0, 1, 0, 1}, 3); len(got) != 3 {
		t.Errorf("%d of 4 items are picked, 3 were asked for", len(got))
	}
}

// TestDiverseSampleCovers: of four far clusters of very different sizes a sample of four has one each, whatever the lengths
// of the vectors, and no better one can leave every item more than half as far from its nearest.
func TestDiverseSampleCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // reproducible, not secret
	sizes := []int{200, 50, 5, 1}
	var items []Item
	var embeddings [][]float32
	cluster := map[string]int{}
	for c, n := range sizes {
		for i := range n {
			it := exampleOf(fmt.Sprintf("%d-%d", c, i), "q", "a", evening)
			e := make([]float32, 8)
			for k := range e {
				e[k] = float32(random.NormFloat64()) * 0.05
			}
			e[c]++
			for k := range e {
				e[k] *= float32(1 + random.IntN(100))
			}
			items, embeddings, cluster[it.ID] = append(items, it), append(embeddings, e), c
		}
	}
	var found []int
	for _, it := range DiverseSample(items, embeddings, len(sizes)) {
		found = append(found, cluster[it.ID])
	}
	if slices.Sort(found); !slices.Equal(found, []int{0, 1, 2, 3}) {
		t.Errorf("a sample of four is of the clusters %v", found)
	}
	few := items[:12]
	covered := func(centres []int) float64 {
		farthest := 0.0
		for i := range few {
			nearest := math.Inf(1)
			for _, c := range centres {
				nearest = min(nearest, math.Sqrt(distance(normalized(embeddings[i]), normalized(embeddings[c]))))
			}
			farthest = max(farthest, nearest)
		}
		return farthest
	}
	best := math.Inf(1)
	for a := range few {
		for b := range a {
			for c := range b {
				best = min(best, covered([]int{a, b, c}))
			}
		}
	}
	var got []int
	for _, it := range DiverseSample(few, embeddings[:12], 3) {
		got = append(got, slices.IndexFunc(few, func(o Item) bool { return o.ID == it.ID }))
	}
	if radius := covered(got); radius > 2*best+1e-6 {
		t.Errorf("the radius is %g, the best one %g", radius, best)
	}
}

func TestSamplesAreBoundedAndInOrder(t *testing.T) {
	items := numberedItems(0, 30)
	losses, embeddings := make([]float64, 30), make([][]float32, 30)
	for i := range embeddings {
		losses[i], embeddings[i] = float64(i), []float32{0, 0} // without a direction
	}
	embeddings[7] = []float32{float32(math.NaN()), 1}
	for name, pick := range map[string]func(limit int) []Item{
		Random:    func(limit int) []Item { return RandomSample(items, limit) },
		Priority:  func(limit int) []Item { return PrioritySample(items, losses, limit) },
		Diversity: func(limit int) []Item { return DiverseSample(items, embeddings, limit) },
	} {
		for _, limit := range []int{-1, 0, 1, 7, 29, 30, 31} {
			got := pick(limit)
			if len(got) != max(0, min(limit, 30)) {
				t.Errorf("%s: %d of 30 items are picked, %d were asked for", name, len(got), limit)
			}
			last := -1
			for _, it := range got {
				at := slices.IndexFunc(items, func(o Item) bool { return o.ID == it.ID })
				if at <= last {
					t.Errorf("%s of %d: out of order, or twice: %v", name, limit, it.ID)
				}
				last = at
			}
		}
	}
}

// TestCapSubjects leaves of each person what the pick takes, and everybody's order; nobody who is named is one person.
func TestCapSubjects(t *testing.T) {
	var items []Item
	for i, who := range []string{"a", "b", "a", "", "a", "", "a"} {
		items = append(items, Item{Example: replaystore.Example{ID: fmt.Sprint(i), Subject: who}})
	}
	last := func(list []Item, limit int) []Item { return list[max(0, len(list)-limit):] }
	for limit, want := range map[int]string{0: "0123456", 1: "156", 2: "13456", 9: "0123456"} {
		got := ""
		for _, it := range CapSubjects(items, limit, last) {
			got += it.ID
		}
		if got != want {
			t.Errorf("at most %d of a person leave %s, want %s", limit, got, want)
		}
	}
}
