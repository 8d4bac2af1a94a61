package replaystore

import "time"

// ExampleKind is the shape of an example.
type ExampleKind string

// The three kinds.
const (
	SFT        ExampleKind = "sft"        // Prompt, Completion
	Preference ExampleKind = "preference" // Prompt, Chosen, Rejected
	Unpaired   ExampleKind = "unpaired"   // Prompt, Completion, Good
)

// Example is what training sees.
type Example struct {
	ID     string      `json:"id"` // server-made: derived from the interaction's id, never from a client's
	Kind   ExampleKind `json:"kind"`
	Prompt []Message   `json:"prompt"`
	// PromptTokens are the tokens of a raw completion's prompt where its text leaves special ones out, and otherwise nil.
	PromptTokens []int32 `json:"prompt_tokens,omitempty"`
	Completion   string  `json:"completion,omitempty"`
	Chosen       string  `json:"chosen,omitempty"`
	Rejected     string  `json:"rejected,omitempty"`
	Good         bool    `json:"good,omitempty"`
	Interaction  string  `json:"interaction,omitempty"` // where it comes from
	Feedback     string  `json:"feedback,omitempty"`
	Subject      string  `json:"subject,omitempty"`
	Editor       bool    `json:"editor,omitempty"` // an editor's word, which needs nobody to confirm it
	// Author is the subject of the feedback where that is another person than Subject: to forget either takes the example away.
	Author string `json:"author,omitempty"`
	// Source is where a taught example stands: "file:NAME#LINE". "" of what was said.
	Source string `json:"source,omitempty"`

	Time    time.Time    `json:"time"`              // of the evidence: the newer of interaction and feedback
	Teacher *TopLogProbs `json:"teacher,omitempty"` // for dark-experience replay
}

// TopLogProbs is a sparse teacher distribution: for each completion token the K likeliest tokens. IDs and LogProbs are
// [positions,K], row-major; LogProbs are natural logs.
// All other tokens together have what the K leave.
type TopLogProbs struct {
	K        int       `json:"k"`
	IDs      []int32   `json:"ids"`
	LogProbs []float32 `json:"logprobs"`
	Model    string    `json:"model,omitempty"` // digest of the base model whose tokens they are
}

// MemoryItem is an example offered to the rehearsal memory.
type MemoryItem struct {
	Example
	Stratum    string  `json:"stratum,omitempty"`    // the long-term sample is kept per stratum; "" is one too
	Weight     float64 `json:"weight"`               // > 0, frozen at admission; 0 is taken as 1
	Generation int64   `json:"generation,omitempty"` // of the weights; see Store.Admit
}

// Validate checks the item. Its errors are *InvalidError.
func (m *MemoryItem) Validate() error {
	if !printable(m.ID) {
		return invalid("memory item", "must have an id of 1 to %d printable ASCII characters without spaces", MaxID)
	}
	what := "memory item " + m.ID
	if err := validMessages(what, m.Prompt); err != nil {
		return err
	}
	texts := map[ExampleKind][]struct {
		name, value string
		needed      bool
	}{
		SFT:        {{"completion", m.Completion, true}, {"chosen", m.Chosen, false}, {"rejected", m.Rejected, false}},
		Preference: {{"completion", m.Completion, false}, {"chosen", m.Chosen, true}, {"rejected", m.Rejected, true}},
		Unpaired:   {{"completion", m.Completion, true}, {"chosen", m.Chosen, false}, {"rejected", m.Rejected, false}},
	}[m.Kind]
	if texts == nil {
		return invalid(what, "has kind %s; use sft, preference or unpaired", clip(string(m.Kind)))
	}
	for _, t := range texts {
		if (t.value != "") != t.needed {
			return invalid(what, "of kind %s: %s must be given: %t", m.Kind, t.name, t.needed)
		}
		if err := validText(what, t.name, t.value); err != nil {
			return err
		}
	}
	return m.validateRest(what)
}

func (m *MemoryItem) validateRest(what string) error {
	if m.Weight != 0 && !(m.Weight >= 1/MaxWeight && m.Weight <= MaxWeight) {
		return invalid(what, "has weight %v; it must be from %v to %v", m.Weight, 1/MaxWeight, MaxWeight)
	}
	if m.Generation < 0 {
		return invalid(what, "has a negative generation")
	}
	if m.Subject != "" {
		if err := ValidSubject(m.Subject); err != nil {
			return err
		}
	}
	if m.Interaction != "" && !plainName(m.Interaction, MaxID) {
		return invalid(what, "must name its interaction by id")
	}
	if m.Feedback != "" && !printable(m.Feedback) {
		return invalid(what, "must name its feedback by id")
	}
	if t := m.Teacher; t != nil {
		if t.K <= 0 || len(t.IDs) != len(t.LogProbs) || len(t.IDs)%t.K != 0 {
			return invalid(what, "teacher must have K > 0 and [positions,K] ids and logprobs; it has K %d, %d ids, %d logprobs", t.K, len(t.IDs), len(t.LogProbs))
		}
		for _, v := range t.LogProbs {
			if !finite(float64(v)) {
				return invalid(what, "teacher has a logprob that is not finite")
			}
		}
	}
	if err := validName(what, "stratum", m.Stratum); err != nil {
		return err
	}
	if err := validName(what, "source", m.Source); err != nil {
		return err
	}
	return validTime(what, m.Time)
}
