package update

import (
	"fmt"
	"slices"
	"time"

	"nightshift/update/selection"
)

// Guard keeps one person's voice from becoming the model's, and what the model finds strange out of a night.
type Guard struct {
	Near            float64       `json:"near_duplicates"`  // Jaccard index from which one person's examples count once, 0 for exact ones alone
	Subjects        int           `json:"cluster_subjects"` // people who must stand behind a cluster or a phrase; below 2 nothing waits for others
	Cluster         int           `json:"cluster_examples"` // near-identical examples that are a cluster: 1 for every example, 0 for none
	Phrase          int           `json:"phrase_examples"`  // examples that make a phrase one that needs others, 0 for none
	Within          time.Duration `json:"confirm_within"`   // what waits longer is given up, 0 for never
	OutlierLoss     float64       `json:"outlier_loss"`     // robust z-score, 0 for any
	OutlierGradient float64       `json:"outlier_gradient"` // the same
}

// defaultGuard is the guard of a production track.
func defaultGuard() Guard {
	return Guard{Near: 0.85, Subjects: 2, Cluster: 3, Phrase: 10, Within: 7 * 24 * time.Hour}
}

// check refuses bounds that mean nothing.
func (g Guard) check() error {
	switch {
	case g.Near != 0 && !(g.Near >= selection.LeastNear && g.Near <= 1):
		return fmt.Errorf("near duplicates from a Jaccard index of %g on cannot be found; use 0 for exact ones alone, or %g to 1", g.Near, selection.LeastNear)
	case g.Subjects < 0 || g.Cluster < 0 || g.Phrase < 0 || g.Within < 0:
		return fmt.Errorf("%d people, %d and %d examples and %s bound no cluster: none may be negative", g.Subjects, g.Cluster, g.Phrase, g.Within)
	case !(g.OutlierLoss >= 0) || !(g.OutlierGradient >= 0):
		return fmt.Errorf("robust z-scores of %g and %g bound no outliers: neither may be negative", g.OutlierLoss, g.OutlierGradient)
	}
	return nil
}

// confirmation is the guard in the selection's words.
func (g Guard) confirmation() selection.Confirmation {
	return selection.Confirmation{Subjects: g.Subjects, Examples: g.Cluster, Phrase: g.Phrase, Within: g.Within}
}

// Memory says how a night uses the rehearsal memory.
type Memory struct {
	Rehearse string  `json:"rehearse"` // policy by which what is rehearsed is chosen: selection.Random, Priority, Feedback or Diversity
	Replace  string  `json:"replace"`  // policy by which the memory keeps what it has no room for: selection.Random, Priority or Feedback
	Uniform  float64 `json:"uniform"`  // share of equal chances in a choice by priority

	// PerSubject is how many examples of one person a night rehearses and the memory keeps at most, 0 for no cap. Without it one person
	// whose examples are few in a night fills the memory over many.
	PerSubject int `json:"per_subject,omitempty"`
}

// replacements are the policies of Memory.Replace. How far apart prompts lie is not among them: it is a property of all examples, and
// the memory decides about each by itself.
var replacements = []string{selection.Random, selection.Priority, selection.Feedback}

// check refuses what is no policy.
func (m Memory) check() error {
	switch {
	case !slices.Contains(selection.Policies(), m.Rehearse):
		return fmt.Errorf("rehearsal policy %q is none of %v", m.Rehearse, selection.Policies())
	case !slices.Contains(replacements, m.Replace):
		return fmt.Errorf("replacement policy %q is none of %v", m.Replace, replacements)
	case m.PerSubject < 0:
		return fmt.Errorf("%d rehearsed examples of one person are none; use 0 for no cap", m.PerSubject)
	case !(m.Uniform >= 0 && m.Uniform <= 1):
		return fmt.Errorf("a share of %g equal chances is none: it must lie between 0 and 1", m.Uniform)
	}
	return nil
}
