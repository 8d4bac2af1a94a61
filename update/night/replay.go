package night

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/update/history"
	"nightshift/update/selection"
	"nightshift/update/work"
)

// Replayed is what came of running a night's work again.
type Replayed struct {
	Night    string `json:"night"`
	Recorded string `json:"recorded"` // digest of the night's candidate
	Digest   string `json:"digest"`   // of the one that the replay made, "" when there was none
	Same     bool   `json:"same"`
	Examples int    `json:"examples"` // people's examples in the selection
	Gone     int    `json:"gone"`     // of them, erased since or no longer in the store
	Changed  bool   `json:"changed"`  // the selection is not the one that was trained on: some of it was erased
}

// Replay runs the work of a night again from its frozen files, in a directory of its own, and compares the candidates. The
// registry is only read.
func (ns *Nights) Replay(ctx context.Context, night string, tell func(work.ProgressLine)) (Replayed, error) {
	result := Replayed{Night: night}
	var r reproduce
	if _, err := ns.deps.Registry.NightFiles(night); err != nil {
		return result, err
	}
	found, err := ns.history.Read(night, history.ReproduceFile, &r)
	if err != nil {
		return result, fmt.Errorf("replay night %s: %w", night, err)
	}
	if !found || r.Candidate == "" {
		return result, fmt.Errorf("replay night %s: it came to no candidate that could be made again", night)
	}
	result.Recorded = r.Candidate
	dir, err := os.MkdirTemp("", "nightshift-replay-")
	if err != nil {
		return result, fmt.Errorf("replay night %s: %w", night, err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	if err := ns.copyNight(night, dir); err != nil {
		return result, fmt.Errorf("replay night %s: %w", night, err)
	}
	if err := ns.gone(ctx, night, &result); err != nil {
		return result, fmt.Errorf("replay night %s: %w", night, err)
	}
	err = ns.deps.Runner.Run(ctx, dir, func(_ context.Context, p work.ProgressLine) error {
		if tell != nil {
			tell(p)
		}
		return nil
	})
	if err != nil {
		return result, fmt.Errorf("replay night %s: %w", night, err)
	}
	e, err := readEvaluation(dir)
	if err != nil {
		return result, fmt.Errorf("replay night %s: %w", night, err)
	}
	result.Digest, result.Changed = e.Candidate, e.DataDigest != r.Data
	result.Same = result.Digest == result.Recorded
	return result, nil
}

// readEvaluation reads what the work of a directory came to.
func readEvaluation(dir string) (e work.Evaluation, err error) {
	data, err := os.ReadFile(filepath.Join(dir, work.EvaluationFile))
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("read %s: %w", work.EvaluationFile, err)
	}
	return e, nil
}

// copyNight copies the files that the work of a night reads. A model that was moved is looked for where it is now; the
// work refuses another one.
func (ns *Nights) copyNight(night, dir string) error {
	var job work.Job
	if found, err := ns.history.Read(night, work.JobFile, &job); err != nil || !found {
		return errors.Join(err, missing(found, work.JobFile))
	}
	if _, err := os.Stat(job.ModelDir); err != nil {
		job.ModelDir = ns.cfg.ModelDir
	}
	job.CacheDir = ns.cfg.CacheDir
	var e work.Evaluation
	if found, err := ns.history.Read(night, work.EvaluationFile, &e); err != nil || !found {
		return errors.Join(err, missing(found, work.EvaluationFile))
	}
	if e.Training.Why == nightrecord.EndTime { // the clock decided once; a replay ends at the same step
		job.Train.From = e.Training.From
	}
	if err := writeJob(dir, job); err != nil {
		return err
	}
	names := []string{work.SelectionFile}
	if job.Importances != "" {
		names = append(names, job.Importances)
	}
	for _, version := range []string{job.Champion, job.Reference, job.Origin} {
		if version != "" {
			names = append(names, version+"/"+registry.ConfigFile, version+"/"+registry.WeightsFile)
		}
	}
	for _, name := range names {
		data, err := ns.deps.Registry.ReadNight(night, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// gone counts the people's examples of a selection that the store does not have any more.
func (ns *Nights) gone(ctx context.Context, night string, result *Replayed) error {
	data, err := ns.deps.Registry.ReadNight(night, work.SelectionFile)
	if err != nil {
		return err
	}
	items, err := selection.DecodeItems(data)
	if err != nil {
		return err
	}
	record, _, err := ns.history.Record(night)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Interaction == "" || it.Use == selection.Anchor {
			continue
		}
		result.Examples++
		track := record.Track
		if it.Track != "" {
			track = it.Track
		}
		_, found, err := ns.deps.Store.Interaction(ctx, track, it.Interaction)
		if err != nil {
			return err
		}
		if !found {
			result.Gone++
		}
	}
	erased, err := history.ReadErasure(ns.deps.Registry, night)
	if err != nil {
		return err
	}
	result.Examples += erased.Items
	result.Gone += erased.Items
	return nil
}
