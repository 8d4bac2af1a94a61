package sampling

import (
	"fmt"
	"math"
	"sync"
)

// Adjustment changes logits by what stands in the text already, and by request. The zero value changes nothing.
//
// In this order: the logit of each token of prompt or answer is divided by Repetition if positive and multiplied by it if
// negative (Keskar et al.: CTRL, 2019); then a token that stands n times in the answer loses n·Frequency, and Presence if n > 0
// (as OpenAI documents); then Bias is added; then Ends are forbidden if the answer has fewer than MinTokens tokens.
type Adjustment struct {
	Repetition float32 // more than 0; 1 and 0 are off
	Presence   float32 // -2 to 2
	Frequency  float32 // -2 to 2
	Bias       []Bias
	MinTokens  int     // none of the answer's first so many tokens is one of Ends
	Ends       []int32 // tokens that end a text; without meaning when MinTokens is 0
}

// Bias is added to the logit of one token. Negative infinity forbids it.
type Bias struct {
	Token int32
	Value float32
}

// Check reports the first value that is out of range, by name.
func (a Adjustment) Check(vocab int) error {
	within := func(v, limit float32) bool { return v >= -limit && v <= limit }
	switch {
	case !(a.Repetition >= 0 && a.Repetition <= 100):
		return fmt.Errorf("check sampling: repetition_penalty %v: want more than 0, at most 100", a.Repetition)
	case !within(a.Presence, 2):
		return fmt.Errorf("check sampling: presence_penalty %v: want -2 to 2", a.Presence)
	case !within(a.Frequency, 2):
		return fmt.Errorf("check sampling: frequency_penalty %v: want -2 to 2", a.Frequency)
	case a.MinTokens < 0:
		return fmt.Errorf("check sampling: min_tokens %d: want at least 0", a.MinTokens)
	}
	for _, b := range a.Bias {
		if b.Token < 0 || int(b.Token) >= vocab {
			return fmt.Errorf("check sampling: logit_bias for token %d: the vocabulary has %d", b.Token, vocab)
		}
		if b.Value != b.Value || math.IsInf(float64(b.Value), 1) {
			return fmt.Errorf("check sampling: logit_bias %v for token %d: want a number", b.Value, b.Token)
		}
	}
	for _, id := range a.Ends {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("check sampling: token %d as an end: the vocabulary has %d", id, vocab)
		}
	}
	return nil
}

// Adjust sets the adjustment of PickAfter, until the next Reset. What Check refuses makes every pick fail with that error.
func (s *Sampler) Adjust(a Adjustment) {
	s.adjustment = a
	s.adjusted = (a.Repetition != 0 && a.Repetition != 1) || a.Presence != 0 || a.Frequency != 0 || len(a.Bias) > 0
	s.minTokens = a.MinTokens
	if s.err == nil {
		s.err = a.Check(s.vocab)
	}
}

// PickAfter is Pick with the adjustment, for an answer so far and the prompt before it. The log-probability is that of Pick:
// under the unmodified softmax of logits, which are only read.
func (s *Sampler) PickAfter(logits []float32, prompt, answer []int32, step uint64) (id int32, logprob float32, err error) {
	if (!s.adjusted && len(answer) >= s.minTokens) || s.err != nil || len(logits) != s.vocab {
		return s.Pick(logits, step)
	}
	if err := s.row.scan(logits); err != nil {
		return 0, 0, err
	}
	top, total := s.row.top, s.row.weigh(logits, scaleOf(1), nil)
	if err := s.adjust(logits, prompt, answer); err != nil {
		return 0, 0, err
	}
	if err := s.row.scan(s.logits); err != nil {
		return 0, 0, fmt.Errorf("adjust logits: %w", err)
	}
	id = s.choose(s.logits, step, 0)
	s.row.top = top
	return id, s.row.logProb(logits[id], total), nil
}

// adjust fills the scratch with the adjusted logits.
func (s *Sampler) adjust(logits []float32, prompt, answer []int32) error {
	s.logits = append(s.logits[:0], logits...)
	if len(s.counts) < s.vocab {
		s.counts = make([]int32, s.vocab)
	}
	for _, list := range [2][]int32{prompt, answer} {
		for _, id := range list {
			if id < 0 || int(id) >= s.vocab {
				return fmt.Errorf("pick token: token %d in the text: the vocabulary has %d", id, s.vocab)
			}
		}
	}
	a := s.adjustment
	for _, id := range answer {
		s.counts[id]++
	}
	repeat := func(id int32) {
		if v := &s.logits[id]; a.Repetition == 0 || s.counts[id] < 0 {
			return
		} else if *v > 0 {
			*v = min(*v/a.Repetition, max(*v, math.MaxFloat32)) // a tiny penalty takes it to the end of numbers, not beyond
		} else {
			*v *= a.Repetition
		}
	}
	for _, id := range answer { // each token once: its count turns negative
		if n := s.counts[id]; n > 0 {
			repeat(id)
			s.logits[id] -= float32(n)*a.Frequency + a.Presence
			s.counts[id] = -n
		}
	}
	for _, id := range prompt {
		repeat(id)
		s.counts[id] = -1
	}
	for _, list := range [2][]int32{prompt, answer} {
		for _, id := range list {
			s.counts[id] = 0
		}
	}
	for _, b := range a.Bias {
		s.logits[b.Token] += b.Value
	}
	if len(answer) < a.MinTokens {
		for _, id := range a.Ends {
			s.logits[id] = float32(math.Inf(-1))
		}
	}
	return nil
}

// Score is what the model whose logits these are thinks of a token: the natural logarithm of its probability under their
// softmax, and whether it is the likeliest one, the lowest id among equals. The error wraps ErrLogits.
func Score(logits []float32, id int32) (logprob float32, likeliest bool, err error) {
	if id < 0 || int(id) >= len(logits) {
		return 0, false, fmt.Errorf("score token: token %d: the vocabulary has %d", id, len(logits))
	}
	r := rows.Get().(*row)
	defer rows.Put(r)
	if err := r.scan(logits); err != nil {
		return 0, false, err
	}
	likeliest = logits[id] == r.top && id == r.best(logits)
	return r.logProb(logits[id], r.weigh(logits, scaleOf(1), nil)), likeliest, nil
}

// rows are for Score, which has no sampler.
var rows = sync.Pool{New: func() any { return new(row) }}

// Choice is a token and the natural logarithm of its probability.
type Choice struct {
	ID      int32
	LogProb float32
}

// Likeliest appends the n likeliest tokens under the unmodified softmax of logits to dst, likeliest first; fewer where the others are
// forbidden.
func (s *Sampler) Likeliest(dst []Choice, logits []float32, n int) ([]Choice, error) {
	if len(logits) != s.vocab {
		return dst, fmt.Errorf("rank tokens: %d logits for a vocabulary of %d", len(logits), s.vocab)
	}
	if err := s.row.scan(logits); err != nil {
		return dst, err
	}
	if n = min(n, len(logits)); n <= 0 {
		return dst, nil
	}
	total := s.row.weigh(logits, scaleOf(1), nil)
	s.keepTop(logits, n)
	for _, c := range s.pool {
		if math.IsInf(float64(c.logit), -1) {
			break // forbidden
		}
		dst = append(dst, Choice{ID: c.id, LogProb: s.row.logProb(c.logit, total)})
	}
	return dst, nil
}
