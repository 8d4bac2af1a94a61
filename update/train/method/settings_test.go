package method

import (
	"slices"
	"strings"
	"testing"
)

// TestTable: every method has a key of its own, a family and a check, and says by its key that it is on.
func TestTable(t *testing.T) {
	all := Settings{Anchor: 1, EWC: 2, EWCOn: OnFactors, SI: 1, SIDamping: 1, Sparsity: 4, Project: true, RoundSteps: 5, RoundShare: 1, Average: 0.5, Slow: 0.5, Orthogonal: 1, OrthogonalRank: 8}
	var keys []string
	for _, m := range Table {
		if m.Key == "" || slices.Contains(keys, m.Key) || !slices.Contains([]string{Memory, Regularization, Modular, Meta}, m.Family) || m.check == nil || m.on(Settings{}) {
			t.Errorf("method %q of family %q", m.Key, m.Family)
		}
		keys = append(keys, m.Key)
	}
	if on := all.On(); !slices.Equal(on, keys) {
		t.Errorf("on are %v of %v", on, keys)
	}
}

func TestCheck(t *testing.T) {
	if err := (Settings{Anchor: 1, EWC: 2, EWCOn: OnFactors, EWCExamples: 3, Sparsity: 4, Project: true, RoundSteps: 5, RoundShare: 1, Average: 0.5}).Check(); err != nil {
		t.Error(err)
	}
	for want, m := range map[string]Settings{
		"anchor -1":            {Anchor: -1},
		`ewc on "weights"`:     {EWC: 1, EWCOn: "weights"},
		"on -1 examples":       {EWCExamples: -1},
		"rounds of 2 steps":    {RoundSteps: 2},
		"must be of factors":   {EWC: 1, EWCKeep: 0.5},
		"a share of 2 of":      {EWC: 1, EWCOn: OnFactors, EWCKeep: 2},
		"si of strength 1":     {SI: 1},
		"rounds of -2 steps":   {RoundSteps: -2, RoundShare: 1},
		"of the average is 1,": {Average: 1},
	} {
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
