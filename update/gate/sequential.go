package gate

import "math"

// risks are the relative risks that the test looks for: how many times as often the candidate causes an event.
var risks = [...]float64{1.25, 1.5, 2, 3, 5}

// Sequential tests while a candidate serves a share of the people whether it causes bad events (complaints, slow answers)
// more often than the champion. The zero value has seen nothing.
//
// Who gets the candidate is drawn by a hash with probability share. If the candidate is no worse, the person behind a bad
// event has it with at most that probability, whatever the rates are, and however they change over the day. So each event
// multiplies the evidence for a relative risk ρ by the likelihood ratio of what it shows: ρ/(share·ρ + 1 − share) when the
// person has the candidate, 1/(share·ρ + 1 − share) when not. The mean over the risks is a non-negative supermartingale that
// begins at 1, so the probability that it ever reaches 1/α is at most α (Ville 1939; mixture sequential probability ratio
// test: Robbins 1970, Johari, Pekelis & Walsh 2022; on events of two arms as in Kulldorff et al. 2011). It may be looked at
// after every event and stopped at any, and the share may change on the way.
//
// That holds as long as each person is drawn once: the caller adds one event a person, the first, and leaves the others out.
// What people do of a piece then cannot count as many.
type Sequential struct {
	evidence  [len(risks)]float64 // logarithm, for each risk
	peak      float64             // the largest logarithm of the mean so far
	events    int
	candidate int
	expected  float64
}

// Add takes one event; share is the probability, above 0 and below 1, with which its person was to get the candidate.
// Shares that are none are left out.
func (s *Sequential) Add(share float64, candidate bool) {
	if !(share > 0 && share < 1) {
		return
	}
	s.events++
	s.expected += share
	if candidate {
		s.candidate++
	}
	top := math.Inf(-1)
	for i, risk := range risks {
		step := -math.Log(share*risk + 1 - share)
		if candidate {
			step += math.Log(risk)
		}
		s.evidence[i] += step
		top = max(top, s.evidence[i])
	}
	sum := 0.0
	for _, e := range s.evidence {
		sum += math.Exp(e - top)
	}
	s.peak = max(s.peak, top+math.Log(sum/float64(len(risks))))
}

// P is the always-valid p value of "the candidate is no worse": at any time, and at the first time that it falls to α or
// below, the probability of coming there is at most α.
func (s *Sequential) P() float64 { return math.Exp(-s.peak) }

// Counts returns the events, those of the candidate, and how many of them its share explains.
func (s *Sequential) Counts() (events, candidate int, expected float64) {
	return s.events, s.candidate, s.expected
}
