package night

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/history"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// conclude judges the candidate and publishes or rejects it.
func (n *night) conclude(ctx context.Context, items []selection.Item) error {
	var e work.Evaluation
	if found, err := n.nights.history.Read(n.req.Night, work.EvaluationFile, &e); err != nil || !found {
		return errors.Join(err, missing(found, work.EvaluationFile))
	}
	if err := n.confirmScores(); err != nil {
		return err
	}
	version, digest, err := n.candidate(e, items)
	if err != nil {
		return err
	}
	n.log.night.Candidate = &nightrecord.Candidate{Digest: digest, Scale: scaleOf(e)}
	if e.Training.Steps > 0 {
		t := e.Training
		n.log.night.Trained = &t
		n.log.say(t.Sentence())
	}
	if c := e.Cut; c != nil {
		n.log.say(fmt.Sprintf("the candidate needed rank %d and has %d: %.2g %% of what it adds was cut off", c.From, c.To, 100*c.Lost))
	}
	if e.StoredTeachers > 0 {
		n.log.say(fmt.Sprintf("%d of %d rehearsed examples are held to what the model said when they were learned", e.StoredTeachers, n.log.night.Selected.Rehearsal))
	}
	v := gate.Judge(e.Evaluation, n.evidenceOf(items), n.limits())
	n.log.night.Verdict, n.log.night.Linears = &v, e.Linears
	n.log.night.Learned, n.log.night.Sparsity = learnedRecord(e.Learned), e.Sparsity
	if err := errors.Join(n.nights.history.Write(n.req.Night, history.VerdictFile, v), n.reproduced(e)); err != nil {
		return err
	}
	refused := ""
	if !v.Pass {
		refused = refusal(v)
	}
	return n.publish(ctx, version, items, refused)
}

// publish stores the candidate and makes it serve, unless it is refused. A dry run does neither.
func (n *night) publish(ctx context.Context, version registry.Version, items []selection.Item, refused string) error {
	if n.req.DryRun {
		if refused != "" {
			return n.log.end(ctx, nightrecord.Rejected, "dry run: "+refused)
		}
		return n.log.end(ctx, nightrecord.Skipped, "dry run: the candidate "+n.passed()+", and was neither stored nor activated")
	}
	ref, err := n.nights.deps.Registry.Put(ctx, n.req.Track, version)
	if err != nil {
		return err
	}
	stored := *n.log.night.Candidate // not changed in place: others hold the record
	stored.Version = ref.Number
	n.log.night.Candidate = &stored
	n.nights.deps.At("put")
	if refused != "" {
		return errors.Join(n.complete(ctx, false), n.log.end(ctx, nightrecord.Rejected, refused))
	}
	return n.activate(ctx, ref, items)
}

// passed says why a candidate is not refused.
func (n *night) passed() string {
	if n.makesWarmStart {
		return "helps tracks to learn"
	}
	return "passed the gate"
}

// digestOf names the content of a selection.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// scaleOf is how much of the trained change the candidate has, 0 for all of it.
func scaleOf(e work.Evaluation) float64 {
	if scale := e.Drift.Scale(); scale < 1 {
		return scale
	}
	return 0
}

// candidate reads the version that the child made, and its manifest.
func (n *night) candidate(e work.Evaluation, items []selection.Item) (registry.Version, string, error) {
	data, err := n.nights.deps.Registry.ReadNight(n.req.Night, work.SelectionFile)
	if err != nil {
		return registry.Version{}, "", err
	}
	if e.DataDigest != digestOf(data) {
		return registry.Version{}, "", errors.New("somebody's examples were erased while the night ran; what was learned from them is dropped")
	}
	config, weights, err := n.nights.nightAdapter(n.req.Night, work.CandidateDir)
	if err != nil {
		return registry.Version{}, "", fmt.Errorf("read candidate: %w", err)
	}
	digest := registry.Digest(config, weights)
	if digest != e.Candidate {
		return registry.Version{}, "", fmt.Errorf("read candidate: its files have digest %s, %s was evaluated", digest, e.Candidate)
	}
	return registry.Version{Config: config, Weights: weights, Manifest: registry.Manifest{
		Parent: n.frozen.Champion.Digest, WarmStart: n.frozen.WarmStart.Digest, BaseDigest: e.Model.Base, TemplateHash: e.Model.Template, TokenizerHash: e.Model.Tokenizer,
		Night: n.req.Night, DataDigest: e.DataDigest, Examples: len(selection.Using(items, selection.New)) + len(selection.Using(items, selection.Rehearsal)),
		SelfTest: e.SelfTest, ServedAs: e.Model.Weights, Figures: n.figures(e)}}, digest, nil
}

// nightAdapter reads the files of an adapter in a directory of a night.
func (ns *Nights) nightAdapter(night, dir string) (config, weights []byte, err error) {
	if config, err = ns.deps.Registry.ReadNight(night, dir+"/"+registry.ConfigFile); err != nil {
		return nil, nil, err
	}
	weights, err = ns.deps.Registry.ReadNight(night, dir+"/"+registry.WeightsFile)
	return config, weights, err
}

// figures are the manifest's numbers for people.
func (n *night) figures(e work.Evaluation) map[string]float64 {
	f := map[string]float64{"champion_end_rate": e.ChampionBehaviour.EndRate, "candidate_end_rate": e.CandidateBehaviour.EndRate,
		"new_examples": float64(n.log.night.Selected.New), "rehearsal_examples": float64(n.log.night.Selected.Rehearsal)}
	if d := e.Drift.Tried; len(d) > 0 {
		f["scale"] = e.Drift.Scale()
		f["drift"], _ = d[len(d)-1].Mean()
	}
	if e.Cut != nil {
		f["cut"] = e.Cut.Lost
	}
	if e.Sparsity != nil {
		f["sparsity"] = *e.Sparsity
	}
	if c := n.log.night.Curve; len(c) > 0 {
		f["first_loss"], f["last_loss"] = c[0].Loss, c[len(c)-1].Loss
	}
	if l := e.Learned; l != nil && l.Preferences > 0 {
		f["preferences"], f["preference_margin"], f["preference_accuracy"] = float64(l.Preferences), l.End.Margin, l.End.Accuracy
	}
	if l := e.Learned; l != nil && l.Good+l.Bad > 0 {
		f["good_answers"], f["good_reward"], f["bad_answers"], f["bad_reward"] = float64(l.Good), l.End.GoodReward, float64(l.Bad), l.End.BadReward
	}
	mean := func(p gate.Paired, scores []float64) (nll float64, ok bool) {
		var sum, tokens float64
		for i := range min(len(scores), len(p.Tokens)) {
			sum, tokens = sum+scores[i], tokens+float64(p.Tokens[i])
		}
		return sum / tokens, tokens > 0
	}
	for _, p := range append([]gate.Paired{e.Gain}, e.Anchors...) {
		if nll, ok := mean(p, p.Champion); ok {
			f[p.Name+"_champion_nll"] = nll
		}
		if nll, ok := mean(p, p.Candidate); ok {
			f[p.Name+"_candidate_nll"] = nll
		}
	}
	return f
}

// reproduced completes what a replay is compared with.
func (n *night) reproduced(e work.Evaluation) error {
	return n.nights.history.Write(n.req.Night, history.ReproduceFile, reproduce{Seed: n.settings.Train.Seed, Threads: n.nights.cfg.Threads, Champion: n.frozen.Champion.Digest,
		Reference: n.frozen.Reference, WarmStart: n.frozen.WarmStart.Digest, Train: n.train, Model: e.Model, Data: e.DataDigest, Candidate: e.Candidate})
}

// activate makes the candidate the champion, or gives it to a share of the people first, if the track is still what the night
// rests on.
func (n *night) activate(ctx context.Context, ref registry.Ref, items []selection.Item) error {
	next := registry.Activation{Digest: ref.Digest, Number: ref.Number,
		Previous: n.frozen.Champion.Sequence, Actor: registry.Updater, Night: n.req.Night, Reason: n.passed()}
	if before := n.frozen.Champion; before.Digest != ref.Digest && !n.makesWarmStart { // nobody is served by a warm start
		if share := n.settings.Canary.Next(0); share < 1 {
			next.Digest, next.Number = before.Digest, before.Number
			next.Candidate, next.CandidateNumber, next.Share = ref.Digest, ref.Number, share
			next.Reason = fmt.Sprintf("passed the gate; on trial with %g %% of the people", 100*share)
		}
	}
	next.Time = n.log.now()
	a, err := n.nights.deps.Registry.Activate(ctx, n.req.Track, next)
	if err != nil { // also one of the disk that leaves open whether it is in force
		now, champErr := n.nights.deps.Registry.Champion(n.req.Track)
		switch {
		case champErr == nil && now.Night == n.req.Night && introduced(now).Digest == ref.Digest:
			a = now
		case errors.Is(err, registry.ErrHeld) || errors.Is(err, registry.ErrConflict) && champErr == nil && now.Held:
			return n.log.end(ctx, nightrecord.Rejected, fmt.Sprintf("held: %s froze the track while the night ran; the candidate is kept as version %d", now.Actor, ref.Number))
		case errors.Is(err, registry.ErrConflict):
			return n.log.end(ctx, nightrecord.Rejected, fmt.Sprintf("the track changed while the night ran: %s activated %s; the candidate is kept as version %d and the evidence for the next night",
				now.Actor, now.Champion(), ref.Number))
		default:
			return err
		}
	}
	n.nights.deps.At("activated")
	return n.settle(ctx, items, a)
}

// introduced is the version that an activation brought in.
func introduced(a registry.Activation) registry.Ref {
	if ref, canary := a.Canary(); canary {
		return ref
	}
	return a.Champion()
}

// settle does what follows an activation. It may be repeated.
func (n *night) settle(ctx context.Context, items []selection.Item, a registry.Activation) error {
	if _, err := replaystore.Send(ctx, n.nights.deps.Store.Control(), replaystore.ActivationHint{Track: n.req.Track, Number: a.Sequence}); err != nil {
		n.nights.deps.Log.Warn("an activation cannot be announced; servers will see it when they look", "night", n.req.Night, "error", err)
	}
	if !n.makesWarmStart {
		if err := n.memorize(ctx, items); err != nil {
			return err
		}
	}
	n.nights.deps.At("settled")
	n.warn()
	ref, reason := introduced(a), ""
	if a.Share > 0 {
		reason = fmt.Sprintf("on trial: %g %% of the people have it first", 100*a.Share)
	}
	done := nightrecord.Candidate{Version: ref.Number, Digest: ref.Digest} // what was recorded is others' to read
	if c := n.log.night.Candidate; c != nil && c.Digest == ref.Digest {
		done.Scale = c.Scale
	}
	n.log.night.Candidate = &done
	return errors.Join(n.complete(ctx, true), n.log.end(ctx, nightrecord.Published, reason))
}

// complete writes that the night has used up its evidence, and has the store drop what is too much of it. A warm start uses up none.
func (n *night) complete(ctx context.Context, published bool) error {
	if n.makesWarmStart {
		return nil
	}
	done := history.Completion{Track: n.req.Track, Cursor: n.frozen.Cursor, Completed: n.log.now(), Published: published, Reviewed: n.frozen.Reviewed,
		Editors: n.frozen.Editors, Beyond: n.frozen.Beyond, HeldOutBy: n.frozen.HeldOutBy}
	if c := n.log.night.Candidate; c != nil {
		done.Digest = c.Digest
	}
	if err := n.nights.history.Write(n.req.Night, history.CursorFile, done); err != nil {
		return err
	}
	trimmer, ok := n.nights.deps.Store.(replaystore.Trimmer)
	if !ok {
		return nil
	}
	switch dropped, err := trimmer.Trim(ctx, n.req.Track, n.frozen.Cursor, n.nights.cfg.Keep); {
	case err != nil: // the next night tries again
		n.nights.deps.Log.Warn("old events cannot be dropped from the store", "track", n.req.Track, "error", err)
	case dropped > 0:
		n.log.say(fmt.Sprintf("dropped the oldest %d events of the track from the store, which keeps %d", dropped, n.nights.cfg.Keep))
	}
	return nil
}

// refusal says in a sentence which checks failed.
func refusal(v nightrecord.Verdict) string {
	var failed []string
	for _, c := range v.Checks {
		if !c.Pass {
			failed = append(failed, c.Name+" ("+c.Detail+")")
		}
	}
	return "the gate rejected the candidate: " + strings.Join(failed, "; ")
}

// learnedRecord is what was learned of preferences and ratings in the words of the record.
func learnedRecord(l *work.ObjectiveReport) *nightrecord.Learned {
	if l == nil {
		return nil
	}
	return &nightrecord.Learned{Objective: l.Objective, Imitated: l.Imitated, Preferences: l.Preferences, LeftOut: l.LeftOut, Margin: l.End.Margin, Accuracy: l.End.Accuracy,
		Good: l.Good, Bad: l.Bad, GoodReward: l.End.GoodReward, BadReward: l.End.BadReward,
		Recorded: l.References.Recorded, Computed: l.References.Computed, Apart: l.References.Apart, Reasons: l.References.Reasons}
}
