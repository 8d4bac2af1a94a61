package continual

import "nightshift/update/train/method"

// regularizing are methods that keep parameters, or answers, near to what they were.
func regularizing() []Method {
	return []Method{
		tried(Method{Key: "l2-sp", Name: "L2-SP", Says: "pulls every parameter back to the champion's"},
			1, func(v float64) Settings { return night(method.Settings{Anchor: v}) }, 0.01, 0.03, 0.1),
		tried(Method{Key: "ewc-ab", Name: "EWC (A, B)", Says: "pulls parameters back by how much what was learned depends on them; goes on from task to task (ewc_keep)"},
			1, func(v float64) Settings {
				return night(method.Settings{EWC: v, EWCOn: method.OnFactors, EWCKeep: 1})
			}, 0.01, 0.03, 0.1),
		tried(Method{Key: "ewc-dw", Name: "EWC (ΔW)",
			Says: "the same for what the adapter adds to the weights, however its factors turn; measured on 10 % of what was learned, which is not rehearsed"},
			0, func(v float64) Settings {
				s := night(method.Settings{EWC: v, EWCOn: method.OnProducts})
				s.Memory = 0.1
				return s
			}, 0.01, 0.1, 1),
		tried(Method{Key: "si", Name: "SI", Says: "pulls parameters back by how much their moves have lowered the loss"},
			1, func(v float64) Settings { return night(method.Settings{SI: v, SIDamping: siDamping}) }, 0.05, 0.15, 0.5),
		tried(Method{Key: "l1", Name: "L1", Says: "changes few parameters of the champion: all others stay exactly as they are"},
			1, func(v float64) Settings { return night(method.Settings{Sparsity: v}) }, 0.1, 0.3, 0.5),
		{
			Key: "lwf", Name: "LwF", Family: method.Regularization, Says: "keeps to what the model before said, on the new questions",
			Weakness: "it distils what the model before said to the questions of the new task, which says nothing of the answers to the old one's questions",
			Settings: Settings{Distill: 0.1}, Grid: []Settings{{Distill: 0.02}, {Distill: 0.1}, {Distill: 0.3}},
			prepare: func(r *run, f *method.Run) error {
				if r.phase == 0 {
					return nil
				}
				return r.teach(f.Fresh, r.settings.Distill)
			},
		},
	}
}

// siDamping is of the size of the square of how far a parameter goes in one task: some hundredths.
const siDamping = 1e-3

// night are settings of a night alone.
func night(s method.Settings) Settings { return Settings{Settings: s} }

// tried is a method with a grid over its strength, whose default is the value at an index.
func tried(m Method, at int, settings func(strength float64) Settings, strengths ...float64) Method {
	for _, v := range strengths {
		m.Grid = append(m.Grid, settings(v))
	}
	m.Settings = m.Grid[at]
	return m
}
