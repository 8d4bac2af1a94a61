package night

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/quantize"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/history"
	"nightshift/update/selection"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// Directories of the versions that a night's work reads.
const (
	championDir  = "champion"
	referenceDir = "reference"
)

// HeldOutKeyFile holds the secret by which people are held out, in the registry's directory: whoever is held out once always is.
const HeldOutKeyFile = "heldout.key"

// beyondDrift is how many times the limit of drift a whole change may be away for a part of it to be tried. What is further did not
// learn too much: something went wrong.
const beyondDrift = 5

// driftPrompts is on how many rehearsed examples drift is measured.
const driftPrompts = 64

// reproduce is what a replay needs to come to the same candidate.
type reproduce struct {
	Seed      uint64        `json:"seed"`
	Threads   int           `json:"threads"`
	Champion  string        `json:"champion"`             // digest, "" the base model
	Reference string        `json:"reference"`            // the same
	WarmStart string        `json:"warm_start,omitempty"` // digest of the warm start that training begins with
	Train     work.Train    `json:"train"`
	Model     work.Identity `json:"model"` // filled in once the work is done, like the rest
	Data      string        `json:"data"`  // digest of the selection
	Candidate string        `json:"candidate"`
}

// freeze decides what the night works with and writes all of it down.
func (n *night) freeze(ctx context.Context) ([]selection.Item, error) {
	n.frozen = frozen{Night: n.req.Night, Track: n.req.Track, By: n.req.By, DryRun: n.req.DryRun, Time: n.log.now()}
	var err error
	if n.frozen.Champion, n.frozen.Reference, err = n.base(); err != nil {
		return nil, err
	}
	if err := n.adopt(); err != nil {
		return nil, err
	}
	d, err := n.decide(ctx)
	if err == nil && d.answers != nil && d.enough() == nil {
		if err = n.answer(ctx, *d.answers); err == nil {
			d, err = n.decide(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	c := d.chosen
	d.explain(&n.log)
	n.log.night.Selected = &c.counts
	n.log.say(fmt.Sprintf("selected %d new and %d held-out examples of %d people, %d of editors, %d to rehearse, %d anchors; %d older ones are superseded",
		c.counts.New-c.counts.Editors, c.counts.HeldOut, c.counts.Subjects, c.counts.Editors, c.counts.Rehearsal, c.counts.Anchors, c.counts.Superseded))
	if w := n.nights.cfg.Weights; w != "" && w != quantize.Float32 {
		n.log.say(fmt.Sprintf("trains on float32 weights, and judges with %s weights, as they are served", w))
	}
	if err := n.setAside(c); err != nil {
		return nil, err
	}
	if err := d.enough(); err != nil {
		return nil, err
	}
	n.frozen.Cursor, n.frozen.Retire, n.frozen.Reviewed = d.cursor, c.retire, d.before.Taken()
	n.frozen.Editors, n.frozen.Beyond, n.frozen.HeldOutBy = c.editors(), d.beyond, c.counts.HeldOutBy
	n.nights.deps.At("chosen")
	if err := n.store(c); err != nil {
		return nil, err
	}
	return c.items, n.unerased(ctx, c)
}

// errErased ends a night whose choice an erasure overtook.
var errErased = skip{"somebody was erased whose examples the night had chosen; the next one does without them"}

// unerased skips a night that chose examples of somebody who was erased before they were written down, where Erase could not see them.
func (n *night) unerased(ctx context.Context, c chosen) error {
	for at := n.frozen.Cursor; ; {
		list, next, err := n.nights.deps.Store.Scan(ctx, n.req.Track, at, page)
		if err != nil {
			return fmt.Errorf("read events of track %s: %w", n.req.Track, err)
		}
		if len(list) == 0 {
			return nil
		}
		at = next
		for _, e := range list {
			if e.Erasure == nil || !slices.ContainsFunc(slices.Concat(c.items, c.probes, c.quarantined), func(it selection.Item) bool {
				return e.Erasure.Covers(it.Subject, it.Time) || e.Erasure.Covers(it.Author, it.Time) || it.Interaction != "" && slices.Contains(e.Erasure.Interactions, it.Interaction)
			}) {
				continue
			}
			if _, err := history.EraseFrom(n.nights.deps.Registry, n.req.Night, replaystore.EraseReport{Erasure: *e.Erasure, IDs: e.Erasure.Interactions}); err != nil {
				return err
			}
			return errErased
		}
	}
}

// store writes the frozen files.
func (n *night) store(c chosen) error {
	if err := n.nights.deps.Registry.RemoveNightFiles(n.req.Night, work.EvaluationFile, work.CurveFile, history.VerdictFile, work.CandidateDir, championDir, referenceDir, warmStartDir, earlierFile, work.ImportancesFile, earlierFast, work.FastDir, work.TeachersFile,
		nightrecord.ScoresFile, history.ErasedFile); err != nil { // of a first, failed attempt
		return err
	}
	job := n.job()
	if !n.makesWarmStart { // a warm start begins at zero
		if err := n.earlier(&job); err != nil {
			return err
		}
	}
	data, err := selection.EncodeItems(c.items)
	if err != nil {
		return err
	}
	probes, err := selection.EncodeItems(c.probes)
	if err != nil {
		return err
	}
	return errors.Join(
		n.nights.deps.Registry.WriteNightFile(n.req.Night, work.SelectionFile, data),
		n.nights.deps.Registry.WriteNightFile(n.req.Night, work.ProbesFile, probes),
		n.nights.history.Write(n.req.Night, work.JobFile, job),
		n.nights.history.Write(n.req.Night, history.RetiredFile, history.Retired{IDs: c.outdated}),
		n.nights.history.Write(n.req.Night, history.ReproduceFile, reproduce{Seed: job.Seed, Threads: job.Threads, Champion: n.frozen.Champion.Digest,
			Reference: n.frozen.Reference, WarmStart: n.frozen.WarmStart.Digest, Train: job.Train}),
		n.nights.history.Write(n.req.Night, history.ConfigFile, n.config()))
}

// earlier puts what came before into the night's directory: champion, reference, and what they left behind.
func (n *night) earlier(job *work.Job) (err error) {
	if job.Champion, err = n.putVersion(n.frozen.Champion.Digest, championDir); err != nil {
		return err
	}
	job.Reference = job.Champion
	if n.frozen.Reference != n.frozen.Champion.Digest {
		if job.Reference, err = n.putVersion(n.frozen.Reference, referenceDir); err != nil {
			return err
		}
	}
	if job.Importances, err = n.importances(); err != nil {
		return err
	}
	job.Origin, err = n.origin()
	return err
}

// job is the work that is asked of the child process, without versions.
func (n *night) job() work.Job {
	job := work.Job{ModelDir: n.nights.cfg.ModelDir, ModelDigest: n.nights.cfg.ModelDigest, CacheDir: n.nights.cfg.CacheDir, Weights: n.nights.cfg.Weights, Threads: n.nights.cfg.Threads, Track: n.req.Track, Seed: n.settings.Train.Seed, Blocked: n.settings.Gate.Blocked,
		Train: n.train, Drift: work.DriftBound{Limit: n.settings.Gate.Drift, Beyond: beyondDrift * n.settings.Gate.Drift, Prompts: driftPrompts}, SelfTests: n.nights.cfg.sizes.selfTests, Answers: n.nights.cfg.sizes.answers, Forgetting: n.settings.Forgetting}
	if n.makesWarmStart {
		job.WarmStart, job.Answers = &n.settings.WarmStart.WarmStart, 0
		job.Train.Objective, job.Train.Methods = selection.SFT, method.Settings{} // examples are imitated, and there is nothing to protect
	}
	return job
}

// putVersion puts the files of a version into a directory of the night and returns the directory's name, "" for the base model.
func (n *night) putVersion(digest, name string) (string, error) {
	if digest == "" {
		return "", nil
	}
	config, weights, _, err := n.nights.deps.Registry.Load(digest)
	if err != nil {
		return "", fmt.Errorf("load %s: %w", name, err)
	}
	return name, n.putAdapter(name, config, weights)
}

// putAdapter puts an adapter's files into a directory of the night.
func (n *night) putAdapter(name string, config, weights []byte) error {
	r := n.nights.deps.Registry
	return errors.Join(r.WriteNightFile(n.req.Night, name+"/"+registry.ConfigFile, config), r.WriteNightFile(n.req.Night, name+"/"+registry.WeightsFile, weights))
}

// thaw reads back what an interrupted night had frozen.
func (n *night) thaw() ([]selection.Item, error) {
	if found, err := n.nights.history.Read(n.req.Night, history.ConfigFile, &n.frozen); err != nil || !found {
		return nil, errors.Join(err, missing(found, history.ConfigFile))
	}
	n.makesWarmStart = len(n.frozen.Tracks) > 0
	data, err := n.nights.deps.Registry.ReadNight(n.req.Night, work.SelectionFile)
	if err != nil {
		return nil, err
	}
	return selection.DecodeItems(data)
}

// missing is the error for a file that is not there.
func missing(found bool, name string) error {
	if found {
		return nil
	}
	return fmt.Errorf("%s is missing", name)
}

// evidenceOf describes the new examples for the gate, those that are held out with them.
func (n *night) evidenceOf(items []selection.Item) gate.Evidence {
	fresh, editors := selection.Parted(append(selection.Using(items, selection.New), selection.Using(items, selection.HeldOut)...))
	ev := gate.Evidence{Editors: len(editors), Examples: selection.Said(fresh), ByQuestions: n.frozen.HeldOutBy == selection.ByQuestions}
	ev.Subjects, ev.LargestShare = selection.People(fresh)
	for i, it := range fresh {
		if age := n.frozen.Time.Sub(it.Time); i == 0 || age < ev.Youngest {
			ev.Youngest = age
		}
	}
	return ev
}
