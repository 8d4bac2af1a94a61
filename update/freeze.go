package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/quantize"
	"nightshift/replaystore"
	"nightshift/update/gate"
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
	Champion  string        `json:"champion"`          // digest, "" the base model
	Reference string        `json:"reference"`         // the same
	Initial   string        `json:"initial,omitempty"` // digest of the initial adapter that training begins with
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
	if err != nil {
		return nil, err
	}
	c := d.chosen
	d.explain(&n.log)
	n.log.night.Selection = &c.counts
	n.log.say(fmt.Sprintf("selected %d new and %d held-out examples of %d people, %d of editors, %d to rehearse, %d anchors; %d older ones are superseded",
		c.counts.New-c.counts.Editors, c.counts.HeldOut, c.counts.Subjects, c.counts.Editors, c.counts.Rehearsal, c.counts.Anchors, c.counts.Superseded))
	if w := n.u.cfg.Weights; w != "" && w != quantize.Float32 {
		n.log.say(fmt.Sprintf("trains on float32 weights, and judges with %s weights, as they are served", w))
	}
	if err := n.setAside(c); err != nil {
		return nil, err
	}
	if err := d.enough(); err != nil {
		return nil, err
	}
	n.frozen.Cursor, n.frozen.Retire, n.frozen.Reviewed = d.cursor, c.retire, d.before.taken()
	n.frozen.Editors, n.frozen.Beyond, n.frozen.HeldOutBy = c.editors(), d.beyond, c.counts.HeldOutBy
	n.u.at("chosen")
	if err := n.store(c); err != nil {
		return nil, err
	}
	return c.items, n.unerased(ctx, c)
}

// errForgotten ends a night whose choice an erasure overtook.
var errForgotten = skip{"somebody was forgotten whose examples the night had chosen; the next one does without them"}

// unerased skips a night that chose examples of somebody who was forgotten before they were written down, where Forget could not see them.
func (n *night) unerased(ctx context.Context, c chosen) error {
	for at := n.frozen.Cursor; ; {
		list, next, err := n.u.deps.Store.Scan(ctx, n.req.Track, at, page)
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
			if _, err := forgetNight(n.u.deps.Registry, n.req.Night, replaystore.ForgetReport{Erasure: *e.Erasure, IDs: e.Erasure.Interactions}); err != nil {
				return err
			}
			return errForgotten
		}
	}
}

// past is what the earlier nights of a track left behind, whose champion now is the version with the digest.
func (u *Updater) past(track, champion string) (past, error) {
	list, err := u.deps.Registry.Activations(track)
	if err != nil {
		return past{}, err
	}
	left, err := u.withdrawn(list)
	if err != nil {
		return past{}, err
	}
	return u.lookBack(track, champion, left)
}

// store writes the frozen files.
func (n *night) store(c chosen) error {
	for _, name := range []string{work.EvaluationFile, work.CurveFile, verdictFile, work.CandidateDir, championDir, referenceDir, initialDir, earlierFile, work.ImportancesFile, earlierFast, work.FastDir, work.TeachersFile,
		nightrecord.ScoresFile, erasedFile} { // of a first, failed attempt
		if err := os.RemoveAll(filepath.Join(n.dir, name)); err != nil {
			return fmt.Errorf("clear night: %w", err)
		}
	}
	job := n.job()
	if !n.makesInitial { // an initial adapter begins at zero
		if err := n.earlier(&job); err != nil {
			return err
		}
	}
	data, err := encodeItems(c.items)
	if err != nil {
		return err
	}
	probes, err := encodeItems(c.probes)
	if err != nil {
		return err
	}
	return errors.Join(
		n.u.deps.Registry.WriteNightFile(n.req.Night, selectionFile, data),
		n.u.deps.Registry.WriteNightFile(n.req.Night, work.ProbesFile, probes),
		n.u.writeJSON(n.req.Night, work.JobFile, job),
		n.u.writeJSON(n.req.Night, retiredFile, retired{IDs: c.outdated}),
		n.u.writeJSON(n.req.Night, reproduceFile, reproduce{Seed: job.Seed, Threads: job.Threads, Champion: n.frozen.Champion.Digest,
			Reference: n.frozen.Reference, Initial: n.frozen.Initial.Digest, Train: job.Train}),
		n.u.writeJSON(n.req.Night, configFile, n.config()))
}

// earlier puts what came before into the night's directory: champion, reference, and what they left behind.
func (n *night) earlier(job *work.Job) (err error) {
	if job.Champion, err = n.u.version(n.dir, n.frozen.Champion.Digest, championDir); err != nil {
		return err
	}
	job.Reference = job.Champion
	if n.frozen.Reference != n.frozen.Champion.Digest {
		if job.Reference, err = n.u.version(n.dir, n.frozen.Reference, referenceDir); err != nil {
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
	job := work.Job{ModelDir: n.u.cfg.ModelDir, CacheDir: n.u.cfg.CacheDir, Weights: n.u.cfg.Weights, Threads: n.u.cfg.Threads, Track: n.req.Track, Seed: n.settings.Train.Seed, Blocked: n.settings.Gate.Blocked,
		Train: n.train, Drift: work.Drift{Limit: n.settings.Gate.Drift, Beyond: beyondDrift * n.settings.Gate.Drift, Prompts: driftPrompts}, SelfTests: n.u.cfg.sizes.selfTests, Answers: n.u.cfg.sizes.answers, Forgetting: n.settings.Forgetting}
	if n.makesInitial {
		job.Initial, job.Answers = &n.settings.Initial.Initial, 0
		job.Train.Objective, job.Train.Methods = selection.SFT, method.Settings{} // examples are imitated, and there is nothing to protect
	}
	return job
}

// version puts the files of a version into a directory of that name within another and returns its name, "" for the base model.
func (u *Updater) version(within, digest, name string) (string, error) {
	if digest == "" {
		return "", nil
	}
	config, weights, _, err := u.deps.Registry.Load(digest)
	if err != nil {
		return "", fmt.Errorf("load %s: %w", name, err)
	}
	dir := filepath.Join(within, name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, registry.ConfigFile), config, 0o644),
		os.WriteFile(filepath.Join(dir, registry.WeightsFile), weights, 0o644)); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return name, nil
}

// thaw reads back what an interrupted night had frozen.
func (n *night) thaw() ([]selection.Item, error) {
	if found, err := n.u.readJSON(n.req.Night, configFile, &n.frozen); err != nil || !found {
		return nil, errors.Join(err, missing(found, configFile))
	}
	n.makesInitial = len(n.frozen.Tracks) > 0
	data, err := n.u.deps.Registry.ReadNight(n.req.Night, selectionFile)
	if err != nil {
		return nil, err
	}
	return decodeItems(data)
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
	fresh, editors := parted(append(use(items, selection.New), use(items, selection.HeldOut)...))
	ev := gate.Evidence{Editors: len(editors), Examples: selection.Said(fresh), ByQuestions: n.frozen.HeldOutBy == selection.ByQuestions}
	ev.Subjects, ev.LargestShare = selection.People(fresh)
	for i, it := range fresh {
		if age := n.frozen.Time.Sub(it.Time); i == 0 || age < ev.Youngest {
			ev.Youngest = age
		}
	}
	return ev
}
