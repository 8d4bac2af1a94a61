package method

// What EWC holds: the product of each pair of factors, or the factors themselves.
const (
	OnProducts = "products"
	OnFactors  = "factors"
)

// Settings are the strengths and the sizes of the methods. The zero value is none of them. What protects old knowledge by rehearsed examples
// does nothing in a night that has none. EWCKeep and SI carry importances from night to night, Slow carries the fast learner; the others need
// nothing but selection and champion.
type Settings struct {
	Anchor      float64 `yaml:"anchor" json:"anchor,omitempty" min:"0" max:"1000000" doc:"Strength of L2-SP, the pull back to the champion's parameters, in nats per token for each half of a squared distance. 0: off."`
	EWC         float64 `yaml:"ewc" json:"ewc,omitempty" min:"0" max:"1000000" doc:"Strength of EWC, the pull back to the champion's parameters weighted by importance: what the champion's predictions on rehearsed examples\ndepend on is held hardest. The mean importance is 1. 0: off."`
	EWCOn       string  `yaml:"ewc_on" json:"ewc_on,omitempty" oneof:"products,factors" doc:"Parameters that EWC holds. products: what the adapter adds to its weights; takes 8 bytes for each of their elements while importances are\nmeasured and 4 afterwards. factors: the adapter's own matrices; takes little."`
	EWCExamples int     `yaml:"ewc_examples" json:"ewc_examples,omitempty" min:"0" max:"100000000" doc:"Maximum number of examples that the importances of EWC are measured on, one forward and backward pass each. 0: all."`
	EWCKeep     float64 `yaml:"ewc_keep" json:"ewc_keep,omitempty" min:"0" max:"1" doc:"Share of earlier importances that each night keeps (online EWC), only on factors. Above 0, importances are measured on the new examples after\neach night and carried on with the version. 0: they are measured on rehearsed examples before each night."`
	SI          float64 `yaml:"si" json:"si,omitempty" min:"0" max:"1000000" doc:"Strength of synaptic intelligence (SI), the pull back to the champion's parameters weighted by how much moving each one lowered the loss in\nearlier nights. Its importances are carried on with the version. 0: off."`
	SIDamping   float64 `yaml:"si_damping" json:"si_damping,omitempty" min:"1e-12" max:"1000000" doc:"Damping of SI, of the size of a squared move of a parameter in one night that counts."`
	Sparsity    float64 `yaml:"sparsity" json:"sparsity,omitempty" min:"0" max:"1000000" doc:"Strength of L1, the pull back to the champion's parameters by the absolute distance: parameters with little reason to change keep exactly the\nchampion's value. 0: off."`
	Project     bool    `yaml:"project" json:"project,omitempty" doc:"Whether rehearsed examples constrain each step in place of filling part of each batch (A-GEM): a step that would raise their loss is projected."`
	RoundSteps  int     `yaml:"round_steps" json:"round_steps,omitempty" min:"0" max:"1000000" doc:"Number of steps of a round of MER, which takes fresh and rehearsed examples in turn; after each round only round_share of its way is kept.\n0: off."`
	RoundShare  float64 `yaml:"round_share" json:"round_share,omitempty" min:"0.001" max:"1" doc:"Share of the way of a MER round that is kept, for round_steps."`
	Average     float64 `yaml:"average" json:"average,omitempty" min:"0" max:"0.99999" doc:"Decay of the moving average of all steps' parameters, begun at the champion, which becomes the candidate, such as 0.95. 0: the last step's\nparameters."`
	Slow        float64 `yaml:"slow" json:"slow,omitempty" min:"0" max:"0.99" doc:"Share of the champion in the candidate, which is a slow learner beside a fast one that goes on from night to night, such as 0.5: the candidate\nis the weighted mean of what both add to the weights, at the champion's rank. 0: one learner."`

	Orthogonal     float64 `yaml:"orthogonal" json:"orthogonal,omitempty" min:"0" max:"1000000" doc:"Strength of the penalty of O-LoRA, such as 2.5: the champion's factors stay as they are, and a night learns a block of rank train.rank beside\nthem; the penalty is on the input directions that both read. Not with slow, si and ewc_keep. 0: off."`
	OrthogonalRank int     `yaml:"orthogonal_rank" json:"orthogonal_rank,omitempty" min:"1" max:"1024" doc:"Maximum rank of the candidate with orthogonal, at most engine.max_rank: a wider one is replaced by its best approximation."`
}

// Defaults turn no method on, and say how each works that is turned on.
func Defaults() Settings {
	return Settings{EWCOn: OnProducts, EWCExamples: 64, SIDamping: 1e-3, RoundShare: 0.5, OrthogonalRank: 32}
}

// Carries says whether importances go from night to night.
func (s Settings) Carries() bool { return s.SI > 0 || s.EWC > 0 && s.EWCKeep > 0 }
