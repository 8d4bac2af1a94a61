package train

import (
	"fmt"
	"slices"
)

// Answer is a completion that an objective weighs.
type Answer struct {
	Sequence // its Weight and Teacher are not used
	// Reference is log p(completion | prompt) under the champion, summed over the tokens that carry loss, in nats. It is
	// filled in by Scorer.References.
	Reference float64
	// Served is how the server recorded the answer, nil where it did not make it.
	Served *Served
}

// Preference says that of two completions of the same prompt one is better: a correction and the answer that it corrects.
type Preference struct {
	ID               string
	Chosen, Rejected Answer
	// Weight is that of its loss among the others; it must be positive.
	Weight float64
}

// NewPreference puts a preference of weight 1 together from a prompt and two completions, each with its end-of-text token
// where the answer came to its own end.
//
// With changedOnly the tokens that both completions begin with carry no loss. Loss and gradient of DPO stay what they are,
// because the two terms of such a token cancel: only work is saved, and rounding. (They differ by what is cut where a sequence
// is longer than a row.) Objectives that are not functions of the difference would change.
func NewPreference(id string, prompt, chosen, rejected []int32, changedOnly bool) (Preference, error) {
	if len(prompt) == 0 {
		return Preference{}, fmt.Errorf("make preference %s: it has no prompt", id)
	}
	same := shared(chosen, rejected)
	if same == len(chosen) && same == len(rejected) {
		return Preference{}, fmt.Errorf("make preference %s: chosen and rejected are the same %d tokens, so it says nothing; leave it out", id, same)
	}
	start := len(prompt)
	if changedOnly {
		start += same
	}
	answer := func(name string, completion []int32) Answer {
		return Answer{Sequence: Sequence{ID: id + " " + name, Tokens: slices.Concat(prompt, completion), Prompt: start}}
	}
	return Preference{ID: id, Chosen: answer("chosen", chosen), Rejected: answer("rejected", rejected), Weight: 1}, nil
}

// shared is the number of tokens that both begin with.
func shared(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
