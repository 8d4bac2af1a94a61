// Package sampling turns one row of logits into one token.
//
// It is pure: a pick depends on the logits, the parameters, the seed and the step, and on nothing else, neither on earlier
// picks nor on neighbours in a batch. Randomness is counter-based (see Uniform), so step 17 of a request draws the same
// number whether or not steps 0 to 16 were drawn by the same Sampler. It knows nothing of models, text, batches or requests,
// and imports the standard library only.
package sampling

import (
	"errors"
	"fmt"
	"math"
)

// Params says how a token is chosen. The zero value is greedy.
//
// The distribution is softmax(logits/Temperature), cut first to the TopK likeliest tokens, then, renormalised, to the
// smallest set of likeliest tokens whose probability reaches TopP, then to the tokens at least MinP times as likely as the
// likeliest; what is left is renormalised. Among equal logits the lower id counts as likelier.
type Params struct {
	Temperature float32 // 0 is greedy: the largest logit, the lowest id among equals
	TopP        float32 // in (0, 1); 0 and 1 are off
	MinP        float32 // in (0, 1]; 0 is off
	TopK        int     // 0 is off
	Seed        uint64
}

// ErrLogits is wrapped by the errors of Pick that are about the logits: a NaN, a positive infinity, or nothing finite.
// It says that the model is broken, not the request.
var ErrLogits = errors.New("logits are not usable")

// Check reports the first parameter that is out of range, by name.
func (p Params) Check() error {
	finite := func(v float32) bool { return v == v && !math.IsInf(float64(v), 0) }
	switch {
	case !finite(p.Temperature) || p.Temperature < 0:
		return fmt.Errorf("check sampling: temperature %v: want a number of at least 0", p.Temperature)
	case !finite(p.TopP) || p.TopP < 0 || p.TopP > 1:
		return fmt.Errorf("check sampling: top_p %v: want 0 to 1", p.TopP)
	case !finite(p.MinP) || p.MinP < 0 || p.MinP > 1:
		return fmt.Errorf("check sampling: min_p %v: want 0 to 1", p.MinP)
	case p.TopK < 0:
		return fmt.Errorf("check sampling: top_k %d: want at least 0", p.TopK)
	}
	return nil
}

// Sampler picks tokens for one request at a time. It owns its scratch memory and so serves one goroutine; after the first
// pick with given parameters it allocates nothing.
type Sampler struct {
	params Params
	vocab  int
	err    error
	pool   []candidate // scratch: what may be drawn

	adjustment Adjustment
	adjusted   bool      // the adjustment changes logits at every step
	minTokens  int       // the adjustment changes logits at so many steps
	logits     []float32 // scratch: adjusted logits
	counts     []int32   // scratch: how often a token stands in the answer; zero between picks
}

// New returns a sampler over vocab tokens. Parameters that Check refuses make every Pick fail with that error.
func New(p Params, vocab int) *Sampler {
	s := &Sampler{vocab: vocab}
	s.Reset(p)
	return s
}

// Reset gives the sampler to another request and keeps its scratch memory.
func (s *Sampler) Reset(p Params) {
	s.params, s.err = p, p.Check()
	s.adjustment, s.adjusted, s.minTokens = Adjustment{}, false, 0
	if s.err == nil && s.vocab <= 0 {
		s.err = fmt.Errorf("check sampling: vocabulary of %d tokens: want at least 1", s.vocab)
	}
}

// Params returns what the sampler picks by.
func (s *Sampler) Params() Params { return s.params }

// Pick chooses a token from logits [vocab], without the adjustment, for the given step of the request (0 for the first generated token). The logits
// are only read.
//
// logprob is the natural logarithm of the token's probability under the *unmodified* softmax of the logits: temperature 1
// and no cut, whatever the parameters are. That is the quantity that learning compares between versions, and it stays
// comparable between requests with different parameters.
//
// Negative infinity forbids a token. A NaN, a positive infinity, or nothing finite at all is an error that wraps ErrLogits.
func (s *Sampler) Pick(logits []float32, step uint64) (id int32, logprob float32, err error) {
	if s.err != nil {
		return 0, 0, s.err
	}
	if len(logits) != s.vocab {
		return 0, 0, fmt.Errorf("pick token: %d logits for a vocabulary of %d", len(logits), s.vocab)
	}
	best, err := argmax(logits)
	if err != nil {
		return 0, 0, err
	}
	top := float64(logits[best])
	id = best
	if s.params.Temperature > 0 {
		id = s.draw(logits, top, Uniform(s.params.Seed, step))
	}
	return id, float32(float64(logits[id]) - top - math.Log(weigh(logits, top, 1))), nil
}

// argmax returns the lowest id among the largest logits, having checked all of them.
func argmax(logits []float32) (int32, error) {
	best, top := -1, float32(math.Inf(-1))
	for i, v := range logits {
		if v != v {
			return 0, fmt.Errorf("pick token: logit %d is NaN: %w", i, ErrLogits)
		}
		if v > top {
			best, top = i, v
		}
	}
	if best < 0 {
		return 0, fmt.Errorf("pick token: no logit above negative infinity: %w", ErrLogits)
	}
	if math.IsInf(float64(top), 1) {
		return 0, fmt.Errorf("pick token: logit %d is infinite: %w", best, ErrLogits)
	}
	return int32(best), nil
}

// negligible is an exponent whose weight cannot change a sum that starts at 1: 2^20 tokens of e^-52 are below half an ulp.
const negligible = -52

// weight is the probability of a logit relative to the largest one, at an inverse temperature.
func weight(logit float32, top, inverse float64) float64 {
	x := float64(logit) - top
	if x *= inverse; x < negligible {
		return 0
	}
	return exponential(x)
}

// weigh sums the weights of all logits; the result is at least 1.
func weigh(logits []float32, top, inverse float64) float64 {
	sum := 0.0
	for _, v := range logits {
		sum += weight(v, top, inverse)
	}
	return sum
}

// draw picks by inverting the cumulative distribution at u in [0, 1). Without a cut the order is that of the ids, with one it
// is that of likelihood.
func (s *Sampler) draw(logits []float32, top, u float64) int32 {
	p, inverse := s.params, 1/float64(s.params.Temperature)
	cutK := p.TopK > 0 && p.TopK < len(logits)
	cutP := p.TopP > 0 && p.TopP < 1
	if !cutK && !cutP && p.MinP == 0 {
		return invert(logits, top, inverse, u*weigh(logits, top, inverse))
	}
	s.pool = s.pool[:0]
	if cutK {
		s.selectTop(logits, p.TopK)
		s.sortPool()
		s.cutPool(top, inverse)
	} else {
		s.selectNucleus(logits, top, inverse)
	}
	goal, cum := u*total(s.pool), 0.0
	for _, c := range s.pool {
		if cum += c.weight; cum > goal {
			return c.id
		}
	}
	return s.pool[0].id // rounding: u*total(…) reached the total
}

// invert returns the first id whose cumulative weight exceeds goal.
func invert(logits []float32, top, inverse, goal float64) int32 {
	cum, last := 0.0, 0
	for i, v := range logits {
		w := weight(v, top, inverse)
		if w == 0 {
			continue
		}
		if cum, last = cum+w, i; cum > goal {
			return int32(i)
		}
	}
	return int32(last) // rounding: goal reached the total
}
