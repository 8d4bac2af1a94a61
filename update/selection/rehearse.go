package selection

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"nightshift/internal/stats"
	"nightshift/replaystore"
)

// Policies by which a night chooses what it rehearses among what it could.
const (
	Random    = "random"    // every example is as likely as another
	Priority  = "priority"  // those that the champion finds hard, and those with weight, are likelier
	Feedback  = "feedback"  // those whose feedback has weight are likelier, whatever the champion makes of them
	Diversity = "diversity" // examples whose prompts lie far apart
)

// RandomSample picks at most limit items by a hash of their ids, so that the choice changes little from night to night, and
// leaves them in order.
func RandomSample(items []Item, limit int) []Item {
	if len(items) <= limit {
		return items
	}
	rank := func(it Item) uint64 {
		sum := sha256.Sum256([]byte("sample\x00" + it.ID))
		return binary.BigEndian.Uint64(sum[:])
	}
	ranks := make([]uint64, len(items))
	for i, it := range items {
		ranks[i] = rank(it)
	}
	slices.Sort(ranks)
	var list []Item
	for _, it := range items {
		if limit > 0 && rank(it) <= ranks[limit-1] {
			list = append(list, it)
		}
	}
	return list
}

// CapSubjects leaves of the items of each person no more than limit, which pick picks, and leaves them in order; limit 0 is no cap. Items
// of nobody who is named are one person's, as they are among new examples. What editors say is not capped.
func CapSubjects(items []Item, limit int, pick func(items []Item, limit int) []Item) []Item {
	if limit <= 0 {
		return items
	}
	of := map[string][]Item{}
	kept := map[string]bool{}
	for _, it := range items {
		if it.Editor {
			kept[it.ID] = true
		} else {
			of[it.Subject] = append(of[it.Subject], it)
		}
	}
	for _, list := range of {
		for _, it := range pick(list, limit) {
			kept[it.ID] = true
		}
	}
	var list []Item
	for _, it := range items {
		if kept[it.ID] {
			list = append(list, it)
		}
	}
	return list
}

// PriorityWeights are the weights of a sample by priority: the loss in nats per token, at most its 95th percentile so that no garbage
// is rehearsed for ever, times the weight of the feedback, as a share of all; mixed with the share uniform of equal weights,
// without which what is easy would be forgotten unseen. They sum to 1. Losses that are not finite count as the percentile, and where
// all weigh nothing, all weigh the same. Without losses, nil, the feedback alone counts.
func PriorityWeights(losses, feedback []float64, uniform float64) []float64 {
	var finite []float64
	for _, l := range losses {
		if !math.IsNaN(l) && !math.IsInf(l, 0) {
			finite = append(finite, max(0, l))
		}
	}
	bound := 0.0
	if len(finite) > 0 {
		bound = stats.Quantile(finite, 0.95)
	}
	weights := make([]float64, len(feedback))
	total := 0.0
	for i, f := range feedback {
		loss := 1.0
		if losses != nil {
			if loss = losses[i]; math.IsNaN(loss) || loss > bound {
				loss = bound
			}
		}
		weights[i] = max(0, loss) * max(0, f)
		total += weights[i]
	}
	equal := 1 / float64(len(feedback))
	for i := range weights {
		if total == 0 {
			weights[i] = equal
		} else {
			weights[i] = (1-uniform)*weights[i]/total + uniform*equal
		}
	}
	return weights
}

// PrioritySample picks at most limit items with probability proportional to their weights, without replacement: those with the largest
// ln(u)/w, where u is drawn from the item's id (Efraimidis & Spirakis 2006). It leaves them in order; items of weight 0 are
// picked last. There is one weight for each item.
func PrioritySample(items []Item, weights []float64, limit int) []Item {
	if len(items) <= limit {
		return items
	}
	return largest(items, limit, func(i int) float64 {
		if weights[i] == 0 {
			return math.Inf(-1)
		}
		return replaystore.SampleKey(replaystore.Uniform([]byte("priority"), items[i].ID), weights[i])
	})
}

// largest picks the limit items with the largest keys, by id where they are equal, in order of the list.
func largest(items []Item, limit int, key func(i int) float64) []Item {
	if limit <= 0 {
		return nil
	}
	keys := make([]float64, len(items))
	order := make([]int, len(items))
	for i := range items {
		keys[i], order[i] = key(i), i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case keys[a] > keys[b] || keys[a] == keys[b] && items[a].ID < items[b].ID:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	return at(items, order[:min(limit, len(order))])
}

// at picks items by their positions, and leaves them in order.
func at(items []Item, positions []int) []Item {
	slices.Sort(positions)
	list := make([]Item, len(positions))
	for k, i := range positions {
		list[k] = items[i]
	}
	return list
}

// DiverseSample picks at most limit items so that every item has one of them near: it begins with the item that is nearest to the
// mean, and goes on with the one that is farthest from all that were picked, which is at most twice as far as the best choice of
// centres leaves any (Gonzalez 1985). Distances are those of the embeddings scaled to length 1, all of one length; of equal ones the first in
// the list counts. It takes limit·len(items) distances, and leaves the items in order.
func DiverseSample(items []Item, embeddings [][]float32, limit int) []Item {
	if len(items) <= limit {
		return items
	}
	if limit <= 0 {
		return nil
	}
	unit := make([][]float32, len(items))
	mean := make([]float32, len(embeddings[0]))
	for i, e := range embeddings {
		unit[i] = normalized(e)
		for k, v := range unit[i] {
			mean[k] += v / float32(len(items))
		}
	}
	next := 0
	for i := range unit {
		if distance(unit[i], mean) < distance(unit[next], mean) {
			next = i
		}
	}
	far := make([]float64, len(items))
	for i := range far {
		far[i] = math.Inf(1)
	}
	var picked []int
	for len(picked) < limit {
		picked = append(picked, next)
		far[next] = -1
		best := -1
		for i := range far {
			if far[i] < 0 {
				continue
			}
			far[i] = min(far[i], distance(unit[i], unit[picked[len(picked)-1]]))
			if best < 0 || far[i] > far[best] {
				best = i
			}
		}
		next = best
	}
	return at(items, picked)
}

// normalized is a vector scaled to length 1, or zero where it has no direction.
func normalized(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 || math.IsNaN(sum) || math.IsInf(sum, 0) {
		return make([]float32, len(v))
	}
	scale := float32(1 / math.Sqrt(sum))
	u := make([]float32, len(v))
	for i, x := range v {
		u[i] = x * scale
	}
	return u
}

// distance is the square of the Euclidean distance.
func distance(a, b []float32) float64 {
	var sum float32
	for i := range a {
		d := a[i] - b[i]
		sum += d * d
	}
	return float64(sum)
}
