package night

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/config"
	"nightshift/internal/nightrecord"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// feed has one person correct the same answer over and over, in slightly other words.
func (s *shop) feed(person, times int) (last replaystore.Interaction) {
	s.Helper()
	for i := range times {
		last = s.Feedback(person, "do you sell a map or a kite", "no idea", "a map is free"+strings.Repeat("!", i))
	}
	return last
}

// reasons are what a night says of an example.
func (s *shop) reasons(night, id string) (list []selection.Reason) {
	s.Helper()
	all, err := history.Reasons(s.Registry, night)
	if err != nil {
		s.Fatal(err)
	}
	return slices.DeleteFunc(all, func(r selection.Reason) bool { return r.ID != id })
}

// TestOnePersonsClusterWaits for another person, over nights, and is erased with the person.
func TestOnePersonsClusterWaits(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	fed := s.feed(77, 4)
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5 // three rehearsed sentences hold little
	ns := s.nights()
	first := s.run(ns, Request{}, nightrecord.Published)
	if got := first.Selected; got.Quarantined != 1 || got.Rejected != 3 || got.New+got.HeldOut != 72 {
		t.Errorf("selection %+v, want 1 quarantined, 3 near duplicates and the 72 others", got)
	}
	if r := s.reasons(first.ID, fed.ID); len(r) != 1 || !r[0].Waits || !strings.Contains(r[0].Why, "4 near-identical examples that come from one person") {
		t.Errorf("reasons %v", r)
	}
	learned := func(night string) bool {
		return slices.ContainsFunc(s.Selected(night), func(it selection.Item) bool { return it.ID == fed.ID })
	}
	s.Now = s.Now.Add(24 * time.Hour)
	s.Correct(20, 34)
	second, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil || learned(first.ID) || learned(second.ID) || second.Selected.Quarantined != 1 {
		t.Fatalf("%v; learned in the first night %v, in the second %v; selection %+v", err, learned(first.ID), learned(second.ID), second.Selected)
	}
	s.feed(78, 1)
	third, err := s.begin(t.Context(), ns, Request{DryRun: true})
	if err != nil || !learned(third.ID) || third.Selected.Quarantined != 0 {
		t.Errorf("%v; after another person said it %v; selection %+v", err, learned(third.ID), third.Selected)
	}
	report, err := s.Store.Erase(t.Context(), fed.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := history.Erase(s.Registry, report); err != nil {
		t.Fatal(err)
	}
	waiting, err := ns.history.Quarantined(first.ID)
	if err != nil || len(waiting) != 0 || len(s.reasons(first.ID, fed.ID)) != 0 {
		t.Errorf("after the person was erased %+v waits, reasons %v, %v", waiting, s.reasons(first.ID, fed.ID), err)
	}
}

// TestReasonsOfASkippedNight: also a night that had too little says what it left out.
func TestReasonsOfASkippedNight(t *testing.T) {
	s := newShop(t, t.TempDir())
	fed := s.feed(1, 5)
	n := s.run(s.nights(), Request{DryRun: true}, nightrecord.Skipped)
	if r := s.reasons(n.ID, fed.ID); len(r) != 1 || !r[0].Waits {
		t.Errorf("reasons %v", r)
	}
	if list, err := history.Reasons(s.Registry, "20260101-000000-none"); err != nil || list != nil {
		t.Errorf("a night that was not has reasons %v, %v", list, err)
	}
}

// TestNightMeasures: with policies and bounds that need the model, what a night learns is measured before, and the losses decide what
// is rehearsed and what the memory keeps.
func TestNightMeasures(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	s.config.sizes.rehearsal, s.config.Memory.PerSubject = 2, 0
	s.config.Train.RehearsalPolicy, s.config.Train.RehearsalReplacement = selection.Priority, selection.Priority
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5 // two rehearsed sentences hold little
	ns := s.nights()
	n := s.run(ns, Request{}, nightrecord.Published)
	fresh := selection.Using(s.Selected(n.ID), selection.New)
	for _, it := range fresh {
		if it.Loss <= 0 {
			t.Fatalf("%s was not measured: %+v", it.ID, it)
		}
	}
	r, err := s.Store.Rehearsal(t.Context(), n.Track)
	if err != nil {
		t.Fatal(err)
	}
	weights, total := map[float64]bool{}, 0.0
	for _, m := range r.Items() {
		weights[m.Weight] = true
		total += m.Weight / float64(len(fresh))
	}
	if len(weights) < 4 || total < 0.999 || total > 1.001 {
		t.Errorf("the memory's weights are %v, their mean %g", weights, total)
	}
	if replayed, err := ns.Replay(t.Context(), n.ID, nil); err != nil || !replayed.Same {
		t.Errorf("replay %+v, %v", replayed, err)
	}

	s.Now = s.Now.Add(24 * time.Hour)
	s.Correct(20, 34) // what the champion knows by now
	odd := s.Feedback(80, "what is a vase", "no idea", strings.Repeat("zq xv ", 6))
	s.config.Evidence.OutlierLoss, s.config.Evidence.OutlierGradient = 3, 3
	next, err := s.begin(t.Context(), s.nights(), Request{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.reasons(next.ID, odd.ID); len(r) != 1 || !r[0].Waits || !strings.Contains(r[0].Why, "an outlier: its loss is") || next.Selected.Quarantined != 1 {
		t.Errorf("reasons %v, selection %+v", r, next.Selected)
	}
}

// TestRehearsalPolicies picks by measures, and at random without.
func TestRehearsalPolicies(t *testing.T) {
	var items []selection.Item
	m := measures{}
	for i := range 40 {
		it := selection.Item{Example: replaystore.Example{ID: fmt.Sprintf("m%02d", i)}, Weight: 1}
		m[it.ID] = selection.Measure{Loss: 0.001, Embedding: []float32{1, 0, float32(i) / 1e6}}
		if i%10 == 0 {
			m[it.ID] = selection.Measure{Loss: 5, Embedding: []float32{float32(i), 1, 0}}
		}
		items = append(items, it)
	}
	picked := func(policy string, m measures) string {
		s := Defaults().Train
		s.RehearsalPolicy, s.RehearsalUniform = policy, 0
		var ids []string
		for _, it := range s.rehearse(m)(items, 5) {
			ids = append(ids, it.ID)
		}
		return strings.Join(ids, " ")
	}
	random := picked(selection.Random, m)
	if got := picked(selection.Priority, m); !strings.Contains(got, "m00") || !strings.Contains(got, "m10") || !strings.Contains(got, "m20") || !strings.Contains(got, "m30") {
		t.Errorf("by priority %s are rehearsed", got)
	}
	if got := picked(selection.Diversity, m); !strings.Contains(got, "m00") || got == random {
		t.Errorf("by diversity %s are rehearsed", got)
	}
	for _, policy := range []string{selection.Random, selection.Priority, selection.Feedback, selection.Diversity} {
		if got := picked(policy, nil); policy != selection.Feedback && got != random {
			t.Errorf("without measures %s rehearses %s, want %s", policy, got, random)
		}
	}
}

// TestRehearsalByFeedback: corrections are rehearsed before approved answers, as far as the weights of the two lie apart, the losses change nothing,
// and the model is not asked.
func TestRehearsalByFeedback(t *testing.T) {
	var items []selection.Item
	hard := measures{}
	for i := range 400 {
		it := selection.Item{Example: replaystore.Example{ID: fmt.Sprintf("m%03d", i), Interaction: "i"}, Weight: 1}
		if i%4 == 0 {
			it.Rejected = "what was corrected"
		}
		hard[it.ID] = selection.Measure{Loss: float64(i % 4)} // approved answers are hard, corrections are not
		items = append(items, it)
	}
	s := Defaults().Train
	s.CorrectionWeight, s.ApprovalWeight, s.RehearsalUniform = 3, 1, 0
	s.RehearsalPolicy, s.RehearsalReplacement = selection.Feedback, selection.Feedback
	count := func(m measures) (corrections int) {
		for _, it := range s.rehearse(m)(items, 60) {
			if it.Rejected != "" {
				corrections++
			}
		}
		return corrections
	}
	with, without := count(hard), count(nil)
	if with != without || without < 20 || without > 38 { // one in four examples with three times the weight: about a half
		t.Errorf("of 60 that are rehearsed %d are corrections with losses and %d without, want about 28 of both", with, without)
	}
	if s.ApprovalWeight = 0; count(nil) != 60 {
		t.Errorf("where approved answers have no weight %d of 60 are corrections", count(nil))
	}
	s.ApprovalWeight = 1
	for i, w := range s.admissionWeights(items[:4]) { // 3, 1, 1, 1 of a mean of 1.5
		if want := []float64{2, 2. / 3, 2. / 3, 2. / 3}[i]; math.Abs(w-want) > 1e-12 {
			t.Errorf("example %d enters the memory with the weight %g, want %g", i, w, want)
		}
	}
	n := &night{settings: Settings{Train: s}}
	if list, _, err := n.measured(t.Context(), items, items); list != nil || err != nil {
		t.Error("the model is asked about examples that their feedback decides about")
	}
	if err := config.Check("train", s); err != nil {
		t.Error(err)
	}
}

func TestSettingsOfSelectionAreChecked(t *testing.T) {
	if err := config.Check("update", Defaults()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Settings){
		"near_duplicates: want 0, or 0.6 to 1": func(s *Settings) { s.Evidence.NearDuplicates = 0.3 },
		"cluster_examples: want at least 0":    func(s *Settings) { s.Evidence.ClusterExamples = -1 },
		"outlier_loss: want at least 0":        func(s *Settings) { s.Evidence.OutlierLoss = -1 },
		"rehearsal_policy: want one of":        func(s *Settings) { s.Train.RehearsalPolicy = "fifo" },
		"rehearsal_replacement: want one of":   func(s *Settings) { s.Train.RehearsalReplacement = selection.Diversity },
		"rehearsal_uniform: want at most 1":    func(s *Settings) { s.Train.RehearsalUniform = 2 },
		"memory.per_subject: want at least 0":  func(s *Settings) { s.Memory.PerSubject = -1 },
		"kl_share_new: want at most 1":         func(s *Settings) { s.Train.KLShareNew = 1.5 },
		"objective: want one of":               func(s *Settings) { s.Train.Objective = "ppo" },
	} {
		s := Defaults()
		change(&s)
		if err := config.Check("update", s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// FuzzMeasures reads any bytes as a file of measures.
func FuzzMeasures(f *testing.F) {
	for _, seed := range []string{"", "{}", "{\"loss\":1,\"gradient\":2}\n{\"loss\":1e400}", "{\"embedding\":[1,2]}\n", "[]", "{\"loss\":\"x\"}"} {
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		count %= 1000
		if list, err := decodeMeasures(data, max(0, count)); err == nil && len(list) != max(0, count) {
			t.Errorf("%d measures of %d", len(list), count)
		}
	})
}
