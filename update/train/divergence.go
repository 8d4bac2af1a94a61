package train

import (
	"fmt"
	"math"
)

// Divergence is how far models are from one on the completions of a list of sequences.
type Divergence struct {
	scorer *Scorer
	list   []Sequence // with the first model's likeliest tokens as targets
	self   [][]float64
	tail   [][]float64
}

// NewDivergence reads the distributions of the model with the given parameters over the tokens that carry loss: the scorer's
// likeliest tokens each, all others as one. The scorer stays the caller's.
func NewDivergence(s *Scorer, params []float32, list []Sequence) (*Divergence, error) {
	if len(params) != len(s.params) {
		return nil, fmt.Errorf("measure divergence: %d parameters were given, the graph has %d", len(params), len(s.params))
	}
	copy(s.params, params)
	d := &Divergence{scorer: s, self: make([][]float64, len(list)), tail: make([][]float64, len(list))}
	for _, q := range list {
		if q.Prompt < 1 {
			q.Prompt = 1 // the first token has no distribution
		}
		targets := make([]Distribution, len(q.Tokens)-q.Prompt)
		d.list = append(d.list, Sequence{ID: q.ID, Tokens: q.Tokens, Prompt: q.Prompt, Teacher: targets, TeacherShare: 1})
	}
	for _, b := range Pack(d.list, s.rows, s.columns) {
		if b.Positions == 0 {
			continue
		}
		ids, logprobs, _, err := s.run(b)
		if err != nil {
			return nil, err
		}
		for p, origin := range b.Origin {
			q := &d.list[origin.Sequence]
			target := Distribution{IDs: make([]int32, s.top), Probs: make([]float32, s.top)}
			self, rest := 0.0, 1.0
			for k := range s.top {
				l := float64(logprobs[p*s.top+k])
				target.IDs[k], target.Probs[k] = int32(ids[p*s.top+k]), float32(math.Exp(l))
				self += math.Exp(l) * l
				rest -= math.Exp(l)
			}
			q.Teacher[origin.Token-q.Prompt] = target
			d.self[origin.Sequence], d.tail[origin.Sequence] = append(d.self[origin.Sequence], self), append(d.tail[origin.Sequence], max(0, rest))
		}
	}
	return d, nil
}

// minTail keeps what rounding leaves of a tail from being divided by.
const minTail = 1e-7

// From returns for each sequence KL(first ‖ second) in nats summed over its tokens, and how many those are; the second model is the one
// with the given parameters. With q the first model's probabilities and p the second's, over the first's likeliest tokens K and
// the rest:
//
//	Σ_{k∈K} q_k·log(q_k/p_k) + q_rest·log(q_rest/p_rest)
//
// It is never above the divergence over the whole vocabulary, because what is lumped together can only look more alike (log-sum
// inequality; Cover & Thomas 2006, theorem 2.7.1). p_rest is read off the second model's own likeliest tokens: one of K that is not
// among them counts as part of the rest, which lowers the figure once more, by less than that token's probability. What is
// within rounding below 0 is 0.
func (d *Divergence) From(params []float32) (nats []float64, tokens []int, err error) {
	s := d.scorer
	if len(params) != len(s.params) {
		return nil, nil, fmt.Errorf("measure divergence: %d parameters were given, the graph has %d", len(params), len(s.params))
	}
	copy(s.params, params)
	nats, tokens = make([]float64, len(d.list)), make([]int, len(d.list))
	for _, b := range Pack(d.list, s.rows, s.columns) {
		if b.Positions == 0 {
			continue
		}
		ids, logprobs, cross, err := s.run(b)
		if err != nil {
			return nil, nil, err
		}
		for p, origin := range b.Origin {
			i := origin.Sequence
			known := map[int32]bool{}
			for _, id := range d.list[i].Teacher[origin.Token-d.list[i].Prompt].IDs {
				known[id] = true
			}
			rest := 1.0
			for k := range s.top {
				if known[int32(ids[p*s.top+k])] {
					rest -= math.Exp(float64(logprobs[p*s.top+k]))
				}
			}
			at := tokens[i]
			kl := d.self[i][at] - float64(cross[p])
			if q := d.tail[i][at]; q > minTail {
				kl += q * math.Log(q/max(rest, minTail))
			}
			nats[i] += max(0, kl)
			tokens[i]++
		}
	}
	return nats, tokens, nil
}
