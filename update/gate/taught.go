package gate

import (
	"errors"
	"fmt"

	"nightshift/internal/nightrecord"
	"nightshift/internal/stats"
)

// Taught holds the candidate's scores of corrections that it learned from, in nats per token: Own of each correction, Said of the
// answer that was corrected, after the same prompt.
type Taught struct {
	Own  []float64 `json:"own"`
	Said []float64 `json:"said"`
	// Edited marks those of editors; empty where there are none.
	Edited []bool `json:"edited,omitempty"`
}

// check reports what makes the scores unusable.
func (l Taught) check() error {
	if len(l.Own) != len(l.Said) {
		return fmt.Errorf("%d corrections and %d scores of what they correct", len(l.Own), len(l.Said))
	}
	if len(l.Edited) > 0 && len(l.Edited) != len(l.Own) {
		return fmt.Errorf("%d corrections and %d marks of those of editors", len(l.Own), len(l.Edited))
	}
	for i := range l.Own {
		if !finite(l.Own[i]) || !finite(l.Said[i]) {
			return errors.New("a score of a correction is not a number")
		}
	}
	return nil
}

// taught asks that the candidate prefers what it was taught to what it was taught against. A candidate whose training broke off
// is a little better on all that is held out, so that no test of the gain tells it from one that learned; yet it still gives the
// answers that people have corrected, and the night would use up what they said for nothing. The share of preferred answers is
// the accuracy that preference learning reports (Rafailov et al. 2023), here without a reference: what counts is what the
// candidate would say. Examples that were trained on are compared, because people's corrections need not resemble each other.
// Of editors' corrections every one counts.
func taught(s Taught, l Limits) []nightrecord.Check {
	if err := s.check(); err != nil {
		return []nightrecord.Check{failed("taught", err.Error())}
	}
	var people, editors tally
	for i := range s.Own {
		of := &people
		if len(s.Edited) > 0 && s.Edited[i] {
			of = &editors
		}
		of.count++
		if s.Own[i] < s.Said[i] {
			of.preferred++
		}
	}
	var checks []nightrecord.Check
	if editors.count > 0 {
		checks = append(checks, editors.judge(1, "editors' corrections"))
	}
	if needed := stats.SignTestSize(l.SignTest); people.count >= needed {
		checks = append(checks, people.judge(l.Taught, "corrections"))
	} else if people.count > 0 || editors.count == 0 {
		checks = append(checks, exact("taught", 0, l.Taught, true, fmt.Sprintf("%d corrections were learned from, too few of %d to judge", people.count, needed)))
	}
	return checks
}

// tally counts corrections that the candidate learned from, and those that it prefers.
type tally struct{ count, preferred int }

// judge asks that at least a share of the corrections is preferred.
func (t tally) judge(limit float64, what string) nightrecord.Check {
	low, high := stats.Proportion(t.preferred, t.count, side)
	value := float64(t.preferred) / float64(t.count)
	detail := fmt.Sprintf("%s that it finds likelier than the answers that they correct: %.0f %% of %d that it learned from, at least %.0f %%", what, 100*value, t.count, 100*limit)
	if value < limit {
		detail += "; more epochs or a higher learning rate teach more"
	}
	return nightrecord.Check{Name: "taught", Value: value, Low: low, High: high, Limit: limit, Pass: value >= limit, Detail: detail}
}
