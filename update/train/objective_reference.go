package train

import (
	"fmt"
	"math"
	"slices"

	"nightshift/models/quantize"
)

// Champion is the version that policies are measured against.
type Champion struct {
	Params   []float32 // its factors, in the order of the trainable parameters; zero factors are the base model
	Version  string    // its digest, "" for the base model
	Template string    // digest of the chat template that made the sequences' prompts
}

// Served is an answer as the server recorded it.
type Served struct {
	Prompt, Answer []int32
	LogProbs       []float32 // natural, at temperature 1 and before any cut, one for each token of the answer
	Version        string    // digest of the version that answered, "" for the base model
	Weights        string    // format of the weights it was served with
	Template       string    // digest of the chat template, "" for a raw prompt
	Redacted       bool
}

// ReferenceReport says where references come from.
type ReferenceReport struct {
	Recorded int `json:"recorded"` // taken from what was recorded when the answer was served
	Computed int `json:"computed"` // computed anew
	// Apart is by how many nats a token's recorded log-probability differed at most from the computed one where both were
	// looked at. Above 0.01 nothing recorded is taken.
	Apart float64 `json:"apart,omitempty"`
	// Reasons count why answers that were served are not taken as recorded.
	Reasons map[string]int `json:"reasons,omitempty"`
}

const (
	// parityTolerance is in nats a token. Serving and training run different graphs over the same float32 weights, which
	// round differently; weights that are not the same are much further apart.
	parityTolerance = 0.01
	// parityChecks is how many of the recorded answers are computed as well.
	parityChecks = 4
)

// References fills in the champion's log-probabilities. Those that were recorded when an answer was served are taken if they
// must be what the champion would give (Champion.recorded says when), and if a few of them, computed again, agree. All others
// are computed.
func (s *Scorer) References(c Champion, answers []*Answer) (ReferenceReport, error) {
	report := ReferenceReport{Reasons: map[string]int{}}
	known := make([][]float32, len(answers))
	var recorded, computed []int
	for i, a := range answers {
		logprobs, why := c.recorded(*a, s.columns)
		switch {
		case why == "":
			known[i] = logprobs
			recorded = append(recorded, i)
			continue
		case a.Served != nil:
			report.Reasons[why]++
		}
		computed = append(computed, i)
	}
	checked := spread(recorded, parityChecks)
	values, err := s.answers(c.Params, answers, slices.Concat(computed, checked))
	if err != nil {
		return report, err
	}
	for n, i := range checked {
		report.Apart = max(report.Apart, apart(values[len(computed)+n], known[i]))
	}
	if !(report.Apart <= parityTolerance) {
		report.Reasons["what was recorded does not agree with the champion"] += len(recorded)
		more, err := s.answers(c.Params, answers, recorded)
		if err != nil {
			return report, err
		}
		values, computed, recorded = slices.Concat(values[:len(computed)], more), slices.Concat(computed, recorded), nil
	}
	for n, i := range computed {
		if answers[i].Reference = total(values[n]); !finite(answers[i].Reference) {
			return report, fmt.Errorf("compute reference of %s: its log-probability under the champion is %g; check the champion's parameters", answers[i].ID, answers[i].Reference)
		}
	}
	for _, i := range recorded {
		answers[i].Reference = total(known[i])
	}
	report.Recorded, report.Computed = len(recorded), len(computed)
	return report, nil
}

// answers computes the log-probabilities of some of the answers.
func (s *Scorer) answers(params []float32, answers []*Answer, which []int) ([][]float32, error) {
	list := make([]Sequence, len(which))
	for n, i := range which {
		list[n] = answers[i].Sequence
	}
	values, err := s.LogProbs(params, list)
	if err != nil {
		return nil, fmt.Errorf("compute references: %w", err)
	}
	return values, nil
}

// recorded returns the recorded log-probabilities of the tokens that carry loss, or why they are not the champion's for
// sequences of up to columns tokens.
func (c Champion) recorded(a Answer, columns int) ([]float32, string) {
	s := a.Served
	switch {
	case s == nil:
		return nil, "it was not served"
	case s.Redacted:
		return nil, "it was redacted"
	case s.Version != c.Version:
		return nil, "another version answered"
	case s.Weights != quantize.Float32:
		return nil, "it was served with other weights than are trained on"
	case s.Template != "" && s.Template != c.Template:
		return nil, "another chat template made its prompt"
	case len(s.LogProbs) != len(s.Answer) || len(s.Answer) == 0:
		return nil, "its log-probabilities were not recorded"
	case !slices.Equal(a.Tokens, slices.Concat(s.Prompt, s.Answer)):
		return nil, "its tokens are not those that were served"
	case len(a.Tokens) > columns:
		return nil, "it is longer than a row, which is cut"
	case a.Prompt < len(s.Prompt) || len(s.Prompt) == 0:
		return nil, "tokens of its prompt carry loss"
	}
	return s.LogProbs[min(a.Prompt-len(s.Prompt), len(s.LogProbs)):], ""
}

// spread chooses at most n of the list, evenly.
func spread(list []int, n int) []int {
	if len(list) <= n {
		return list
	}
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = list[i*len(list)/n]
	}
	return chosen
}

// apart is the largest difference between two lists of figures, as large as can be where they cannot be compared.
func apart(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.MaxFloat64
	}
	largest := 0.0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) {
			return math.MaxFloat64
		}
		largest = max(largest, d)
	}
	return largest
}

// total sums log-probabilities.
func total(logprobs []float32) float64 {
	sum := 0.0
	for _, v := range logprobs {
		sum += float64(v)
	}
	return sum
}
