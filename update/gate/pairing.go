package gate

import (
	"errors"
	"fmt"

	"nightshift/internal/nightrecord"
	"nightshift/internal/stats"
)

// Pairing holds the candidate's scores of held-out corrections of different questions, in nats per token: Own of each
// correction after its own question, Other the mean of corrections of other questions after the same one.
type Pairing struct {
	Own   []float64 `json:"own"`
	Other []float64 `json:"other"`
}

// check reports what makes the scores unusable.
func (p Pairing) check() error {
	if len(p.Own) != len(p.Other) {
		return fmt.Errorf("%d corrections and %d scores of others", len(p.Own), len(p.Other))
	}
	for i := range p.Own {
		if !finite(p.Own[i]) || !finite(p.Other[i]) {
			return errors.New("a score of a correction is not a number")
		}
	}
	return nil
}

// pairing asks that the candidate knows which correction belongs to which question. Held-out feedback alone cannot tell:
// where people's corrections are mixed up, a candidate that finds all of them likely everywhere beats the champion on
// every one. This compares each with what the others would score in its place (a permutation test in the sense of Good
// 2005). Corrections of a single question cannot be mixed up, and are not judged.
func pairing(p Pairing, l Limits) nightrecord.Check {
	const name = "pairing"
	if err := p.check(); err != nil {
		return failed(name, err.Error())
	}
	if n, needed := len(p.Own), stats.SignTestSize(l.SignTest); n < needed {
		return exact(name, 0, 0, true, fmt.Sprintf("%d held-out corrections have others of different questions to be told from, too few of %d to judge", n, needed))
	}
	better := difference(p.Other, p.Own)
	ones := make([]int, len(better))
	for i := range ones {
		ones[i] = 1
	}
	value, low, high := stats.Ratio(better, ones, l.Resamples, l.Seed, side)
	sign := stats.SignTest(better)
	return nightrecord.Check{Name: name, Value: value, Low: low, High: high, Pass: low > 0 && sign <= l.SignTest,
		Detail: fmt.Sprintf("held-out corrections (%d) against those of other questions in their place: %+.4f nats per token better, 95 %% interval %.4f to %.4f must be above 0; sign test p = %.2g, limit %.2g",
			len(better), value, low, high, sign, l.SignTest)}
}
