package update

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/update/history"
	"nightshift/update/night"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// threeNights has three groups of people teach a night each: the prices; what the tent costs now, with one who alone says it of the boots;
// and what the stove costs now. It returns the nights, and somebody whom only the second has learned from.
func (s *shop) threeNights(u *Updater) (nights []nightrecord.Night, who string) {
	s.Helper()
	for i, say := range []func(){
		func() { s.Correct(0, 12) },
		func() {
			s.Teach(20, 34, 0, "fifty")
			s.Feedback(20, nighttest.Question(0, 3), nighttest.Answer(3), "it costs eighty")
		},
		func() { s.Teach(40, 54, 1, "a hundred") },
	} {
		if i > 0 {
			s.Now = s.Now.Add(24 * time.Hour)
		}
		say()
		nights = append(nights, s.run(u, night.Request{}, nightrecord.Published))
	}
	s.Now = s.Now.Add(24 * time.Hour)
	return nights, "person20"
}

// TestForgetAndLearnAgain forgets somebody who taught in the second of three nights: the first night's version serves at once, and the next
// night learns from it what others said in the second and the third.
func TestForgetAndLearnAgain(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.config.Gate.RetentionChampion, s.config.Gate.RetentionReference = 5, 5 // three rehearsed sentences hold little
	s.config.Evidence.HeldOut, s.config.Evidence.ClusterSubjects = 0.3, 1
	u := s.updater()
	nights, who := s.threeNights(u)
	before := s.Champion()
	if before.Digest != nights[2].Candidate.Digest || len(s.Owed()) != 0 {
		t.Fatalf("champion %+v, owed %+v", before, s.Owed())
	}
	traces := s.Erase(who)
	if !slices.Contains(traces.Nights, nights[1].ID) || !slices.Equal(names(traces.Versions), []string{"default@2", "default@3"}) {
		t.Fatalf("traces %+v", traces)
	}
	if again := s.Erase(who); again.Examples != 0 || !slices.Equal(again.Versions, traces.Versions) { // as after a crash
		t.Errorf("erased once more: %+v", again)
	}
	list := s.Owed()
	if len(list) != 1 || !list[0].Tainted || list[0].Champion.Number != 3 || list[0].Clean.Digest != nights[0].Candidate.Digest || list[0].Examples == 0 ||
		!slices.Equal(list[0].Nights, []string{nights[1].ID, nights[2].ID}) || s.Champion().Sequence != before.Sequence {
		t.Fatalf("owed %+v", list)
	}
	w, err := u.Withdraw(t.Context(), registry.Default)
	if err != nil || w.Activation != before.Sequence+1 {
		t.Fatalf("withdrew %+v, %v", w, err)
	}
	now := s.Champion()
	if now.Digest != nights[0].Candidate.Digest || now.Held || registry.Human(now.Actor) || !strings.Contains(now.Reason, "erased") {
		t.Errorf("champion after the withdrawal: %+v", now)
	}
	if again, err := u.Withdraw(t.Context(), registry.Default); err != nil || again.Activation != 0 || again.Examples != list[0].Examples || s.Champion() != now {
		t.Errorf("withdrew again: %+v, %v", again, err)
	}
	s.Now = s.Now.Add(time.Hour)
	n := s.run(u, night.Request{By: "forget"}, nightrecord.Published)
	s.learnedAgain(u, nights, n, who)
	if list := s.Owed(); len(list) != 0 {
		t.Errorf("owed after the night: %+v", list)
	}
	s.Now = s.Now.Add(time.Hour)
	if after := s.run(u, night.Request{}, nightrecord.Skipped); after.Selected.New != 0 {
		t.Errorf("what was learned again is taken once more: %+v", after.Selected)
	}
}

// learnedAgain looks at the night after a withdrawal.
func (s *shop) learnedAgain(u *Updater, nights []nightrecord.Night, n nightrecord.Night, who string) {
	s.Helper()
	m, err := s.Registry.Version(n.Candidate.Digest)
	if err != nil || m.Parent != nights[0].Candidate.Digest || s.Champion().Digest != n.Candidate.Digest {
		s.Errorf("manifest %+v, %v", m, err)
	}
	if tainted, err := history.NewTaint(s.Registry).Of(n.Candidate.Digest); err != nil || tainted {
		s.Errorf("the new version is tainted: %t, %v", tainted, err)
	}
	said := map[string]int{}
	rehearsed := 0 // what the second night had retired for that person's word
	for _, it := range s.Selected(n.ID) {
		if it.Subject == who {
			s.Errorf("the person is still there: %+v", it)
		}
		if it.Use == selection.New {
			said[it.Completion]++
		}
		if it.Use == selection.Rehearsal && it.Completion == nighttest.Answer(3) && it.Prompt[0].Content == nighttest.Question(0, 3) {
			rehearsed++
		}
	}
	if said["it costs fifty"] == 0 || said["it costs a hundred"] == 0 || len(said) != 2 {
		s.Errorf("learned again: %v", said)
	}
	if rehearsed == 0 {
		s.Errorf("what the first night learned of the boots is not rehearsed: %+v", s.Selected(n.ID))
	}
	var f struct {
		Reviewed []string `json:"reviewed"`
	}
	if _, err := u.history.Read(n.ID, history.ConfigFile, &f); err != nil || !slices.Equal(f.Reviewed, []string{nights[1].ID, nights[2].ID}) {
		s.Errorf("frozen %+v, %v", f.Reviewed, err)
	}
	r, err := s.Store.Rehearsal(s.Context(), registry.Default)
	if err != nil {
		s.Fatal(err)
	}
	seen := map[string]string{}
	for _, m := range r.Items() {
		if other, twice := seen[m.Interaction]; twice || m.Subject == who {
			s.Errorf("the memory holds %s and %s of %s", m.ID, other, m.Subject)
		}
		seen[m.Interaction] = m.ID
	}
}

// names are versions as people call them.
func names(refs []registry.Ref) []string {
	var list []string
	for _, ref := range refs {
		list = append(list, ref.String())
	}
	return list
}

// TestUpdaterKilledAfterAWithdrawal: the activation alone is enough for another updater to go on.
func TestUpdaterKilledAfterAWithdrawal(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	u := s.updater()
	first := s.run(u, night.Request{}, nightrecord.Published)
	who := selection.Using(s.Selected(first.ID), selection.New)[0].Subject
	s.Now = s.Now.Add(time.Hour)
	s.Erase(who)
	for _, step := range []string{"withdrawn", "frozen", "computed", "put"} {
		s.killedAt(step, func(u *Updater) {
			s.Now = s.Now.Add(time.Minute)
			if _, err := u.Withdraw(t.Context(), registry.Default); err != nil {
				t.Error(err)
			}
			_, _ = u.RunNight(t.Context(), night.Request{})
		})
		if c := s.Champion(); c.Digest != "" || c.Sequence != 2 {
			t.Fatalf("killed when %s: champion %+v", step, c)
		}
		if list := s.Owed(); len(list) != 1 || list[0].Tainted || list[0].Examples != 66 {
			t.Fatalf("killed when %s: owed %+v", step, list)
		}
	}
	s.Now = s.Now.Add(time.Minute)
	n := s.run(s.updater(), night.Request{}, nightrecord.Published)
	if n.Selected.New+n.Selected.HeldOut != 66 || len(s.Owed()) != 0 {
		t.Errorf("learned again %+v, owed %+v", n.Selected, s.Owed())
	}
}

// TestWithdrawals goes through what may serve when somebody is erased.
func TestWithdrawals(t *testing.T) {
	none := registry.Ref{Track: registry.Default}
	for _, c := range []struct {
		name     string
		people   []string // whom the nights learned from, one after the other
		forgets  []string
		serve    []int // champion and candidate, 0 for the base model and none
		clean    int   // what is to serve; -1: nothing is to be done
		comeBack []int // nights
	}{
		{"nobody", []string{"ann", "bob"}, []string{"cem"}, []int{2, 0}, -1, nil},
		{"only measured", []string{"ann", "bob"}, []string{"measured"}, []int{2, 0}, -1, nil},
		{"newest", []string{"ann", "bob"}, []string{"bob"}, []int{2, 0}, 1, []int{2}},
		{"in the middle", []string{"ann", "bob", "cem"}, []string{"bob"}, []int{3, 0}, 1, []int{2, 3}},
		{"first", []string{"ann", "bob"}, []string{"ann"}, []int{2, 0}, 0, []int{1, 2}},
		{"two at a time", []string{"ann", "bob", "cem"}, []string{"cem", "bob"}, []int{3, 0}, 1, []int{2, 3}},
		{"not the champion", []string{"ann", "bob"}, []string{"bob"}, []int{1, 0}, -1, nil},
		{"on trial", []string{"ann", "bob"}, []string{"bob"}, []int{1, 2}, 1, []int{2}},
		{"champion and on trial", []string{"ann", "bob"}, []string{"ann"}, []int{1, 2}, 0, []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, "model")
			u := s.updater()
			versions := []registry.Ref{none}
			for i, who := range c.people {
				versions = append(versions, s.Learned(registry.Default, fmt.Sprintf("night%d", i+1), who, float64(i), versions[i].Digest))
				s.Activate(registry.Updater, versions[i+1], registry.Ref{})
			}
			before := s.Activate(registry.Updater, versions[c.serve[0]], versions[c.serve[1]])
			for _, who := range c.forgets {
				s.Erase(who)
			}
			s.Now = s.Now.Add(time.Hour)
			if c.clean < 0 {
				if w, err := u.Withdraw(t.Context(), registry.Default); err != nil || w.Tainted || len(s.Owed()) != 0 || s.Champion() != before {
					t.Errorf("withdrew %+v, %v; owed %+v", w, err, s.Owed())
				}
				return
			}
			var want []string
			for _, i := range c.comeBack {
				want = append(want, fmt.Sprintf("night%d", i))
			}
			w, err := u.Withdraw(t.Context(), registry.Default)
			if err != nil || !slices.Equal(w.Nights, want) || w.Clean.Number != c.clean || w.Examples != 3*len(want)-len(c.forgets) {
				t.Errorf("withdrew %+v, %v; want nights %v", w, err, want)
			}
			now := s.Champion()
			if _, canary := now.Canary(); now.Number != c.clean || canary || now.Held {
				t.Errorf("champion %+v", now)
			}
			if p, err := u.history.Past(registry.Default, now.Digest); err != nil || !slices.Equal(p.Withdrawn, want) || len(p.Suspect) != 0 {
				t.Errorf("the next night finds %+v, %v", p, err)
			}
		})
	}
}

// TestWithdrawalAndPeople: a hold goes first; and what a person brought back and took away again is suspect.
func TestWithdrawalAndPeople(t *testing.T) {
	s := newShop(t, "model")
	u := s.updater()
	one := s.Learned(registry.Default, "night1", "ann", 1, "")
	two := s.Learned(registry.Default, "night2", "bob", 2, one.Digest)
	s.Activate(registry.Updater, one, registry.Ref{})
	s.Activate("eve", two, registry.Ref{})
	held, err := s.Registry.Hold(t.Context(), registry.Default, "eve", "inventory")
	if err != nil {
		t.Fatal(err)
	}
	s.Erase("bob")
	s.Now = s.Now.Add(time.Hour)
	if w, err := u.Withdraw(t.Context(), registry.Default); err != nil || w.Held != "eve: inventory" || w.Activation != 0 || s.Champion() != held {
		t.Errorf("withdrew from a held track: %+v, %v", w, err)
	}
	if _, err := s.Registry.Release(t.Context(), registry.Default, "eve", ""); err != nil {
		t.Fatal(err)
	}
	if w, err := u.Withdraw(t.Context(), registry.Default); err != nil || w.Activation == 0 {
		t.Errorf("after the release: %+v, %v", w, err)
	}
	if left, err := u.history.Left(registry.Default); err != nil || len(left) != 1 || left[two.Digest].IsZero() {
		t.Errorf("withdrawn: %v, %v", left, err)
	}
	s.Activate("eve", two, registry.Ref{})
	s.Activate("eve", one, registry.Ref{})
	if left, err := u.history.Left(registry.Default); err != nil || len(left) != 0 {
		t.Errorf("withdrawn after a person has rolled it back: %v, %v", left, err)
	}
}
