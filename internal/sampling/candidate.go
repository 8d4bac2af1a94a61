package sampling

import "slices"

// candidate is a token that may be drawn.
type candidate struct {
	weight float64 // probability relative to the likeliest token's, at the request's temperature
	logit  float32
	id     int32
}

// likelier orders candidates strictly: larger logit first, lower id among equals.
func (a candidate) likelier(b candidate) bool {
	return a.logit > b.logit || (a.logit == b.logit && a.id < b.id)
}

func total(pool []candidate) float64 {
	sum := 0.0
	for _, c := range pool {
		sum += c.weight
	}
	return sum
}

// nucleus returns the length of the shortest prefix of pool, sorted by likelihood, whose weight reaches goal.
func nucleus(pool []candidate, goal float64) int {
	cum := 0.0
	for i, c := range pool {
		if cum += c.weight; cum >= goal {
			return i + 1
		}
	}
	return len(pool)
}

// selectTop fills the pool with the k likeliest tokens, in no order. The pool is a heap with the least likely candidate at
// its root, so most logits cost one comparison.
func (s *Sampler) selectTop(logits []float32, k int) {
	if cap(s.pool) < k {
		s.pool = make([]candidate, 0, k)
	}
	unlikelier := func(a, b candidate) bool { return b.likelier(a) }
	for i, v := range logits {
		c := candidate{logit: v, id: int32(i)}
		switch {
		case len(s.pool) < k:
			s.pool = append(s.pool, c)
			if len(s.pool) == k {
				heapify(s.pool, unlikelier)
			}
		case c.likelier(s.pool[0]):
			s.pool[0] = c
			sink(s.pool, 0, unlikelier)
		}
	}
}

// sortPool sorts by likelihood.
func (s *Sampler) sortPool() {
	slices.SortFunc(s.pool, func(a, b candidate) int {
		if a.likelier(b) {
			return -1
		}
		return 1
	})
}

// cutPool weighs the pool of selectTop, sorted by likelihood, and cuts it by TopP and MinP.
func (s *Sampler) cutPool(top, inverse float64) {
	for i := range s.pool {
		s.pool[i].weight = weight(s.pool[i].logit, top, inverse)
	}
	if p := float64(s.params.TopP); p > 0 && p < 1 {
		s.pool = s.pool[:nucleus(s.pool, p*total(s.pool))]
	}
	for n := len(s.pool); n > 1 && s.pool[n-1].weight < float64(s.params.MinP); n-- {
		s.pool = s.pool[:n-1]
	}
}

// selectNucleus fills the pool with the smallest set of likeliest tokens that reaches TopP, less those that MinP cuts, sorted by
// likelihood.
//
// Tokens whose probability is below (1-TopP)/vocab weigh together less than 1-TopP, so none of them is in the nucleus: they
// are dropped first (by half that bound, which leaves room for rounding), and the heap is small.
func (s *Sampler) selectNucleus(logits []float32, top, inverse float64) {
	if cap(s.pool) < len(logits) {
		s.pool = make([]candidate, 0, len(logits))
	}
	topP := float64(s.params.TopP)
	if topP == 0 {
		topP = 1
	}
	sum := weigh(logits, top, inverse)
	floor := max((1-topP)*sum/float64(2*len(logits)), float64(s.params.MinP))
	for i, v := range logits {
		if w := weight(v, top, inverse); w > 0 && w >= floor {
			s.pool = append(s.pool, candidate{weight: w, logit: v, id: int32(i)})
		}
	}
	heapify(s.pool, candidate.likelier)
	// Pop into the tail, then bring the tail to the front in order.
	n, cum, goal := len(s.pool), 0.0, topP*sum
	for n > 0 && (cum < goal || topP == 1) {
		n--
		s.pool[0], s.pool[n] = s.pool[n], s.pool[0]
		sink(s.pool[:n], 0, candidate.likelier)
		cum += s.pool[n].weight
	}
	kept := len(s.pool) - n
	for i, j := n, len(s.pool)-1; i < j; i, j = i+1, j-1 {
		s.pool[i], s.pool[j] = s.pool[j], s.pool[i]
	}
	copy(s.pool, s.pool[n:])
	s.pool = s.pool[:kept]
}

// heapify makes pool a heap whose root comes before all others.
func heapify(pool []candidate, before func(a, b candidate) bool) {
	for i := len(pool)/2 - 1; i >= 0; i-- {
		sink(pool, i, before)
	}
}

// sink moves pool[i] down to its place.
func sink(pool []candidate, i int, before func(a, b candidate) bool) {
	for {
		child := 2*i + 1
		if child >= len(pool) {
			return
		}
		if child+1 < len(pool) && before(pool[child+1], pool[child]) {
			child++
		}
		if !before(pool[child], pool[i]) {
			return
		}
		pool[i], pool[child] = pool[child], pool[i]
		i = child
	}
}
