package method

import (
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/config"
)

// TestTable: every method has a key of its own, and a family, and says by its key that it is on.
func TestTable(t *testing.T) {
	all := Settings{Anchor: 1, EWC: 2, EWCOn: OnFactors, SI: 1, SIDamping: 1, Sparsity: 4, Project: true, RoundSteps: 5, RoundShare: 1, Average: 0.5, Slow: 0.5, Orthogonal: 1, OrthogonalRank: 8}
	var keys []string
	for _, m := range Table {
		if m.Key == "" || slices.Contains(keys, m.Key) || !slices.Contains([]string{Memory, Regularization, Modular, Meta}, m.Family) || m.on(Settings{}) {
			t.Errorf("method %q of family %q", m.Key, m.Family)
		}
		keys = append(keys, m.Key)
	}
	if on := all.On(); !slices.Equal(on, keys) {
		t.Errorf("on are %v of %v", on, keys)
	}
}

func TestCheck(t *testing.T) {
	on := func(change func(s *Settings)) error {
		s := Defaults()
		change(&s)
		return config.Check("methods", s)
	}
	if err := on(func(s *Settings) {
		s.Anchor, s.EWC, s.EWCOn, s.EWCExamples, s.Sparsity, s.Project, s.RoundSteps, s.Average = 1, 2, OnFactors, 3, 4, true, 5, 0.5
	}); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(s *Settings){
		"anchor: want at least 0":                                         func(s *Settings) { s.Anchor = -1 },
		"anchor: want a number":                                           func(s *Settings) { s.Anchor = math.NaN() },
		"ewc_on: want one of products, factors":                           func(s *Settings) { s.EWC, s.EWCOn = 1, "weights" },
		"ewc_examples: want at least 0":                                   func(s *Settings) { s.EWCExamples = -1 },
		"round_share: want at least 0.001":                                func(s *Settings) { s.RoundSteps, s.RoundShare = 2, 0 },
		"round_steps: want at least 0":                                    func(s *Settings) { s.RoundSteps = -2 },
		"ewc_keep: want 0, or ewc_on: factors":                            func(s *Settings) { s.EWC, s.EWCKeep = 1, 0.5 },
		"ewc_keep: want at most 1":                                        func(s *Settings) { s.EWC, s.EWCOn, s.EWCKeep = 1, OnFactors, 2 },
		"si_damping: want at least 1e-12":                                 func(s *Settings) { s.SI, s.SIDamping = 1, 0 },
		"average: want at most 0.99999":                                   func(s *Settings) { s.Average = 1 },
		"slow: want at most 0.99":                                         func(s *Settings) { s.Slow = 1 },
		"slow: want at least 0":                                           func(s *Settings) { s.Slow = -0.1 },
		"methods.orthogonal: want at least 0":                             func(s *Settings) { s.Orthogonal = -1 },
		"orthogonal_rank: want at least 1":                                func(s *Settings) { s.Orthogonal, s.OrthogonalRank = 1, 0 },
		"methods.orthogonal: want 0, or slow, si and ewc_keep 0":          func(s *Settings) { s.Orthogonal, s.Slow = 1, 0.5 },
		"configuration: methods.orthogonal: want 0, or slow, si and ewc_": func(s *Settings) { s.Orthogonal, s.SI = 1, 1 },
		"methods.orthogonal: want 0":                                      func(s *Settings) { s.Orthogonal, s.EWC, s.EWCOn, s.EWCKeep = 1, 1, OnFactors, 1 },
	} {
		if err := on(change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
