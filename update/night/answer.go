package night

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"nightshift/internal/anchors"
	"nightshift/update/work"
)

// unanswered is what the model must answer before a night can measure what it forgets; nil where there are anchors, or where the model is
// not to be asked.
func (n *night) unanswered() (*anchors.Plan, error) {
	place := n.nights.cfg.Place
	if n.settings.Anchors != "" || place.Base == "" {
		return nil, nil
	}
	state, _, err := place.Look()
	if err != nil || state != anchors.Missing && state != anchors.Outdated {
		return nil, err
	}
	plan, err := place.Plan()
	return &plan, err
}

// answer has the base model answer questions in a child process, and keeps the answers as its anchors and starter memory.
func (n *night) answer(ctx context.Context, plan anchors.Plan) (err error) {
	n.log.say(fmt.Sprintf("the model has no anchors yet: it answers %d questions first", len(plan.Ask)))
	dir, err := os.MkdirTemp("", "nightshift-anchors-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	questions, err := anchors.EncodeQuestions(plan.Ask)
	if err != nil {
		return err
	}
	job := n.job()
	job.Asks = true
	if err := errors.Join(os.WriteFile(filepath.Join(dir, work.QuestionsFile), questions, 0o600), writeJob(dir, job)); err != nil {
		return err
	}
	if err := n.nights.deps.Runner.Run(ctx, dir, n.log.progress); err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, work.AnswersFile))
	if err != nil {
		return err
	}
	answers, err := anchors.DecodeAnswers(data)
	if err != nil {
		return fmt.Errorf("read answers: %w", err)
	}
	record, err := plan.Keep(answers, job.Weights)
	var few *anchors.TooFewError
	if errors.As(err, &few) {
		return skip{few.Error()}
	}
	if err != nil {
		return err
	}
	n.log.say("made " + record.Sentence() + ", in " + n.nights.cfg.Place.Where())
	return nil
}
