package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/night"
)

// lookEvery is how often the updater looks at running trials.
const lookEvery = time.Minute

// trials are the running trials as this process has read them. All of it can be read again: activations say what is in force
// since when, the store what happened.
type trials struct {
	u       *Updater
	running map[string]*trial // by track
}

// trials has read nothing yet.
func (u *Updater) trials() *trials { return &trials{u: u, running: map[string]*trial{}} }

// watchTrials widens, finishes and rolls back canaries until ctx is done. It does not wait for nights. Of several updaters each
// may decide; the activation's number lets one of them.
func (u *Updater) watchTrials(ctx context.Context) error {
	w := u.trials()
	for ctx.Err() == nil {
		tracks, err := u.deps.Registry.Tracks()
		if err != nil {
			u.deps.Log.Warn("the tracks cannot be listed; trials wait", "error", err)
		}
		for _, track := range tracks {
			if err := w.look(ctx, track); err != nil && ctx.Err() == nil {
				u.deps.Log.Warn("a trial cannot be judged now; it goes on as it is", "track", track, "error", err)
			}
		}
		if err := sleep(ctx, time.Now().Add(lookEvery)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// look judges the trial of a track, if it has one that an updater began. What a person set up is a person's to end, and a held
// track has no trial.
func (w *trials) look(ctx context.Context, track string) error {
	now, err := w.u.deps.Registry.Champion(track)
	if err != nil {
		return err
	}
	candidate, canary := now.Canary()
	if !canary || now.Held || registry.Human(now.Actor) {
		delete(w.running, track)
		return nil
	}
	list, err := w.u.deps.Registry.Activations(track)
	if err != nil && !errors.Is(err, registry.ErrCorrupt) {
		return err
	}
	first := len(list)
	for first > 0 && list[first-1].Candidate == now.Candidate && list[first-1].Digest == now.Digest {
		first--
	}
	steps := slices.Clone(list[first:])
	if len(steps) == 0 {
		return fmt.Errorf("activation %d is not among the activations of the track", now.Sequence)
	}
	t := w.running[track]
	if t == nil || t.candidate.Digest != candidate.Digest || t.steps[0].Sequence != steps[0].Sequence {
		if t, err = w.u.newTrial(candidate, steps); err != nil {
			return err
		}
		w.running[track] = t
	}
	t.steps = steps
	if err := t.read(ctx, w.u.deps.Store, w.u.deps.Now()); err != nil {
		delete(w.running, track) // what was counted of the page that failed is not known
		return err
	}
	return w.u.decide(ctx, t)
}

// decide ends the step of a trial where it is time.
func (u *Updater) decide(ctx context.Context, t *trial) error {
	step, settings := t.steps[len(t.steps)-1], u.cfg.Of(t.candidate.Track).Canary
	if settings.Error <= 0 {
		settings.Error = night.Defaults().Canary.Error
	}
	tests := t.tests(settings.Error / 2) // Bonferroni's: two tests share the error
	age, people := u.deps.Now().Sub(step.Time), t.people()
	next := registry.Activation{Digest: step.Digest, Number: step.Number, Previous: step.Sequence, Actor: registry.Updater, Night: step.Night}
	decision := ""
	switch bad := slices.IndexFunc(tests, func(x nightrecord.TrialTest) bool { return !x.Pass }); {
	case bad >= 0:
		decision = nightrecord.RolledBack
		next.Reason = "rolled back from its trial: " + describe(tests[bad])
	case age >= settings.Step && people >= settings.People:
		share := settings.Next(step.Share)
		if share < 1 {
			decision = nightrecord.Widened
			next.Candidate, next.CandidateNumber, next.Share = step.Candidate, step.CandidateNumber, share
			next.Reason = fmt.Sprintf("%g %% after %g %%: %s", 100*share, 100*step.Share, summary(tests, people))
		} else {
			decision = nightrecord.Finished
			next.Digest, next.Number = step.Candidate, step.CandidateNumber
			next.Reason = fmt.Sprintf("passed its trial, %g %% last: %s", 100*step.Share, summary(tests, people))
		}
	case age >= settings.Patience:
		decision = nightrecord.RolledBack
		next.Reason = fmt.Sprintf("rolled back from its trial: in %s the candidate answered %d people, a step needs %d", age.Round(time.Minute), people, settings.People)
	default:
		return nil
	}
	return u.endStep(ctx, t, next, nightrecord.TrialStep{Began: step.Time, Share: step.Share, People: people, Tests: tests, Decision: decision, Reason: next.Reason})
}

// endStep writes a decision. That somebody else has changed the track meanwhile, or holds it, is no error: they go first.
func (u *Updater) endStep(ctx context.Context, t *trial, next registry.Activation, step nightrecord.TrialStep) error {
	next.Time = u.deps.Now().UTC()
	a, err := u.deps.Registry.Activate(ctx, t.candidate.Track, next)
	if errors.Is(err, registry.ErrConflict) || errors.Is(err, registry.ErrHeld) {
		return nil
	}
	if err != nil {
		return err
	}
	u.deps.Log.Info("a trial went on", "track", a.Track, "candidate", t.candidate.String(), "decision", step.Decision, "reason", step.Reason)
	if _, err := replaystore.Send(ctx, u.deps.Store.Control(), replaystore.ActivationHint{Track: a.Track, Number: a.Sequence}); err != nil {
		u.deps.Log.Warn("an activation cannot be announced; servers will see it when they look", "track", a.Track, "error", err)
	}
	if a.Night == "" {
		return nil
	}
	record := nightrecord.Trial{}
	if _, err := u.history.Read(a.Night, nightrecord.TrialFile, &record); err != nil {
		return err
	}
	step.Activation, step.Ended = a.Sequence, a.Time
	record.Candidate = nightrecord.Candidate{Version: t.candidate.Number, Digest: t.candidate.Digest}
	record.Steps = append(record.Steps, step)
	return u.history.Write(a.Night, nightrecord.TrialFile, record)
}
