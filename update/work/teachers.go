package work

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nightshift/models/adapter"
	"nightshift/onnx/gpt2"
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

// teach has the champion teach what the job asks: rehearsed tokens, but for those that have a stored teacher, and new ones.
func (w *worker) teach(base train.Base, trainable gpt2.Trainable, l lessons) error {
	t := w.job.Train
	untaught := func(s train.Sequence) bool { return s.Teacher == nil }
	old := t.KL > 0 && slices.ContainsFunc(l.rehearsed, untaught)
	fresh := t.KLNew > 0 && len(l.fresh) > 0
	if !old && !fresh {
		return nil
	}
	scorer, err := w.teacher(base, trainable)
	if err != nil {
		return err
	}
	defer scorer.Close()
	champion := w.served(trainable)
	if old {
		var at []int
		var list []train.Sequence
		for i, s := range l.rehearsed {
			if untaught(s) {
				at, list = append(at, i), append(list, s)
			}
		}
		if err := scorer.Teach(champion, list, float32(t.KL)); err != nil {
			return err
		}
		for k, i := range at {
			l.rehearsed[i] = list[k]
		}
	}
	if fresh {
		return scorer.Teach(champion, l.fresh, float32(t.KLNew))
	}
	return nil
}

// teacher opens the graph that distributions are read off.
func (w *worker) teacher(base train.Base, trainable gpt2.Trainable) (*train.Scorer, error) {
	t := w.job.Train
	return train.NewScorer(base, trainable, min(t.Teacher, w.model.Config.Vocab), t.Rows, t.Columns, w.job.Threads)
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
	scorer, err := w.teacher(w.base(), trainable)
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
