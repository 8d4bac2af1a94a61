package nightrecord

import (
	"encoding/json"
	"fmt"
)

// ScoresFile is the name of the scores of a night's probes among its files. What is erased of a person is taken out of it.
const ScoresFile = "scores.json"

// Scores are what the versions that a night compared make of its probes: fixed questions with the answers that are expected.
type Scores struct {
	Champion  string     `json:"champion"`  // digest, "" the base model
	Candidate string     `json:"candidate"` // digest
	Bound     float64    `json:"bound"`     // nats per token that a set may fall from its best without an alarm, 0 for any number
	Sets      []ProbeSet `json:"sets"`
}

// ProbeSet is what probes have in common: the night whose held-out feedback they are, or the file that they are from.
type ProbeSet struct {
	Name   string  `json:"name"` // AnchorSet, FileSet or a night, "" the night that the scores are of
	Probes []Probe `json:"probes"`
}

// Names of the sets that are of no night.
const (
	AnchorSet = "anchors" // what the model must not forget
	FileSet   = "probes"  // the operator's
)

// Probe is one of them with its scores: the log-probability of the whole answer in nats, higher is better.
type Probe struct {
	ID        string  `json:"id"`
	Tokens    int     `json:"tokens"` // of the answer
	Champion  float64 `json:"champion"`
	Candidate float64 `json:"candidate"`
}

// Without leaves out probes; changed says whether there was one of them.
func (s Scores) Without(gone func(id string) bool) (kept Scores, changed bool) {
	kept = s
	kept.Sets = nil
	for _, set := range s.Sets {
		rest := ProbeSet{Name: set.Name, Probes: []Probe{}}
		for _, p := range set.Probes {
			if gone(p.ID) {
				changed = true
				continue
			}
			rest.Probes = append(rest.Probes, p)
		}
		kept.Sets = append(kept.Sets, rest)
	}
	return kept, changed
}

// Encode returns the document.
func (s Scores) Encode() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode scores: %w", err)
	}
	return append(data, '\n'), nil
}

// DecodeScores reads a document.
func DecodeScores(data []byte) (Scores, error) {
	var s Scores
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("decode scores: %w", err)
	}
	return s, nil
}
