package continual

import "nightshift/update/train/method"

// rehearsing are methods that keep some of what they learned from.
func rehearsing() []Method {
	return []Method{
		replay("replay-1", "replay 1 %", 0.01),
		replay("replay-5", "replay 5 %", 0.05),
		replay("replay-10", "replay 10 %", 0.10),
		{
			Key: "replay-10-diverse", Name: "replay 10 %, diverse", Family: method.Memory, Says: "rehearses the same share, of questions that lie far apart",
			Settings: Settings{Memory: 0.1, Diverse: true, Ratio: 1}, Grid: []Settings{{Memory: 0.1, Diverse: true, Ratio: 0.25}, {Memory: 0.1, Diverse: true, Ratio: 1}},
		},
		{
			Key: "der", Name: "DER", Family: method.Memory, Says: "rehearses 10 %, with part of the target from what the model said when they were new",
			Settings: Settings{Memory: 0.1, Ratio: 1, KL: 0.5}, Grid: []Settings{{Memory: 0.1, Ratio: 1, KL: 0.25}, {Memory: 0.1, Ratio: 1, KL: 0.5}},
			finish: func(r *run, _ *method.Run) error { return r.teach(r.added, r.settings.KL) },
		},
		{
			Key: "a-gem", Name: "A-GEM", Says: "keeps steps from raising the loss on 10 % of what was learned; each step computes a second gradient for that",
			Weakness: "it only takes out of a step what would raise the mean loss on a batch of its memory: it rehearses nothing, and what that one direction does not show is free to go",
			Settings: Settings{Memory: 0.1, Settings: method.Settings{Project: true}},
		},
		{
			Key: "default", Name: "shipped default", Family: method.Memory, Says: "the training of a night: rehearses four examples for each new one, with half of the target from the champion; without what selection and gate do",
			Settings: Settings{Memory: 1, Limit: 512, Ratio: 4, KL: 0.5}, // as nights have them: a test of the command compares them
			prepare:  func(r *run, f *method.Run) error { return r.teach(f.Rehearsed, r.settings.KL) },
		},
	}
}

// replay rehearses a share of what was learned.
func replay(key, name string, share float64) Method {
	return Method{Key: key, Name: name, Family: method.Memory, Says: "rehearses a random sample of what was learned",
		Settings: Settings{Memory: share, Ratio: 1}, Grid: []Settings{{Memory: share, Ratio: 0.25}, {Memory: share, Ratio: 1}}}
}

// metaLearning are methods that learn so that what is learned next does no harm.
func metaLearning() []Method {
	return []Method{{
		Key: "mer", Name: "MER", Says: "rehearses 10 % in rounds of a few steps, and goes part of the way of each",
		Settings: rounds(8), Grid: []Settings{rounds(4), rounds(8)},
	}}
}

// rounds is the rehearsal of MER in rounds of so many steps.
func rounds(steps int) Settings {
	return Settings{Memory: 0.1, Ratio: 1, Settings: method.Settings{RoundSteps: steps, RoundShare: 0.7}}
}
