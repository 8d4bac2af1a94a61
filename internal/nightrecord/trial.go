package nightrecord

import "time"

// TrialFile is the name of the trial's document among the files of a night.
const TrialFile = "trial.json"

// Decisions of a trial.
const (
	Widened    = "widened"     // more people get the candidate
	Finished   = "finished"    // the candidate is the champion
	RolledBack = "rolled back" // the champion stays
)

// Trial is how the candidate of a night fared while a share of the people had it. Activations say what was in force; this says
// what it was decided on.
type Trial struct {
	Candidate Candidate   `json:"candidate"`
	Steps     []TrialStep `json:"steps"`
}

// TrialStep is the end of one step of a trial.
type TrialStep struct {
	Activation int         `json:"activation"` // sequence of the activation that ended it
	Began      time.Time   `json:"began"`
	Ended      time.Time   `json:"ended"`
	Share      float64     `json:"share"`    // of the people, who had the candidate
	People     int         `json:"people"`   // whom the candidate answered in this step
	Tests      []TrialTest `json:"tests"`    // of the trial so far
	Decision   string      `json:"decision"` // Widened, Finished or RolledBack
	Reason     string      `json:"reason"`
}

// TrialTest is one sequential test.
type TrialTest struct {
	Name      string  `json:"name"` // complaints or latency
	Pass      bool    `json:"pass"`
	Events    int     `json:"events"`    // people who complained, or had a slow answer
	Candidate int     `json:"candidate"` // of them had the candidate
	Expected  float64 `json:"expected"`  // of them would have it, were it no worse
	P         float64 `json:"p"`         // always-valid
	Limit     float64 `json:"limit"`     // of P, at or below which the candidate is rolled back
	SlowerMS  float64 `json:"slower_than_ms,omitempty"`
}
