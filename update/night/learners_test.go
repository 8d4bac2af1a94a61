package night

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/onnx/ort"
	"nightshift/update/nighttest"
	"nightshift/update/work"
)

// tell has a day's people correct every answer about the first good.
func (s *shop) tell(from int, value string) {
	s.Now = s.Now.Add(24 * time.Hour)
	for p := range 14 {
		for f := range nighttest.Questions {
			s.Feedback(from+p, nighttest.Question(f, 0), nighttest.Answer(0), value)
		}
	}
}

// TestFastLearnerFollowsTheChampion: the fast learner goes from night to night beside the slow one that serves, is replayed with it, and
// after a rollback is that of the version that it went back to.
func TestFastLearnerFollowsTheChampion(t *testing.T) {
	ort.ForTest(t)
	anotherNight(t)
	s := newShop(t, nighttest.Model(t))
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5
	s.config.Train.Methods.Slow = 0.5
	s.config.Gate.Taught = 0 // half of a change is not yet what was taught
	s.Correct(0, 12)
	ns := s.nights()
	weights := func(n nightrecord.Night, dir string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(ns.night(Request{Night: n.ID}).dir, dir, adapter.WeightsFile))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := s.run(ns, Request{}, nightrecord.Published)
	s.tell(20, "it costs fifty")
	second := s.run(ns, Request{}, nightrecord.Published)
	if !bytes.Equal(weights(second, earlierFast), weights(first, work.FastDir)) || bytes.Equal(weights(second, work.FastDir), weights(second, work.CandidateDir)) {
		t.Error("the second night does not go on from the first one's fast learner, or its candidate is not a slow one")
	}
	if replayed, err := ns.Replay(t.Context(), second.ID, nil); err != nil || !replayed.Same {
		t.Errorf("replay %+v, %v", replayed, err)
	}
	s.tell(40, "it costs a hundred")
	third, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil || !bytes.Equal(weights(third, earlierFast), weights(second, work.FastDir)) {
		t.Errorf("the third night does not go on from the second one's fast learner, %v", err)
	}
	if _, err := s.Registry.Rollback(t.Context(), registry.Default, "ann", "wrong price"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Registry.Release(t.Context(), registry.Default, "ann", ""); err != nil {
		t.Fatal(err)
	}
	fourth, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil || !bytes.Equal(weights(fourth, earlierFast), weights(first, work.FastDir)) {
		t.Errorf("after the rollback a night does not go on from the fast learner of the version that serves, %v", err)
	}
}

// TestBlocksWidenTheChampion: nights with orthogonal blocks add to the rank until the cap, and keep the scale of the champion.
func TestBlocksWidenTheChampion(t *testing.T) {
	ort.ForTest(t)
	anotherNight(t)
	s := newShop(t, nighttest.Model(t))
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5
	s.config.Train.Methods.Orthogonal, s.config.Train.Methods.OrthogonalRank = 1, 12
	s.Correct(0, 12)
	ns := s.nights()
	made := func(n nightrecord.Night) adapter.Config {
		a, err := adapter.Read(filepath.Join(ns.night(Request{Night: n.ID}).dir, work.CandidateDir))
		if err != nil {
			t.Fatal(err)
		}
		return a.Config
	}
	first := s.run(ns, Request{}, nightrecord.Published)
	s.config.Train.Rank, s.config.Train.Alpha = 4, 40 // another scale than the champion's, which stays
	ns = s.nights()
	s.tell(20, "it costs fifty")
	second := s.run(ns, Request{}, nightrecord.Published)
	s.tell(40, "it costs a hundred")
	third, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{8, 12, 12} {
		if c := made([]nightrecord.Night{first, second, third}[i]); c.Rank != want || c.Scale() != 2 {
			t.Errorf("night %d made rank %d with scale %g, want rank %d with scale 2", i+1, c.Rank, c.Scale(), want)
		}
	}
	said := false
	for _, l := range third.Log {
		said = said || strings.Contains(l.Message, "the candidate needed rank 16 and has 12")
	}
	if !said {
		t.Errorf("the log does not say what was cut off: %+v", third.Log)
	}
	if replayed, err := ns.Replay(t.Context(), third.ID, nil); err != nil || !replayed.Same {
		t.Errorf("replay %+v, %v", replayed, err)
	}
}

// TestSparsityIsReported: a night with L1 says in its record how much it left alone, step by step and in the end.
func TestSparsityIsReported(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.config.Train.Methods.Sparsity = 0.5 // strong enough to hold many on every processor
	s.Correct(0, 12)
	n, err := s.begin(t.Context(), s.nights(), Request{DryRun: true})
	if err != nil || n.Sparsity == nil || len(n.Curve) == 0 {
		t.Fatalf("night %+v, %v", n, err)
	}
	last := n.Curve[len(n.Curve)-1]
	if share := *n.Sparsity; share <= 0.01 || share >= 1 || math.Abs(share-last.Sparsity) > 0.1 {
		t.Errorf("a share of %g is as before, the curve ends at %g", share, last.Sparsity)
	}
	var b strings.Builder
	if err := n.Table(&b, nil); err != nil || !strings.Contains(b.String(), "of the trained parameters are exactly as before") {
		t.Errorf("%v:\n%s", err, b.String())
	}
}
