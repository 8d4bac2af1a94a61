package gate

import (
	"errors"
	"fmt"
)

// Taught holds the candidate's scores of corrections that it learned from, in nats per token: Own of each correction, Said of the
// answer that was corrected, after the same prompt.
type Taught struct {
	Own  []float64 `json:"own"`
	Said []float64 `json:"said"`
}

// check reports what makes the scores unusable.
func (l Taught) check() error {
	if len(l.Own) != len(l.Said) {
		return fmt.Errorf("%d corrections and %d scores of what they correct", len(l.Own), len(l.Said))
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
func taught(s Taught, l Limits) Check {
	const name = "taught"
	if err := s.check(); err != nil {
		return failed(name, err.Error())
	}
	n := len(s.Own)
	if least := fewest(l.SignTest); n < least {
		return exact(name, 0, l.Taught, true, fmt.Sprintf("%d corrections were learned from, too few of %d to judge", n, least))
	}
	preferred := 0
	for i := range s.Own {
		if s.Own[i] < s.Said[i] {
			preferred++
		}
	}
	low, high := Proportion(preferred, n, 0.025)
	value := float64(preferred) / float64(n)
	detail := fmt.Sprintf("corrections that it finds likelier than the answers that they correct: %.0f %% of %d that it learned from, at least %.0f %%", 100*value, n, 100*l.Taught)
	if value < l.Taught {
		detail += "; more epochs or a higher learning rate teach more"
	}
	return Check{Name: name, Value: value, Low: low, High: high, Limit: l.Taught, Pass: value >= l.Taught, Detail: detail}
}
