package method

// Settings are the strengths and the sizes of the methods. The zero value is none of them. What protects old knowledge by rehearsed examples
// does nothing in a night that has none. EWCKeep and SI carry importances from night to night, Slow carries the fast learner; the others need
// nothing but selection and champion.
type Settings struct {
	Anchor      float64 `json:"anchor,omitempty"`       // strength of L2-SP about the champion's parameters
	EWC         float64 `json:"ewc,omitempty"`          // strength of EWC about them; importances are the champion's on rehearsed examples
	EWCOn       string  `json:"ewc_on,omitempty"`       // what EWC holds: OnProducts, also where empty, or OnFactors
	EWCExamples int     `json:"ewc_examples,omitempty"` // maximum number of examples that importances are measured on, 0 for all
	EWCKeep     float64 `json:"ewc_keep,omitempty"`     // γ of online EWC: share kept of earlier nights' importances, measured on each night's new examples; 0: see EWC
	SI          float64 `json:"si,omitempty"`           // strength of synaptic intelligence about the champion's parameters
	SIDamping   float64 `json:"si_damping,omitempty"`   // its ξ
	Sparsity    float64 `json:"sparsity,omitempty"`     // strength of L1 on the changes against the champion
	Project     bool    `json:"project,omitempty"`      // A-GEM: rehearsed examples bend the steps instead of filling half of them
	RoundSteps  int     `json:"round_steps,omitempty"`  // MER: steps of a round, 0 for no rounds
	RoundShare  float64 `json:"round_share,omitempty"`  // of the way of a round that is kept
	Average     float64 `json:"average,omitempty"`      // decay of the average of parameters that becomes the candidate, 0 for the last step's
	Slow        float64 `json:"slow,omitempty"`         // share of the champion in the candidate, which is the slow learner; a fast one goes on beside it from night to night

	Orthogonal     float64 `json:"orthogonal,omitempty"`      // strength of O-LoRA: the night learns a block of its own beside the champion's factors, which stay
	OrthogonalRank int     `json:"orthogonal_rank,omitempty"` // maximum rank of the candidate
}

// Carries says whether importances go from night to night.
func (s Settings) Carries() bool { return s.SI > 0 || s.EWC > 0 && s.EWCKeep > 0 }
