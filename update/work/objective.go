package work

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"nightshift/internal/config"
	"nightshift/onnx/graphs"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// Preferences say how corrections are learned as pairs, beside being imitated.
type Preferences struct {
	Share       float64 `yaml:"share" json:"share" min:"0.000001" max:"1000" doc:"Weight of the preference loss relative to that of imitation. Where corrections weigh less than all that is imitated, it is less by as much."`
	Beta        float64 `yaml:"beta" json:"beta" min:"0.000001" max:"1000" doc:"Strength by which the preference loss holds the candidate to the champion (the beta of DPO): its pull ends when the correction has gained a\nfew times 1/beta nats on the answer."`
	Smoothing   float64 `yaml:"smoothing" json:"smoothing,omitempty" min:"0" max:"0.49" doc:"Expected share of corrections that are worse than the answer (label smoothing). Above 0 no single correction is believed without bounds."`
	ChangedOnly bool    `yaml:"changed_only" json:"changed_only,omitempty" doc:"Whether to leave out the tokens that correction and answer both begin with. It changes nothing but the work."`
}

// Ratings say how answers that were rated are learned; the good ones are imitated as well.
type Ratings struct {
	Share       float64 `yaml:"share" json:"share" min:"0.000001" max:"1000" doc:"Weight of the loss of ratings relative to that of imitation. Where rated answers weigh less than all that is imitated, it is less by as much."`
	Beta        float64 `yaml:"beta" json:"beta" min:"0.000001" max:"1000" doc:"Strength by which the loss of ratings holds the candidate to the champion (the beta of KTO and APO): its pull ends when an answer has gained\nor lost a few times 1/beta nats."`
	Desirable   float64 `yaml:"desirable" json:"desirable,omitempty" min:"0" max:"1000" doc:"Weight of answers that were rated good. Where both weights are 0, all good and all bad answers together count alike, as far as one weighs up\nto 4 times the other."`
	Undesirable float64 `yaml:"undesirable" json:"undesirable,omitempty" min:"0" max:"1000" doc:"Weight of answers that were rated bad. Where both weights are 0, see desirable."`
}

// ObjectiveReport says what a run learned of preferences and ratings. A night's record has of it what is of use to people:
// nightrecord.Learned.
type ObjectiveReport struct {
	Objective   string `json:"objective"`
	Imitated    int    `json:"imitated"`    // new examples that were imitated, some of them beside that
	Preferences int    `json:"preferences"` // pairs
	LeftOut     int    `json:"left_out"`    // corrections that make no pair: nothing comes before them, or the tokens are the answer's
	Good        int    `json:"good"`        // rated answers
	Bad         int    `json:"bad"`

	References train.ReferenceReport `json:"references"`
	// End is of all preferences and rated answers after the last step, before drift was looked at. At the champion rewards and margin are 0.
	End train.ObjectiveStep `json:"end"`
}

// checkObjective refuses an objective, and settings of it, that no run could work with.
func (t Train) checkObjective() error {
	switch {
	case t.Objective == "" || t.Objective == selection.SFT:
		return nil
	case !slices.Contains(selection.Objectives(), t.Objective):
		return fmt.Errorf("objective %q is none of %v", t.Objective, selection.Objectives())
	}
	err := config.Check("preferences", t.Preferences)
	if t.Objective != selection.DPO {
		err = errors.Join(err, config.Check("ratings", t.Ratings))
	}
	return err
}

// objective is what a run learns from preferences and ratings beside what it imitates; the zero value is nothing.
type objective struct {
	learned *ObjectiveReport
	loss    *train.Objective
	scorer  *train.Scorer
	last    train.ObjectiveStep // what the latest step drew
}

// objective prepares the preferences and ratings for a run of so many steps. Its graph is beside that of the session for as long as
// the run lasts: whoever asks closes it.
func (w *worker) objective(trainable graphs.Trainable, l lessons, steps int) (*objective, error) {
	t := w.job.Train
	if t.Objective == "" || t.Objective == selection.SFT {
		return &objective{}, nil
	}
	o := &objective{learned: &ObjectiveReport{Objective: t.Objective, Imitated: len(l.fresh), Preferences: len(l.preferences), LeftOut: l.leftOut}}
	for _, r := range l.rated {
		if r.Good {
			o.learned.Good++
		} else {
			o.learned.Bad++
		}
	}
	if len(l.preferences)+len(l.rated) == 0 {
		return o, nil
	}
	champion := train.Champion{Params: w.served(trainable)}
	var err error
	if w.champion != nil {
		if champion.Version, err = w.champion.Digest(); err != nil {
			return nil, err
		}
	}
	if w.model.Template != nil {
		champion.Template = w.model.Template.Digest()
	}
	if o.scorer, err = train.NewScorer(w.base(), trainable, 1, t.Rows, t.Columns, w.job.Threads); err != nil {
		return nil, err
	}
	o.loss, o.learned.References, err = train.NewObjective(o.scorer, champion, l.preferences, l.rated, w.objectiveOptions(l, steps))
	if err != nil {
		o.close()
		return nil, fmt.Errorf("train: %w", err)
	}
	return o, nil
}

// minDrawn is how many preferences or rated answers a step draws at least: the mean of fewer says little.
const minDrawn = 4

// objectiveOptions spread the examples evenly over the steps, each as often as the epochs say or more. A kind of example whose
// weights add up to less than those of what is imitated has as much less of a share: one pair among a hundred approved answers, which
// every step would draw, would else pull a hundred times as hard as each of them.
func (w *worker) objectiveOptions(l lessons, steps int) train.ObjectiveOptions {
	t := w.job.Train
	each := func(n int) int { return min(n, max(minDrawn, int(math.Ceil(t.Epochs*float64(n)/float64(steps))))) }
	imitated, pairs, rated := 0.0, 0.0, 0.0
	for _, s := range l.imitated() {
		imitated += float64(s.Weight)
	}
	for _, p := range l.preferences {
		pairs += p.Weight
	}
	for _, r := range l.rated {
		rated += r.Weight
	}
	share := func(share, weight float64) float64 {
		if weight < imitated {
			return share * weight / imitated
		}
		return share
	}
	o := train.ObjectiveOptions{Preferences: each(len(l.preferences)), PreferenceShare: share(t.Preferences.Share, pairs), Beta: t.Preferences.Beta, Smoothing: t.Preferences.Smoothing,
		Rated: each(len(l.rated)), RatedShare: share(t.Ratings.Share, rated), RatedBeta: t.Ratings.Beta, RatedLoss: train.KTOLoss,
		Desirable: t.Ratings.Desirable, Undesirable: t.Ratings.Undesirable, MismatchSeed: w.job.Seed}
	if t.Objective == selection.APO {
		o.RatedLoss = train.APOLoss
	}
	return o
}

// part is the objective as Fit takes it over a session, nil for none.
func (o *objective) part(s *train.Session) (p func(*rand.Rand, []float32) (float64, int, error)) {
	if o.loss != nil {
		p = o.loss.Part(s, func(step train.ObjectiveStep) { o.last = step })
	}
	return p
}

// ended takes the figures of the parameters that came of it.
func (o *objective) ended(params []float32) (err error) {
	if o.loss != nil {
		o.learned.End, err = o.loss.Measure(params)
	}
	return err
}

// close frees the graph.
func (o *objective) close() {
	if o.scorer != nil {
		o.scorer.Close()
	}
}

// values adds the figures of the latest step to those of a line of progress.
func (o *objective) values(into map[string]float64) {
	if o.loss == nil {
		return
	}
	if o.learned.Preferences > 0 {
		into["preference_loss"], into["margin"], into["accuracy"] = o.last.PreferenceLoss, o.last.Margin, o.last.Accuracy
	}
	if o.learned.Good+o.learned.Bad > 0 {
		into["rated_loss"], into["good_reward"], into["bad_reward"], into["baseline"] = o.last.RatedLoss, o.last.GoodReward, o.last.BadReward, o.last.Baseline
	}
}

// point is what the curve says of a step.
func (o *objective) point(p train.Step) any {
	if o.loss == nil {
		return p
	}
	return struct {
		train.Step
		Objective train.ObjectiveStep `json:"objective"`
	}{p, o.last}
}
