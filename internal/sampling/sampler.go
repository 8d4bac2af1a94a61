// Package sampling turns one row of logits into one token.
//
// It is pure: a pick depends on the logits, the parameters, the seed and the step, and on nothing else, neither on earlier
// picks nor on neighbours in a batch. Randomness is counter-based (see Uniform), so step 17 of a request draws the same
// number whether or not steps 0 to 16 were drawn by the same Sampler. It knows nothing of models, text, batches or requests,
// and imports the standard library only. The passes over a row are in C, for the processor's vectors, and once more in Go for where
// there is no C compiler: the bits are the same on every processor.
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

	row   row         // scratch
	terms []float32   // scratch: probability of each token relative to the likeliest one's
	pool  []candidate // scratch: what may be drawn
	edge  []candidate // scratch: where the pool is cut
	mass  []float64   // scratch: terms by size; zero between picks

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

// Pick chooses a token from logits [vocab], without the adjustment, for the given step of the request (0 for the first generated
// token). The logits are only read.
//
// logprob is the natural logarithm of the token's probability under the *unmodified* softmax of the logits: temperature 1
// and no cut, whatever the parameters are. That is the quantity that learning compares between versions, and it stays
// comparable between requests with different parameters. It is within 1e-6 of its value, and of its rounding to float32.
//
// Negative infinity forbids a token. A NaN, a positive infinity, or nothing finite at all is an error that wraps ErrLogits.
func (s *Sampler) Pick(logits []float32, step uint64) (id int32, logprob float32, err error) {
	if s.err != nil {
		return 0, 0, s.err
	}
	if len(logits) != s.vocab {
		return 0, 0, fmt.Errorf("pick token: %d logits for a vocabulary of %d", len(logits), s.vocab)
	}
	if err := s.row.scan(logits); err != nil {
		return 0, 0, err
	}
	total := s.row.weigh(logits, scaleOf(1), nil)
	id = s.choose(logits, step, total)
	return id, s.row.logProb(logits[id], total), nil
}

// choose picks from logits that were scanned. total is their sum at temperature 1 when that is what r.sums hold, otherwise 0.
func (s *Sampler) choose(logits []float32, step uint64, total float64) int32 {
	if s.params.Temperature == 0 {
		return s.row.best(logits)
	}
	return s.draw(logits, Uniform(s.params.Seed, step), total)
}

// draw picks by inverting the cumulative distribution at u in [0, 1). total is as in choose. With TopK the order is that of
// likelihood, otherwise it is that of the ids.
func (s *Sampler) draw(logits []float32, u, total float64) int32 {
	p, scale := s.params, scaleOf(s.params.Temperature)
	switch {
	case p.TopK > 0 && p.TopK < len(logits):
		s.keepTop(logits, p.TopK)
		s.cutPool(scale)
	case p.TopP > 0 && p.TopP < 1, p.MinP > 0:
		s.keepNucleus(logits, scale)
	default:
		if p.Temperature != 1 || total == 0 {
			total = s.row.weigh(logits, scale, nil)
		}
		return s.invert(logits, scale, u*total)
	}
	goal, cum := u*sum(s.pool), 0.0
	for _, c := range s.pool {
		if cum += float64(c.weight); cum > goal {
			return c.id
		}
	}
	return s.pool[0].id // rounding: u*sum(…) reached the sum
}

// invert returns the first id whose cumulative weight exceeds goal, by the sums of blocks first.
func (s *Sampler) invert(logits []float32, scale float32, goal float64) int32 {
	cum, at := 0.0, 0
	for b, sum := range s.row.sums {
		if sum == 0 {
			continue
		}
		at = b
		if cum+float64(sum) > goal {
			break
		}
		cum += float64(sum)
	}
	last := int32(0)
	for i := at * block; i < min((at+1)*block, len(logits)); i++ {
		w := term(logits[i], s.row.top, scale)
		if w == 0 {
			continue
		}
		last = int32(i)
		if cum += float64(w); cum > goal {
			break
		}
	}
	return last // at the latest: rounding can keep a block from reaching its sum
}
