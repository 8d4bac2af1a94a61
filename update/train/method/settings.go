package method

// Settings are the strengths and the sizes of the methods. The zero value is none of them. What protects old knowledge by rehearsed examples
// does nothing in a night that has none. EWCKeep and SI carry importances from night to night, Slow carries the fast learner; the others need
// nothing but selection and champion.
type Settings struct {
	Anchor      float64 `yaml:"anchor" json:"anchor,omitempty" min:"0" max:"1000000" doc:"Pull back to the champion's parameters (L2-SP), in nats per token for each half of a squared distance. 0: off."`
	EWC         float64 `yaml:"ewc" json:"ewc,omitempty" min:"0" max:"1000000" doc:"The same pull, distributed by importance (EWC): what the champion's predictions on rehearsed examples depend on is held hardest.\nThe mean importance is 1. 0: off."`
	EWCOn       string  `yaml:"ewc_on" json:"ewc_on,omitempty" oneof:"products,factors" doc:"What ewc holds. products: what the adapter adds to its weights; takes 8 bytes for each of their elements while importances are\nmeasured and 4 afterwards. factors: the adapter's own matrices; takes little."`
	EWCExamples int     `yaml:"ewc_examples" json:"ewc_examples,omitempty" min:"0" max:"100000000" doc:"Most examples that importances are measured on, one forward and backward pass each. 0: all."`
	EWCKeep     float64 `yaml:"ewc_keep" json:"ewc_keep,omitempty" min:"0" max:"1" doc:"Above 0, importances are measured on the new examples after each night and carried on with the version, and this share of earlier\nones is kept each time (online EWC); only on factors. 0: they are measured on rehearsed examples before each night."`
	SI          float64 `yaml:"si" json:"si,omitempty" min:"0" max:"1000000" doc:"Pull back to the champion's parameters by how much moving each one lowered the loss in earlier nights (synaptic intelligence). Its\nimportances are carried on with the version. 0: off."`
	SIDamping   float64 `yaml:"si_damping" json:"si_damping,omitempty" min:"1e-12" max:"1000000" doc:"For si: of the size of a squared move in one night that counts."`
	Sparsity    float64 `yaml:"sparsity" json:"sparsity,omitempty" min:"0" max:"1000000" doc:"Pull back by the absolute distance (L1): parameters with little reason to change keep exactly the champion's value. 0: off."`
	Project     bool    `yaml:"project" json:"project,omitempty" doc:"Rehearsed examples do not fill part of each batch, they bend it: a step that would raise their loss is projected (A-GEM)."`
	RoundSteps  int     `yaml:"round_steps" json:"round_steps,omitempty" min:"0" max:"1000000" doc:"Steps of a round that takes fresh and rehearsed examples in turn; after each, only round_share of its way is kept (MER). 0: off."`
	RoundShare  float64 `yaml:"round_share" json:"round_share,omitempty" min:"0.001" max:"1" doc:"For round_steps."`
	Average     float64 `yaml:"average" json:"average,omitempty" min:"0" max:"0.99999" doc:"The candidate is the moving average of all steps' parameters with this decay, begun at the champion, such as 0.95. 0: the last step's."`
	Slow        float64 `yaml:"slow" json:"slow,omitempty" min:"0" max:"0.99" doc:"Two learners: a fast one goes on from night to night, and the candidate is a slow one, this share of the champion and the rest of the fast\none, of what they add to the weights, at the champion's rank. Such as 0.5. 0: one learner."`

	Orthogonal     float64 `yaml:"orthogonal" json:"orthogonal,omitempty" min:"0" max:"1000000" doc:"The champion's factors stay as they are, and a night learns a block of rank train.rank beside them that reads other directions than they\ndo (O-LoRA): strength of the penalty on what both read, such as 2.5. Not with slow, si and ewc_keep. 0: off."`
	OrthogonalRank int     `yaml:"orthogonal_rank" json:"orthogonal_rank,omitempty" min:"1" max:"1024" doc:"Most of the candidate's rank with orthogonal, at most engine.max_rank: a wider one is replaced by its best approximation."`
}

// Defaults turn no method on, and say how each works that is turned on.
func Defaults() Settings {
	return Settings{EWCOn: OnProducts, EWCExamples: 64, SIDamping: 1e-3, RoundShare: 0.5, OrthogonalRank: 32}
}

// Carries says whether importances go from night to night.
func (s Settings) Carries() bool { return s.SI > 0 || s.EWC > 0 && s.EWCKeep > 0 }
