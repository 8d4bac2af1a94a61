package train

import (
	"fmt"
	"math/rand/v2"
)

// Names of the losses of rated answers: KTO and APOZero.
const (
	KTOLoss = "kto"
	APOLoss = "apo"
)

// ObjectiveOptions say how preferences and ratings are learned. A part whose number a step is 0 is off.
type ObjectiveOptions struct {
	Preferences     int     // preferences of one optimizer step
	PreferenceShare float64 // factor of their mean loss in the step's
	Beta            float64 // of DPO: how far the policy may leave the champion; 0.1 is usual
	Smoothing       float64 // of DPO: share of the preferences taken to be the wrong way round, below 0.5

	Rated        int     // rated answers of one optimizer step
	RatedShare   float64 // factor of their mean loss in the step's
	RatedLoss    string  // KTOLoss or APOLoss
	RatedBeta    float64
	Desirable    float64 // weight of good answers; where both weights are 0, good and bad ones count alike, see balance
	Undesirable  float64 // weight of bad answers
	MismatchSeed uint64  // of KTO's mismatched pairs
}

// check reports the first option that makes no sense.
func (o ObjectiveOptions) check() error {
	if o.Preferences < 0 || o.Rated < 0 || o.Preferences+o.Rated == 0 {
		return fmt.Errorf("make objective: %d preferences and %d rated answers a step; neither may be negative, nor both 0", o.Preferences, o.Rated)
	}
	if o.Preferences > 0 && !(o.Beta > 0 && finite(o.Beta) && o.PreferenceShare > 0 && finite(o.PreferenceShare) && o.Smoothing >= 0 && o.Smoothing < 0.5) {
		return fmt.Errorf("make objective: preferences with β %g, share %g and smoothing %g; the first two must be positive, the last in [0, 0.5)", o.Beta, o.PreferenceShare, o.Smoothing)
	}
	if o.Rated == 0 {
		return nil
	}
	if o.RatedLoss != KTOLoss && o.RatedLoss != APOLoss {
		return fmt.Errorf("make objective: the loss of rated answers is %q; use %s or %s", o.RatedLoss, KTOLoss, APOLoss)
	}
	if !(o.RatedBeta > 0 && finite(o.RatedBeta) && o.RatedShare > 0 && finite(o.RatedShare) && o.Desirable >= 0 && o.Undesirable >= 0 && finite(o.Desirable+o.Undesirable)) {
		return fmt.Errorf("make objective: rated answers with β %g, share %g and weights %g and %g; the first two must be positive, the others not negative", o.RatedBeta, o.RatedShare, o.Desirable, o.Undesirable)
	}
	return nil
}

// Objective is the part of a step's loss that comes from preferences and ratings. It is for one goroutine.
//
// Its gradient needs the log-probabilities of whole answers before it can say how much each of them counts, so a step of it
// is two passes: the scoring graph reads the drawn answers under the current parameters, the losses of objective_loss.go make
// a coefficient of each, and the training graph gives the gradient of the cross-entropy with these as weights. A mean loss is
// Σ weight·loss / Σ weight over what was drawn, so it does not depend on how long the answers are.
type Objective struct {
	scorer          *Scorer
	opt             ObjectiveOptions
	preferences     []Preference
	rated           []Rated
	preferenceCycle cycle
	ratedCycle      cycle
}

// ObjectiveStep is what one step of an objective reports.
type ObjectiveStep struct {
	Loss           float64 `json:"loss"` // the parts with their shares
	PreferenceLoss float64 `json:"preference_loss,omitempty"`
	// Margin is the mean of reward(chosen) − reward(rejected), in nats, and Accuracy the share of preferences that it is
	// positive for.
	Margin   float64 `json:"margin,omitempty"`
	Accuracy float64 `json:"accuracy,omitempty"`
	// RatedLoss is the loss of rated answers; GoodReward and BadReward are their mean rewards, in nats.
	RatedLoss  float64 `json:"rated_loss,omitempty"`
	GoodReward float64 `json:"good_reward,omitempty"`
	BadReward  float64 `json:"bad_reward,omitempty"`
	Baseline   float64 `json:"baseline,omitempty"` // of KTO, in nats
	Tokens     int     `json:"tokens"`             // that went through the scoring graph, without padding
}

// NewObjective prepares preferences and rated answers: it pairs prompts with other prompts' completions where KTO needs
// them, and fills in the champion's log-probabilities. The scorer stays in use, for as long as the objective is.
func NewObjective(scorer *Scorer, champion Champion, preferences []Preference, rated []Rated, opt ObjectiveOptions) (*Objective, ReferenceReport, error) {
	if err := opt.check(); err != nil {
		return nil, ReferenceReport{}, err
	}
	o := &Objective{scorer: scorer, opt: opt}
	if opt.Preferences > 0 {
		o.preferences = preferences
	}
	if opt.Rated > 0 {
		o.rated = rated
	}
	if len(o.preferences)+len(o.rated) == 0 {
		return nil, ReferenceReport{}, fmt.Errorf("make objective: there is nothing to learn from: %d preferences, %d of them a step, and %d rated answers, %d a step",
			len(preferences), opt.Preferences, len(rated), opt.Rated)
	}
	var answers []*Answer
	for i := range o.preferences {
		p := &o.preferences[i]
		if !(p.Weight > 0) || !finite(p.Weight) {
			return nil, ReferenceReport{}, fmt.Errorf("make objective: preference %s has weight %g; it must be positive, leave it out otherwise", p.ID, p.Weight)
		}
		answers = append(answers, &p.Chosen, &p.Rejected)
	}
	if opt.Desirable == 0 && opt.Undesirable == 0 {
		good := 0
		for _, r := range o.rated {
			if r.Good {
				good++
			}
		}
		o.opt.Desirable, o.opt.Undesirable = balance(good, len(o.rated)-good)
	}
	if opt.RatedLoss == KTOLoss {
		mismatch(rand.New(rand.NewPCG(opt.MismatchSeed, 0x6b746f)), o.rated) //nolint:gosec // reproducible, not secret
	}
	for i := range o.rated {
		r := &o.rated[i]
		if !(r.Weight > 0) || !finite(r.Weight) {
			return nil, ReferenceReport{}, fmt.Errorf("make objective: rated answer %s has weight %g; it must be positive, leave it out otherwise", r.ID, r.Weight)
		}
		answers = append(answers, &r.Answer)
		if r.mismatched != nil {
			answers = append(answers, r.mismatched)
		}
	}
	report, err := scorer.References(champion, answers)
	if err != nil {
		return nil, report, err
	}
	return o, report, nil
}

// Add draws the examples of one step with random, adds the gradient of their loss at the session's parameters to grads, and
// reports the step. The session must have the scorer's trainable parameters.
func (o *Objective) Add(s *Session, random *rand.Rand, grads []float32) (ObjectiveStep, error) {
	if len(grads) != len(s.params) {
		return ObjectiveStep{}, fmt.Errorf("there is room for %d gradients, the session has %d parameters", len(grads), len(s.params))
	}
	d := o.draw(random)
	sequences, step, coefficients, err := o.read(s.params, d)
	if err != nil {
		return ObjectiveStep{}, err
	}
	return step, weighted(s, sequences, coefficients, o.scorer.rows, o.scorer.columns, grads)
}

// Measure reports all preferences and rated answers under some parameters, as a step that drew all of them would.
func (o *Objective) Measure(params []float32) (ObjectiveStep, error) {
	_, step, _, err := o.read(params, drawn{o.preferences, o.rated})
	return step, err
}

// read scores what was drawn, and returns its sequences with their coefficients.
func (o *Objective) read(params []float32, d drawn) ([]Sequence, ObjectiveStep, []float64, error) {
	sequences := d.sequences()
	logprobs, err := o.scorer.LogProbs(params, sequences)
	if err != nil {
		return nil, ObjectiveStep{}, nil, err
	}
	sums := make([]float64, len(logprobs))
	for i, l := range logprobs {
		if sums[i] = total(l); !finite(sums[i]) {
			return nil, ObjectiveStep{}, nil, fmt.Errorf("the log-probability of %s is %g; lower the learning rate", sequences[i].ID, sums[i])
		}
	}
	step, coefficients := o.weigh(d, sums)
	for _, q := range sequences {
		step.Tokens += min(len(q.Tokens), o.scorer.columns)
	}
	return sequences, step, coefficients, nil
}

// Part is the objective as Options.Objective has it, for runs of Fit over s. Report, when not nil, is told of each step.
func (o *Objective) Part(s *Session, report func(ObjectiveStep)) func(r *rand.Rand, grads []float32) (loss float64, tokens int, err error) {
	return func(r *rand.Rand, grads []float32) (float64, int, error) {
		step, err := o.Add(s, r, grads)
		if err != nil {
			return 0, 0, err
		}
		if report != nil {
			report(step)
		}
		return step.Loss, step.Tokens, nil
	}
}

// weighted adds Σ coefficient·∇(−log p(sequence)) to grads.
func weighted(s *Session, list []Sequence, coefficients []float64, rows, columns int, grads []float32) error {
	var some []Sequence
	var factors []float32
	for i, c := range coefficients {
		if c != 0 {
			some = append(some, Sequence{ID: list[i].ID, Tokens: list[i].Tokens, Prompt: list[i].Prompt})
			factors = append(factors, float32(c))
		}
	}
	for _, b := range Pack(some, rows, columns) {
		if b.Positions == 0 {
			continue
		}
		for p, origin := range b.Origin {
			b.Weights[p] = factors[origin.Sequence]
		}
		_, add, err := s.Gradient(b, 1, nil)
		if err != nil {
			return err
		}
		for i, g := range add {
			grads[i] += g
		}
	}
	return nil
}

// drawn is what one step learns from.
type drawn struct {
	preferences []Preference
	rated       []Rated
}

// draw takes the next preferences and rated answers.
func (o *Objective) draw(random *rand.Rand) drawn {
	var d drawn
	for _, i := range o.preferenceCycle.take(random, len(o.preferences), o.opt.Preferences) {
		d.preferences = append(d.preferences, o.preferences[i])
	}
	for _, i := range o.ratedCycle.take(random, len(o.rated), o.opt.Rated) {
		d.rated = append(d.rated, o.rated[i])
	}
	return d
}

// sequences lists what has to be read: chosen and rejected of each preference, the rated answers, and the mismatched pairs of
// those that have one.
func (d drawn) sequences() []Sequence {
	var list []Sequence
	for _, p := range d.preferences {
		list = append(list, p.Chosen.Sequence, p.Rejected.Sequence)
	}
	for _, r := range d.rated {
		list = append(list, r.Sequence)
	}
	for _, r := range d.rated {
		if r.mismatched != nil {
			list = append(list, r.mismatched.Sequence)
		}
	}
	return list
}

// weigh turns the log-probabilities of sequences, in their order, into the step's loss and a coefficient for each.
func (o *Objective) weigh(d drawn, sums []float64) (ObjectiveStep, []float64) {
	coefficients := make([]float64, len(sums))
	var step ObjectiveStep
	n := 2 * len(d.preferences)
	o.weighPreferences(d.preferences, sums[:n], coefficients[:n], &step)
	if len(d.rated) > 0 {
		o.weighRated(d.rated, sums[n:], coefficients[n:], &step)
	}
	step.Loss = o.opt.PreferenceShare*step.PreferenceLoss + o.opt.RatedShare*step.RatedLoss
	return step, coefficients
}

func (o *Objective) weighPreferences(list []Preference, sums, coefficients []float64, step *ObjectiveStep) {
	weight, right := 0.0, 0.0
	for _, p := range list {
		weight += p.Weight
	}
	for i, p := range list {
		chosen, rejected := Likelihood{sums[2*i], p.Chosen.Reference}, Likelihood{sums[2*i+1], p.Rejected.Reference}
		loss, c, r := DPO(chosen, rejected, o.opt.Beta, o.opt.Smoothing)
		share := p.Weight / weight
		step.PreferenceLoss += share * loss
		coefficients[2*i], coefficients[2*i+1] = o.opt.PreferenceShare*share*c, o.opt.PreferenceShare*share*r
		margin := chosen.Reward() - rejected.Reward()
		step.Margin += margin / float64(len(list))
		if margin > 0 {
			right++
		}
	}
	if right > 0 {
		step.Accuracy = right / float64(len(list))
	}
}

func (o *Objective) weighRated(list []Rated, sums, coefficients []float64, step *ObjectiveStep) {
	var mismatched []Likelihood
	weight, good, at := 0.0, 0, len(list)
	for _, r := range list {
		weight += r.Weight
		if r.Good {
			good++
		}
		if r.mismatched != nil {
			mismatched = append(mismatched, Likelihood{sums[at], r.mismatched.Reference})
			at++
		}
	}
	step.Baseline = Baseline(mismatched)
	for i, r := range list {
		l := Likelihood{sums[i], r.Reference}
		lambda, mean, count := o.opt.Undesirable, &step.BadReward, len(list)-good
		if r.Good {
			lambda, mean, count = o.opt.Desirable, &step.GoodReward, good
		}
		loss, c := KTO(l, r.Good, step.Baseline, o.opt.RatedBeta, lambda)
		if o.opt.RatedLoss == APOLoss {
			loss, c = APOZero(l, r.Good, o.opt.RatedBeta, lambda)
		}
		share := r.Weight / weight
		step.RatedLoss += share * loss
		coefficients[i] = o.opt.RatedShare * share * c
		*mean += l.Reward() / float64(count)
	}
}

// cycle goes through the numbers below n again and again, each time in a new random order.
type cycle struct{ order []int }

// take returns the next k of n, or all of them where there are fewer.
func (c *cycle) take(r *rand.Rand, n, k int) []int {
	k = min(k, n)
	if len(c.order) < k {
		c.order = append(c.order, r.Perm(n)...)
	}
	list := c.order[:k]
	c.order = c.order[k:]
	return list
}
