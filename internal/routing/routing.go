// Package routing tells texts of different kinds apart by their tokens, so that a request that names no track can be given to
// the one that learned from such requests.
//
// It is a naive Bayes classifier. A profile counts the tokens of one kind of text; its probability of a token is smoothed
// towards what all profiles together say (Dirichlet prior, Zhai & Lafferty 2004, equation 6). All of them together are
// a kind of their own too, which stands for "none of these": a text that speaks for no profile more than for all of
// them is nobody's, however it may rank them.
//
// Invariants: counts of one profile never change another's, so that nothing is forgotten; the same text and profiles give
// the same answer. It reads nothing and knows no tokenizer, no track and no model.
package routing

import (
	"maps"
	"math"
	"slices"
)

// prior is how many tokens the common distribution counts for in a profile.
const prior = 200

// Profile counts the tokens of one kind of text. The zero value is empty.
type Profile struct {
	counts map[int32]float64
	total  float64
}

// Add counts a text's tokens.
func (p *Profile) Add(tokens []int32) {
	if p.counts == nil {
		p.counts = map[int32]float64{}
	}
	for _, t := range tokens {
		p.counts[t]++
	}
	p.total += float64(len(tokens))
}

// Empty says whether nothing was counted.
func (p *Profile) Empty() bool { return p.total == 0 }

// Router compares profiles. It is immutable.
type Router struct {
	names    []string // sorted
	profiles []*Profile
	common   map[int32]float64 // probability of a token in all profiles alike
	floor    float64           // of a token that is in none
}

// New returns a router over the profiles that are not empty; they must not change any more. vocab is how many tokens there are.
func New(profiles map[string]*Profile, vocab int) *Router {
	r := &Router{common: map[int32]float64{}}
	for _, name := range slices.Sorted(maps.Keys(profiles)) {
		if !profiles[name].Empty() {
			r.names, r.profiles = append(r.names, name), append(r.profiles, profiles[name])
		}
	}
	largest := 0.0
	for _, p := range r.profiles {
		largest = max(largest, p.total)
	}
	// Laplace: one count for each token of the vocabulary, shared by all.
	share := 1 / (largest + float64(vocab))
	r.floor = share
	for _, p := range r.profiles {
		for t, n := range p.counts {
			r.common[t] += n / p.total * largest * share / float64(len(r.profiles))
		}
	}
	for t := range r.common {
		r.common[t] += share
	}
	return r
}

// Names lists the profiles that can be chosen, sorted.
func (r *Router) Names() []string { return r.names }

// Choice is what a router thinks of a text.
type Choice struct {
	Name       string  // the likeliest of the profiles that may be chosen, "" for none; of equals the first by name
	Confidence float64 // the probability that it is that one's and neither another's nor nobody's, all alike before
}

// Choose finds the likeliest profile among those that may be chosen, nil for all. The confidence takes all profiles into account.
func (r *Router) Choose(tokens []int32, may func(name string) bool) Choice {
	best, at := 0.0, -1
	scores := make([]float64, len(r.profiles)) // logarithms of likelihoods relative to that of all profiles together
	for i, p := range r.profiles {
		for _, t := range tokens {
			common, ok := r.common[t]
			if !ok {
				common = r.floor
			}
			scores[i] += math.Log((p.counts[t]/common + prior) / (p.total + prior))
		}
		if may == nil || may(r.names[i]) {
			if at < 0 || scores[i] > best {
				best, at = scores[i], i
			}
		}
	}
	if at < 0 {
		return Choice{}
	}
	total := math.Exp(-best) // of all together, whose logarithm is 0
	for _, s := range scores {
		total += math.Exp(s - best)
	}
	return Choice{Name: r.names[at], Confidence: 1 / total}
}
