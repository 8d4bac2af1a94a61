package train

import (
	"math"
	"strings"
	"testing"

	"nightshift/replaystore"
)

// TestStoredDistributions stores distributions and reads them back, tails included.
func TestStoredDistributions(t *testing.T) {
	list := []Distribution{{IDs: []int32{3, 1}, Probs: []float32{0.5, 0.25}, Tail: 0.25}, {IDs: []int32{0, 7}, Probs: []float32{1, 0}}}
	stored, ok := ToTopLogProbs(list)
	if !ok || stored.K != 2 || len(stored.IDs) != 4 {
		t.Fatalf("stored %+v, %t", stored, ok)
	}
	item := replaystore.MemoryItem{Example: replaystore.Example{ID: "a", Kind: replaystore.SFT, Prompt: []replaystore.Message{{Role: "user", Content: "q"}}, Completion: "b", Teacher: &stored}}
	if err := item.Validate(); err != nil && strings.Contains(err.Error(), "teacher") {
		t.Errorf("the store refuses it: %v", err)
	}
	back, err := FromTopLogProbs(stored, 8)
	if err != nil || len(back) != 2 {
		t.Fatalf("read back %v, %v", back, err)
	}
	for p, d := range back {
		if math.Abs(float64(d.Tail-list[p].Tail)) > 1e-6 {
			t.Errorf("distribution %d has a tail of %g, want %g", p, d.Tail, list[p].Tail)
		}
		for k := range d.IDs {
			if d.IDs[k] != list[p].IDs[k] || math.Abs(float64(d.Probs[k]-list[p].Probs[k])) > 1e-6 {
				t.Errorf("distribution %d is %+v, want %+v", p, d, list[p])
			}
		}
	}
	for name, d := range map[string][]Distribution{"none": nil, "empty": {{}}, "ragged": {{IDs: []int32{1}, Probs: []float32{1}}, {}}, "no number": {{IDs: []int32{1}, Probs: []float32{float32(math.NaN())}}}} {
		if got, ok := ToTopLogProbs(d); ok {
			t.Errorf("%s: stored as %+v", name, got)
		}
	}
	for name, s := range map[string]replaystore.TopLogProbs{"nothing": {}, "part of a token": {K: 2, IDs: []int32{1, 2, 3}, LogProbs: []float32{-1, -1, -1}},
		"beyond the vocabulary": {K: 1, IDs: []int32{8}, LogProbs: []float32{-1}}, "below it": {K: 1, IDs: []int32{-1}, LogProbs: []float32{-1}},
		"twice": {K: 2, IDs: []int32{3, 3}, LogProbs: []float32{-1, -2}}, "lengths": {K: 1, IDs: []int32{3}}, "more than there are": {K: 9, IDs: make([]int32, 9), LogProbs: make([]float32, 9)}} {
		if got, err := FromTopLogProbs(s, 8); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}
