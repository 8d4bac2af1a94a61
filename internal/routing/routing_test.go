package routing_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"nightshift/internal/routing"
)

// profile counts texts.
func profile(texts ...[]int32) *routing.Profile {
	p := &routing.Profile{}
	for _, t := range texts {
		p.Add(t)
	}
	return p
}

// repeated is a text n times.
func repeated(n int, tokens ...int32) (texts [][]int32) {
	for range n {
		texts = append(texts, tokens)
	}
	return texts
}

func TestChoose(t *testing.T) {
	r := routing.New(map[string]*routing.Profile{
		"rail": profile(repeated(40, 1, 2, 10, 11)...), "shop": profile(repeated(40, 1, 2, 20, 21)...), "none": profile(),
	}, 100)
	for _, c := range []struct {
		name   string
		tokens []int32
		may    func(string) bool
		want   string
		sure   bool
	}{
		{"its words", []int32{1, 10, 11, 10}, nil, "rail", true},
		{"the other's words", []int32{21, 20, 20}, nil, "shop", true},
		{"words that both have", []int32{1, 2, 1, 2}, nil, "rail", false},
		{"words that neither has", []int32{70, 71, 72}, nil, "rail", false},
		{"no words", nil, nil, "rail", false},
		{"the likelier one is not allowed", []int32{10, 11, 10}, func(name string) bool { return name == "shop" }, "shop", false},
		{"none is allowed", []int32{10, 11}, func(string) bool { return false }, "", false},
	} {
		got := r.Choose(c.tokens, c.may)
		if got.Name != c.want || (got.Confidence >= 0.8) != c.sure {
			t.Errorf("%s: %+v, want %s, sure: %v", c.name, got, c.want, c.sure)
		}
	}
	if got := routing.New(nil, 100).Choose([]int32{1}, nil); got != (routing.Choice{}) {
		t.Errorf("a router without profiles chooses %+v", got)
	}
	if names := r.Names(); len(names) != 2 {
		t.Errorf("an empty profile can be chosen: %v", names)
	}
}

// TestChooseIsAProbability: confidence stays within its bounds, also for long texts, and a profile that has seen more does not get
// what neither has seen.
func TestChooseIsAProbability(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	few, many := &routing.Profile{}, &routing.Profile{}
	for i := range 5000 {
		many.Add([]int32{int32(random.IntN(300))})
		if i%100 == 0 {
			few.Add([]int32{int32(300 + random.IntN(300))})
		}
	}
	r := routing.New(map[string]*routing.Profile{"few": few, "many": many}, 1000)
	for _, n := range []int{1, 10, 100, 5000} {
		for _, base := range []int32{0, 300, 600} {
			tokens := make([]int32, n)
			for i := range tokens {
				tokens[i] = base + int32(random.IntN(300))
			}
			c := r.Choose(tokens, nil)
			if math.IsNaN(c.Confidence) || c.Confidence < 0 || c.Confidence > 1 {
				t.Errorf("%d tokens from %d: confidence %v", n, base, c.Confidence)
			}
			if base == 600 && c.Confidence > 0.6 {
				t.Errorf("%d tokens that nobody has seen are %s's with %v", n, c.Name, c.Confidence)
			}
			if base == 0 && n >= 10 && (c.Name != "many" || c.Confidence < 0.8) {
				t.Errorf("%d of many's tokens: %+v", n, c)
			}
		}
	}
}
