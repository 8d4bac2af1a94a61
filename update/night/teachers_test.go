package night

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
	"nightshift/update/train"
	"nightshift/update/work"
)

// TestTeachersGoWithTheMemory: a night stores what its version says with what it learned, the next one rehearses by that, and one that is
// taught by its champion leaves it where it is. Whoever is erased leaves nothing of it in the night.
func TestTeachersGoWithTheMemory(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	s.config.Train.Teacher = teacherStored
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5 // three rehearsed sentences hold little
	first := s.run(s.nights(), Request{}, nightrecord.Published)
	r, err := s.Store.Rehearsal(t.Context(), registry.Default)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]*replaystore.TopLogProbs{}
	for _, m := range r.Items() {
		if m.Teacher == nil || m.Teacher.K != train.TeacherTokens || len(m.Teacher.IDs) < 2*m.Teacher.K {
			t.Fatalf("%s is remembered with teacher %+v", m.ID, m.Teacher)
		}
		stored[m.ID] = m.Teacher
	}
	if len(stored) != first.Selected.New {
		t.Errorf("%d examples are remembered, %d were learned", len(stored), first.Selected.New)
	}
	for _, it := range s.Selected(first.ID) {
		if it.Teacher != nil {
			t.Errorf("the first night had a teacher for %s", it.ID)
		}
	}
	next := func() nightrecord.Night {
		s.Now = s.Now.Add(24 * time.Hour)
		s.Teach(20, 34, 0, "fifty")
		return s.run(s.nights(), Request{DryRun: true}, nightrecord.Skipped)
	}
	second := next()
	taught := 0
	for _, it := range s.Selected(second.ID) {
		if it.Teacher == nil {
			continue
		}
		taught++
		if it.Use != selection.Rehearsal || !slices.Equal(it.Teacher.IDs, stored[it.ID].IDs) || !slices.Equal(it.Teacher.LogProbs, stored[it.ID].LogProbs) {
			t.Errorf("%s, %s, has teacher %+v, stored was %+v", it.ID, it.Use, it.Teacher, stored[it.ID])
		}
	}
	want := fmt.Sprintf("%d of %d rehearsed examples are held to", taught, second.Selected.Rehearsal)
	if taught == 0 || !slices.ContainsFunc(second.Log, func(l nightrecord.Line) bool { return strings.HasPrefix(l.Message, want) }) {
		t.Errorf("%d examples have teachers, the log does not say %q: %v", taught, want, second.Log)
	}

	s.config.Train.Teacher = teacherChampion
	third := next()
	for _, it := range s.Selected(third.ID) {
		if it.Teacher != nil {
			t.Errorf("the night whose champion teaches has a teacher for %s", it.ID)
		}
	}

	dir, err := s.Registry.NightDir(first.ID)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, work.TeachersFile)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	subject := s.Selected(first.ID)[0].Subject
	if count, err := history.EraseFrom(s.Registry, first.ID, replaystore.EraseReport{Erasure: replaystore.Erasure{Subject: subject}}); err != nil || count == 0 {
		t.Fatalf("%d examples were erased, %v", count, err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the teachers of a night of which somebody was erased are still there: %v", err)
	}
}

// FuzzTeachers reads any bytes as a file of stored teachers.
func FuzzTeachers(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"id":"a","teacher":{"k":1,"ids":[1],"logprobs":[-1]}}` + "\n", `{"id":"a"`, "[]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if list, err := selection.DecodeLines[work.Taught]("teacher", data); err != nil && list != nil {
			t.Errorf("an error, and %d teachers", len(list))
		}
	})
}
