package train

import (
	"fmt"
	"math"

	"nightshift/replaystore"
)

// TeacherTokens is how many tokens of a distribution are kept for distillation.
const TeacherTokens = 8

// minLogProb is written for a probability that float32 has no number for.
const minLogProb = -100

// ToTopLogProbs is how the distributions of one sequence are stored; ok is false where there are none, or something is not a number.
// Every distribution has as many tokens.
func ToTopLogProbs(list []Distribution) (t replaystore.TopLogProbs, ok bool) {
	for _, d := range list {
		t.K = len(d.IDs)
		for k, id := range d.IDs {
			l := math.Log(float64(d.Probs[k]))
			if math.IsNaN(l) || math.IsInf(l, 1) {
				return t, false
			}
			t.IDs, t.LogProbs = append(t.IDs, id), append(t.LogProbs, float32(max(l, minLogProb)))
		}
	}
	return t, t.K > 0 && len(t.IDs) == t.K*len(list)
}

// FromTopLogProbs reads what ToTopLogProbs made, over a vocabulary of so many tokens. What a stored distribution leaves is its tail.
func FromTopLogProbs(t replaystore.TopLogProbs, vocab int) ([]Distribution, error) {
	if t.K < 1 || t.K > vocab || len(t.IDs) == 0 || len(t.IDs)%t.K != 0 || len(t.LogProbs) != len(t.IDs) {
		return nil, fmt.Errorf("read stored teacher: %d ids and %d log-probabilities of %d for each token are none over a vocabulary of %d", len(t.IDs), len(t.LogProbs), t.K, vocab)
	}
	list := make([]Distribution, len(t.IDs)/t.K)
	for p := range list {
		ids, seen := make([]int64, t.K), map[int32]bool{}
		for k := range ids {
			id := t.IDs[p*t.K+k]
			if id < 0 || int(id) >= vocab || seen[id] {
				return nil, fmt.Errorf("read stored teacher: token %d of position %d is outside a vocabulary of %d, or there twice", id, p, vocab)
			}
			ids[k], seen[id] = int64(id), true
		}
		list[p] = distribution(ids, t.LogProbs[p*t.K:(p+1)*t.K], vocab)
	}
	return list, nil
}
