package night

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/update/nighttest"
	"nightshift/update/train/method"
	"nightshift/update/work"
)

// TestImportancesFollowTheChampion carries importances over two nights, and after a rollback goes on from those of the version
// that it went back to.
func TestImportancesFollowTheChampion(t *testing.T) {
	ort.ForTest(t)
	anotherNight(t)
	s := newShop(t, nighttest.Model(t))
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5 // three rehearsed sentences hold little
	m := &s.config.Train.Methods
	m.SI, m.SIDamping, m.EWC, m.EWCOn, m.EWCKeep, m.EWCExamples = 1e-4, 1e-2, 1e-3, method.OnFactors, 0.9, 8
	s.Correct(0, 12)
	ns := s.nights()
	file := func(n nightrecord.Night, name string) []byte {
		data, err := os.ReadFile(filepath.Join(ns.night(Request{Night: n.ID}).dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	told := func(from int, value string) {
		s.Now = s.Now.Add(24 * time.Hour)
		for p := range 14 {
			for f := range nighttest.Questions {
				s.Feedback(from+p, nighttest.Question(f, 0), nighttest.Answer(0), value)
			}
		}
	}
	first := s.run(ns, Request{}, nightrecord.Published)
	told(20, "it costs fifty")
	second := s.run(ns, Request{}, nightrecord.Published)
	if !bytes.Equal(file(second, earlierFile), file(first, work.ImportancesFile)) || bytes.Equal(file(second, work.ImportancesFile), file(first, work.ImportancesFile)) {
		t.Error("the second night does not go on from the first one's importances")
	}
	if replayed, err := ns.Replay(t.Context(), second.ID, nil); err != nil || !replayed.Same {
		t.Errorf("replay %+v, %v", replayed, err)
	}
	if _, err := s.Registry.Rollback(t.Context(), registry.Default, "ann", "wrong price"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Registry.Release(t.Context(), registry.Default, "ann", ""); err != nil {
		t.Fatal(err)
	}
	told(40, "it costs a hundred")
	third, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file(third, earlierFile), file(first, work.ImportancesFile)) {
		t.Error("after the rollback a night does not go on from the importances of the version that serves")
	}
}
