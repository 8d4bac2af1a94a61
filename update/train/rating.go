package train

import (
	"math/rand/v2"
	"slices"
)

// Rated is an answer that was found good or bad, without a better one beside it.
type Rated struct {
	Answer
	Good bool
	// Weight is that of its loss among the others; it must be positive.
	Weight float64
	// mismatched is the prompt with a completion that answered another one, nil where there is none.
	mismatched *Answer
}

// balance returns weights with which all good and all bad answers together count alike, λ_D·good = λ_U·bad, where people
// rate one kind more often. The kind that is rarer weighs up to four times as much as the other, which weighs 1: one complaint
// does not outweigh everybody else.
func balance(good, bad int) (desirable, undesirable float64) {
	if good == 0 || bad == 0 {
		return 1, 1
	}
	share := float64(bad) / float64(good)
	return min(4, max(1, share)), min(4, max(1, 1/share))
}

// mismatch pairs each prompt with a completion that answered another prompt, for KTO's baseline: the next one in a random
// order whose prompt and completion are both different. Where all have the same prompt or the same completion there is none.
func mismatch(r *rand.Rand, rated []Rated) {
	order := r.Perm(len(rated))
	for at, i := range order {
		own := rated[i]
		rated[i].mismatched = nil
		for step := 1; step < len(order); step++ {
			other := rated[order[(at+step)%len(order)]]
			if slices.Equal(own.prompt(), other.prompt()) || slices.Equal(own.completion(), other.completion()) {
				continue
			}
			rated[i].mismatched = &Answer{Sequence: Sequence{ID: own.ID + " mismatched", Tokens: slices.Concat(own.prompt(), other.completion()), Prompt: own.Prompt}}
			break
		}
	}
}

func (s Sequence) prompt() []int32     { return s.Tokens[:min(s.Prompt, len(s.Tokens))] }
func (s Sequence) completion() []int32 { return s.Tokens[min(s.Prompt, len(s.Tokens)):] }
