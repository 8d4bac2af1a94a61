package sampling

import (
	"math"
	"slices"
)

// candidate is a token that may be drawn.
type candidate struct {
	weight float32 // probability relative to the likeliest token's, at the request's temperature
	logit  float32
	id     int32
}

// likelier orders candidates strictly: larger logit first, lower id among equals.
func (a candidate) likelier(b candidate) bool {
	return a.logit > b.logit || (a.logit == b.logit && a.id < b.id)
}

// byLikelihood is that order, for sorting.
func byLikelihood(a, b candidate) int {
	switch {
	case a.likelier(b):
		return -1
	case b.likelier(a):
		return 1
	}
	return 0
}

func sum(pool []candidate) float64 {
	total := 0.0
	for _, c := range pool {
		total += float64(c.weight)
	}
	return total
}

// nucleus returns the length of the shortest prefix of pool, sorted by likelihood, whose weight reaches goal.
func nucleus(pool []candidate, goal float64) int {
	cum := 0.0
	for i, c := range pool {
		if cum += float64(c.weight); cum >= goal {
			return i + 1
		}
	}
	return len(pool)
}

// keepTop fills the pool with the k likeliest tokens of logits that were scanned, likeliest first, without weights.
//
// Each block has a token as large as its peak, so the k-th largest peak is at most the k-th largest logit, and only blocks with
// such a peak are looked into.
func (s *Sampler) keepTop(logits []float32, k int) {
	floor := float32(math.Inf(-1))
	s.pool = s.pool[:0]
	if k <= len(s.row.peaks) {
		for b, peak := range s.row.peaks {
			s.pool = append(s.pool, candidate{logit: peak, id: int32(b)})
		}
		selectFirst(s.pool, k)
		floor = s.pool[0].logit
		for _, c := range s.pool[:k] {
			floor = min(floor, c.logit)
		}
	}
	s.pool = s.pool[:0]
	for b, peak := range s.row.peaks {
		if peak < floor {
			continue
		}
		for i := b * block; i < min((b+1)*block, len(logits)); i++ {
			if v := logits[i]; v >= floor {
				s.pool = append(s.pool, candidate{logit: v, id: int32(i)})
			}
		}
	}
	selectFirst(s.pool, k)
	s.pool = s.pool[:k]
	slices.SortFunc(s.pool, byLikelihood)
}

// cutPool weighs the pool of keepTop and cuts it by TopP and MinP.
func (s *Sampler) cutPool(scale float32) {
	for i := range s.pool {
		s.pool[i].weight = term(s.pool[i].logit, s.row.top, scale)
	}
	if p := float64(s.params.TopP); p > 0 && p < 1 {
		s.pool = s.pool[:nucleus(s.pool, p*sum(s.pool))]
	}
	for n := len(s.pool); n > 1 && (s.pool[n-1].weight < s.params.MinP || s.pool[n-1].weight == 0); n-- {
		s.pool = s.pool[:n-1]
	}
}

// keepNucleus fills the pool with the smallest set of likeliest tokens that reaches TopP, less those that MinP cuts, in the
// order of their ids.
//
// The pool begins with what is at least as likely as some power of two from which on the tokens reach TopP together, so that it
// is small before it is sorted. Tokens whose probability is below (1-TopP)/vocab weigh together less than 1-TopP, so half of that
// bound, which leaves room for rounding, is low enough to begin with.
func (s *Sampler) keepNucleus(logits []float32, scale float32) {
	if cap(s.terms) < len(logits) {
		s.terms = make([]float32, len(logits))
	}
	terms := s.terms[:len(logits)]
	goal := s.row.weigh(logits, scale, terms)
	cut := s.params.TopP > 0 && s.params.TopP < 1
	floor := float32(math.SmallestNonzeroFloat32)
	if cut {
		_, exponent := math.Frexp((1 - float64(s.params.TopP)) * goal / float64(2*len(logits)))
		goal *= float64(s.params.TopP)
		low, high := 0, min(max(1-exponent, 0), -lowest)
		for range 2 { // nearer than that costs more than it saves
			if middle := (low + high) / 2; s.row.above(terms, power(middle)) >= goal {
				high = middle
			} else {
				low = middle + 1
			}
		}
		floor = power(high)
	}
	floor = max(floor, s.params.MinP)
	s.pool = s.pool[:0]
	for b, peak := range s.row.peaks {
		if term(peak, s.row.top, scale) < floor {
			continue
		}
		for i := b * block; i < min((b+1)*block, len(logits)); i++ {
			if w := terms[i]; w >= floor {
				s.pool = append(s.pool, candidate{weight: w, logit: logits[i], id: int32(i)})
			}
		}
	}
	if cut {
		s.cutNucleus(goal)
	}
}

// power is 2^-n.
func power(n int) float32 { return math.Float32frombits(uint32(127-n) << 23) }

// Classes of weights: 64 to each power of two, the largest weights first.
const (
	classBits   = 23 - 6
	classes     = 128 << 6 // as many as weights of 2^lowest need
	largestBits = 0x3f800000
)

// class is where a weight in (0, 1] belongs.
func class(weight float32) int {
	return max(0, (largestBits-int(math.Float32bits(weight)))>>classBits)
}

// cutNucleus drops from the pool what is not in its likeliest part that reaches goal. The weights are summed by class; only the
// class in which the goal is reached is sorted.
func (s *Sampler) cutNucleus(goal float64) {
	if s.mass == nil {
		s.mass = make([]float64, classes)
	}
	last := 0
	for _, c := range s.pool {
		k := class(c.weight)
		s.mass[k] += float64(c.weight)
		last = max(last, k)
	}
	cut, before := 0, 0.0
	for cut < last && before+s.mass[cut] < goal {
		before += s.mass[cut]
		cut++
	}
	clear(s.mass[:last+1])
	s.edge = s.edge[:0]
	for _, c := range s.pool {
		if class(c.weight) == cut {
			s.edge = append(s.edge, c)
		}
	}
	slices.SortFunc(s.edge, byLikelihood)
	lowest := s.edge[nucleus(s.edge, goal-before)-1]
	kept := s.pool[:0]
	for _, c := range s.pool {
		if k := class(c.weight); k < cut || k == cut && !lowest.likelier(c) {
			kept = append(kept, c)
		}
	}
	s.pool = kept
}

// selectFirst moves the k likeliest of the pool to its front, in no order.
func selectFirst(pool []candidate, k int) {
	for low, high := 0, len(pool)-1; low < high && k > low && k <= high; {
		a, b, c := pool[low], pool[(low+high)/2], pool[high]
		if b.likelier(a) {
			a, b = b, a
		}
		if c.likelier(b) {
			b = c
			if c.likelier(a) {
				b = a
			}
		}
		i, j := low, high
		for i <= j {
			for pool[i].likelier(b) {
				i++
			}
			for b.likelier(pool[j]) {
				j--
			}
			if i <= j {
				pool[i], pool[j] = pool[j], pool[i]
				i++
				j--
			}
		}
		switch { // low..j are likelier than what lies between, which is likelier than i..high
		case k <= j:
			high = j
		case k > i:
			low = i
		default:
			return
		}
	}
}
