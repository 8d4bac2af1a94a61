package work

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nightshift/models/adapter"
	"nightshift/onnx/graphs"
	"nightshift/replaystore"
	"nightshift/update/selection"
	"nightshift/update/train"
)

// TeachersFile is what a run that stores teachers leaves behind: one Taught a line.
const TeachersFile = "teachers.jsonl"

// Taught is what the candidate says of an example that it learned. With the example in the memory, it teaches later nights what the
// model said when the example was new (dark experience replay; Buzzega et al. 2020).
type Taught struct {
	ID      string                  `json:"id"`
	Teacher replaystore.TopLogProbs `json:"teacher"`
}

// teach has those teach who the job says. What the model came with is taught by the track's fixed reference: were it taught by each
// night's champion, what one night loses the next one would be taught to lose, and small losses would add up. Other rehearsed
// examples are taught by what was stored with them, where there is something, or else by the champion, and so are new ones.
func (w *worker) teach(trainable graphs.Trainable, l lessons) error {
	t := w.job.Train
	rehearsed := t.KL > 0 && slices.ContainsFunc(l.rehearsed, func(s train.Sequence) bool { return s.Teacher == nil })
	fresh := t.KLNew > 0 && len(l.fresh) > 0
	if !rehearsed && !fresh {
		return nil
	}
	reference, err := w.reference(trainable)
	if err != nil {
		return err
	}
	scorer, err := w.teacher(trainable)
	if err != nil {
		return err
	}
	defer scorer.Close()
	champion := w.served(trainable)
	if rehearsed {
		if err := teachSome(scorer, reference, l.rehearsed, float32(t.KL), func(s train.Sequence) bool { return l.own[s.ID] }); err != nil {
			return err
		}
		if err := teachSome(scorer, champion, l.rehearsed, float32(t.KL), func(train.Sequence) bool { return true }); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	if err := scorer.Teach(champion, l.fresh, float32(t.KLNew)); err != nil || len(l.phrased) == 0 {
		return err
	}
	return scorer.Teach(champion, l.phrased, float32(t.KLNew))
}

// teachSome has a model teach those of a list that have no teacher and are wanted.
func teachSome(scorer *train.Scorer, model []float32, list []train.Sequence, share float32, wanted func(train.Sequence) bool) error {
	var at []int
	var some []train.Sequence
	for i, s := range list {
		if s.Teacher == nil && wanted(s) {
			at, some = append(at, i), append(some, s)
		}
	}
	if len(some) == 0 {
		return nil
	}
	if err := scorer.Teach(model, some, share); err != nil {
		return err
	}
	for k, i := range at {
		list[i] = some[k]
	}
	return nil
}

// reference is the track's fixed reference in the order of training: the champion where training has no room for its adapter.
func (w *worker) reference(trainable graphs.Trainable) ([]float32, error) {
	if w.job.Reference == w.job.Champion {
		return w.served(trainable), nil
	}
	a, err := adapterAt(w.dir, w.job.Reference)
	if err != nil {
		return nil, fmt.Errorf("open the reference: %w", err)
	}
	if a == nil || w.fits(a, trainable) == nil {
		return w.flat(a, trainable), nil
	}
	return w.served(trainable), nil
}

// teacher opens the graph that distributions are read off.
func (w *worker) teacher(trainable graphs.Trainable) (*train.Scorer, error) {
	t := w.job.Train
	return train.NewScorer(w.base(), trainable, min(t.Teacher, w.model.Config.Vocab), t.Rows, t.Columns, w.job.Threads)
}

// stored gives a rehearsed example the teacher that it was stored with, where that is of this base model and of these tokens. What
// has none, the champion teaches.
func (w *worker) stored(it selection.Item, s *train.Sequence) {
	t := w.job.Train
	if !t.StoredTeachers || t.KL == 0 || it.Teacher == nil || it.Teacher.Model != w.model.Checkpoint.Digest() || s.Prompt < 1 {
		return
	}
	list, err := train.FromTopLogProbs(*it.Teacher, w.model.Config.Vocab)
	if err != nil || len(list) != s.Losses() {
		return
	}
	s.Teacher, s.TeacherShare = list, float32(t.KL)
	w.recalled++
}

// keepTeachers writes the candidate's distributions over the new examples that were imitated, if the job stores them. Those that a
// row has no room for have none, nor has a candidate that is not numbers any.
func (w *worker) keepTeachers(fresh []train.Sequence, candidate *adapter.Adapter) (err error) {
	if !w.job.Train.StoredTeachers {
		return nil
	}
	trainable, err := w.trainable()
	if err != nil {
		return err
	}
	var list []train.Sequence
	for _, s := range fresh {
		if s.Prompt > 0 && len(s.Tokens) <= w.job.Train.Columns {
			list = append(list, s)
		}
	}
	scorer, err := w.teacher(trainable)
	if err != nil {
		return err
	}
	defer scorer.Close()
	if err := scorer.Teach(w.flat(candidate, trainable), list, 0); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(w.dir, TeachersFile))
	if err != nil {
		return fmt.Errorf("keep teachers: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := json.NewEncoder(f)
	for _, s := range list {
		t, ok := train.ToTopLogProbs(s.Teacher)
		if !ok {
			continue
		}
		t.Model = w.model.Checkpoint.Digest()
		if err := lines.Encode(Taught{s.ID, t}); err != nil {
			return fmt.Errorf("keep teachers: %w", err)
		}
	}
	return nil
}
