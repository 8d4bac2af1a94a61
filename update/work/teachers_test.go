package work

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/replaystore"
	"nightshift/update/selection"
)

// taughtBy reads what a run left to store with its examples, by their ids.
func taughtBy(t *testing.T, dir string) map[string]replaystore.TopLogProbs {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, TeachersFile))
	must(t, err)
	list := map[string]replaystore.TopLogProbs{}
	for line := range strings.Lines(string(data)) {
		var got Taught
		must(t, json.Unmarshal([]byte(line), &got))
		list[got.ID] = got.Teacher
	}
	return list
}

// gain is how much less the candidate's loss on the held-out examples is than the champion's, in nats.
func gain(e Evaluation) float64 {
	sum := 0.0
	for i := range e.Gain.Champion {
		sum += e.Gain.Champion[i] - e.Gain.Candidate[i]
	}
	return sum
}

// TestStoredTeachers has one run learn the prices and store what it then says of them. A second one that learns something else from the
// base model rehearses the prices' questions by those distributions alone, and comes to know them; taught by the champion, which
// does not know them, it does not.
func TestStoredTeachers(t *testing.T) {
	first := job(t, func(j *Job) { j.Train.StoredTeachers, j.Train.Epochs = true, 150 })
	must(t, Run(t.Context(), first, &bytes.Buffer{}))
	items, _, err := readSelection(first)
	must(t, err)
	stored := taughtBy(t, first)
	if len(stored) != len(facts) {
		t.Fatalf("%d examples have teachers, want %d", len(stored), len(facts))
	}
	base := evaluation(t, first).Model.Base
	for i := range items {
		switch items[i].Use {
		case selection.Rehearsal:
			items[i].Use = selection.New
		case selection.New:
			taught, ok := stored[items[i].ID]
			if !ok || taught.K != 4 || taught.Model != base {
				t.Fatalf("%s has teacher %+v", items[i].ID, taught)
			}
			items[i].Use, items[i].Teacher = selection.Rehearsal, &taught
		}
	}
	second := func(change func(*Job, []selection.Item)) Evaluation {
		var j Job
		must(t, read(first, JobFile, &j))
		j.Train.KL, j.Train.Rehearsal = 1, 4
		list := append([]selection.Item(nil), items...)
		change(&j, list)
		dir := t.TempDir()
		put(t, dir, j, list)
		must(t, Run(t.Context(), dir, &bytes.Buffer{}))
		return evaluation(t, dir)
	}
	byStored := second(func(*Job, []selection.Item) {})
	byChampion := second(func(j *Job, _ []selection.Item) { j.Train.StoredTeachers = false })
	if byStored.StoredTeachers != len(facts) || byChampion.StoredTeachers != 0 {
		t.Errorf("%d and %d examples were taught by stored teachers, want %d and 0", byStored.StoredTeachers, byChampion.StoredTeachers, len(facts))
	}
	if gain(byStored) < 1 || gain(byChampion) > gain(byStored)/4 {
		t.Errorf("the prices became likelier by %g nats with stored teachers, by %g with the champion", gain(byStored), gain(byChampion))
	}

	// Teachers of another model, or of other tokens, are not followed: the champion teaches as without.
	unusable := second(func(_ *Job, list []selection.Item) {
		for i := range list {
			if list[i].Teacher == nil {
				continue
			}
			other := *list[i].Teacher
			switch i % 3 {
			case 0:
				other.Model = "sha256:another"
			case 1:
				other.IDs, other.LogProbs = other.IDs[4:], other.LogProbs[4:]
			default:
				other.IDs = append([]int32{1 << 20}, other.IDs[1:]...)
			}
			list[i].Teacher = &other
		}
	})
	if unusable.StoredTeachers != 0 || unusable.Candidate != byChampion.Candidate {
		t.Errorf("%d unusable teachers were followed; the candidate is %s, taught by the champion it is %s", unusable.StoredTeachers, unusable.Candidate, byChampion.Candidate)
	}
	if _, err := os.Stat(filepath.Join(job(t, nil), TeachersFile)); !os.IsNotExist(err) {
		t.Errorf("a job that stores no teachers left some: %v", err)
	}
}

// TestReferenceTeachesWhatTheModelCameWith: the track's reference knows the prices, its champion does not. Rehearsed as the model's own,
// their questions are taught by the reference alone; as what people said, by the champion.
func TestReferenceTeachesWhatTheModelCameWith(t *testing.T) {
	first := job(t, func(j *Job) { j.Train.Epochs = 150 })
	must(t, Run(t.Context(), first, &bytes.Buffer{}))
	items, _, err := readSelection(first)
	must(t, err)
	for i := range items {
		switch items[i].Use {
		case selection.Rehearsal:
			items[i].Use = selection.New
		case selection.New:
			items[i].Use = selection.Rehearsal
		}
	}
	taught := func(interaction string) float64 {
		var j Job
		must(t, read(first, JobFile, &j))
		j.Reference, j.Train.KL, j.Train.Rehearsal = "reference", 1, 4
		list := append([]selection.Item(nil), items...)
		for i := range list {
			if list[i].Use == selection.Rehearsal {
				list[i].Interaction = interaction
			}
		}
		dir := t.TempDir()
		put(t, dir, j, list)
		must(t, os.CopyFS(filepath.Join(dir, j.Reference), os.DirFS(filepath.Join(first, CandidateDir))))
		must(t, Run(t.Context(), dir, &bytes.Buffer{}))
		return gain(evaluation(t, dir))
	}
	own, said := taught(""), taught("visit")
	if own < 1 || said > own/4 {
		t.Errorf("the prices became likelier by %g nats as the model's own, by %g as what people said", own, said)
	}
}

// TestChampionTeachesNewExamples: the larger its share in the targets of new examples, the less is learned of them, and with all of it nothing.
func TestChampionTeachesNewExamples(t *testing.T) {
	gains := map[float64]float64{}
	for _, share := range []float64{0, 0.5, 1} {
		dir := job(t, func(j *Job) { j.Train.KL, j.Train.KLNew, j.Train.Rehearsal = 0, share, 0 })
		must(t, Run(t.Context(), dir, &bytes.Buffer{}))
		gains[share] = gain(evaluation(t, dir))
	}
	if !(gains[0] > gains[0.5] && gains[0.5] > gains[1]) || math.Abs(gains[1]) > 0.05*gains[0] {
		t.Errorf("held-out examples became likelier by %v nats, by the champion's share", gains)
	}
}
