package train

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBalance(t *testing.T) {
	for _, c := range []struct {
		good, bad            int
		desirable, undesired float64
	}{{10, 10, 1, 1}, {30, 10, 1, 3}, {10, 20, 2, 1}, {100, 1, 1, 4}, {1, 100, 4, 1}, {0, 5, 1, 1}, {5, 0, 1, 1}} {
		if d, u := balance(c.good, c.bad); d != c.desirable || u != c.undesired {
			t.Errorf("%d good and %d bad: %g and %g", c.good, c.bad, d, u)
		}
	}
}

func TestMismatch(t *testing.T) {
	rated := func(prompt, completion int32) Rated {
		return Rated{Answer: Answer{Sequence: Sequence{ID: fmt.Sprint(prompt, "/", completion), Tokens: []int32{prompt, prompt, completion, 0}, Prompt: 2}}}
	}
	list := []Rated{rated(1, 10), rated(1, 11), rated(2, 10), rated(2, 12), rated(3, 13)}
	mismatch(rand.New(rand.NewPCG(5, 7)), list)
	for _, r := range list {
		m := r.mismatched
		if m == nil {
			t.Fatalf("%s has no other completion", r.ID)
		}
		if m.Prompt != 2 || !slices.Equal(m.prompt(), r.prompt()) || slices.Equal(m.completion(), r.completion()) {
			t.Errorf("%s became %v", r.ID, m.Tokens)
		}
		if !slices.ContainsFunc(list, func(o Rated) bool {
			return slices.Equal(o.completion(), m.completion()) && !slices.Equal(o.prompt(), r.prompt())
		}) {
			t.Errorf("%s got %v, which is not the answer to another prompt", r.ID, m.Tokens)
		}
	}
	for _, same := range [][]Rated{{rated(1, 10)}, {rated(1, 10), rated(1, 11)}, {rated(1, 10), rated(2, 10)}, nil} {
		mismatch(rand.New(rand.NewPCG(5, 7)), same)
		for _, r := range same {
			if r.mismatched != nil {
				t.Errorf("%s got %v", r.ID, r.mismatched.Tokens)
			}
		}
	}
}
