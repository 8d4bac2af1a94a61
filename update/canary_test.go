package update

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/onnx/ort"
	"nightshift/replaystore"
	"nightshift/update/night"
	"nightshift/update/nighttest"
)

// rollout is a shop whose default track has a candidate on trial beside its champion.
type rollout struct {
	*shop
	u                   *Updater
	champion, candidate registry.Ref
	random              *rand.Rand
}

// newRollout begins a trial with a share of 5 %, of the night with an id if there is one.
func newRollout(t *testing.T, id string) *rollout {
	t.Helper()
	s := newShop(t, t.TempDir())
	s.config.Canary = night.Canary{Shares: []float64{0.05, 0.25}, Step: time.Hour, People: 15, Patience: 24 * time.Hour, Error: 0.05}
	r := &rollout{shop: s, u: s.updater(), random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // reproducible, not secret
	for i, ref := range []*registry.Ref{&r.champion, &r.candidate} {
		var err error
		if *ref, err = s.Registry.Put(t.Context(), registry.Default, registry.Version{Config: []byte(fmt.Sprint("version ", i)), Weights: []byte("weights")}); err != nil {
			t.Fatal(err)
		}
	}
	if id != "" {
		if err := s.Registry.CreateNight(id); err != nil {
			t.Fatal(err)
		}
	}
	r.activate(registry.Activation{Digest: r.champion.Digest})
	r.activate(registry.Activation{Digest: r.champion.Digest, Candidate: r.candidate.Digest, Share: 0.05, Night: id})
	return r
}

// activate writes an activation as the updater does.
func (r *rollout) activate(a registry.Activation) {
	r.Helper()
	a.Previous, a.Actor, a.Time = registry.Latest, registry.Updater, r.Now
	if _, err := r.Registry.Activate(r.Context(), registry.Default, a); err != nil {
		r.Fatal(err)
	}
}

// manner is how a version behaves.
type manner struct {
	complaints float64 // probability that an answer is complained about
	latency    time.Duration
}

// hour lets people ask and complain for an hour, and then the updater look; a fresh one has nothing in memory.
func (r *rollout) hour(people int, champion, candidate manner, watching *trials) {
	r.Helper()
	now := r.Champion()
	var events []replaystore.Event
	for i := range people {
		who := fmt.Sprintf("person-%d", r.random.IntN(3000))
		in := replaystore.Interaction{ID: fmt.Sprintf("said-%d", r.Count()), Track: registry.Default, Time: r.Now.Add(time.Duration(i) * time.Second), Subject: who,
			Messages: nighttest.Raw("what is a tent"), Answer: "forty"}
		side := who
		if i%10 == 0 { // somebody who gives no name
			in.Subject, side = "", in.ID
		}
		m := champion
		if ref := now.Arm(side); ref.Digest == r.candidate.Digest {
			m, in.Version = candidate, ref.Digest
		} else {
			in.Version = ref.Digest
		}
		in.Latency = time.Duration(float64(m.latency) * (0.5 + r.random.ExpFloat64()))
		events = append(events, replaystore.Event{Interaction: &in})
		if r.random.Float64() < m.complaints {
			bad := -1.0
			events = append(events, replaystore.Event{Feedback: &replaystore.Feedback{ID: "f" + in.ID, Interaction: in.ID, Track: in.Track, Time: in.Time, Subject: in.Subject, Rating: &bad}})
		}
	}
	for from := 0; from < len(events); from += 200 {
		if err := r.Store.Append(r.Context(), events[from:min(len(events), from+200)]...); err != nil {
			r.Fatal(err)
		}
	}
	r.Now = r.Now.Add(time.Hour)
	r.look(watching)
}

// look has an updater look, with what it has read so far or, for nil, with nothing.
func (r *rollout) look(watching *trials) {
	r.Helper()
	if watching == nil {
		watching = r.u.trials()
	}
	if err := watching.look(r.Context(), registry.Default); err != nil {
		r.Fatal(err)
	}
}

// TestTrialWidensAndFinishes takes a candidate that is as good as the champion to all people, by an updater that reads on and by
// one that is started anew for every look: both come to the same figures.
func TestTrialWidensAndFinishes(t *testing.T) {
	const id = "20260302-010000-trial"
	var reasons [2]string
	for i := range reasons {
		r := newRollout(t, id)
		var watching *trials
		if i == 0 {
			watching = r.u.trials()
		}
		same := manner{0.05, 300 * time.Millisecond}
		for range 4 {
			r.hour(600, same, same, watching)
		}
		list, err := r.Registry.Activations(registry.Default)
		if err != nil || len(list) != 4 {
			t.Fatalf("activations %+v, %v", list, err)
		}
		wide, last := list[2], list[3]
		if wide.Share != 0.25 || wide.Candidate != r.candidate.Digest || wide.Digest != r.champion.Digest || wide.Night != id || wide.Time.Sub(list[1].Time) < time.Hour {
			t.Errorf("second step %+v", wide)
		}
		if last.Digest != r.candidate.Digest || last.Candidate != "" || last.Share != 0 || last.Night != id || registry.Human(last.Actor) || last.Held {
			t.Errorf("end of the trial %+v", last)
		}
		reasons[i] = wide.Reason + last.Reason
		var record nightrecord.Trial
		if found, err := r.u.history.Read(id, nightrecord.TrialFile, &record); err != nil || !found || len(record.Steps) != 2 || record.Candidate.Digest != r.candidate.Digest {
			t.Fatalf("record %+v, %v, %v", record, found, err)
		}
		for j, step := range record.Steps {
			if step.Decision != []string{nightrecord.Widened, nightrecord.Finished}[j] || step.Activation != 3+j || step.People < 15 || len(step.Tests) != 2 || step.Tests[0].Events == 0 || !step.Tests[0].Pass {
				t.Errorf("step %+v", step)
			}
		}
	}
	if reasons[0] != reasons[1] || !strings.Contains(reasons[0], "the candidate answered") {
		t.Errorf("an updater that goes on decides\n%s\none that begins anew\n%s", reasons[0], reasons[1])
	}
}

func TestTrialRollsBack(t *testing.T) {
	good := manner{0.05, 300 * time.Millisecond}
	for name, bad := range map[string]manner{"people who complained": {0.6, good.latency}, "took longer than": {0.05, 5 * good.latency}} {
		r := newRollout(t, "")
		for range 8 {
			r.hour(400, good, bad, nil)
		}
		a := r.Champion()
		if _, canary := a.Canary(); canary || a.Digest != r.champion.Digest || a.Held || !strings.Contains(a.Reason, "rolled back from its trial") || !strings.Contains(a.Reason, name) {
			t.Errorf("want a rollback because of %q: %+v", name, a)
		}
	}
}

// TestOneLoudPerson: one person who complains all the time ends no trial.
func TestOneLoudPerson(t *testing.T) {
	r := newRollout(t, "")
	loud := ""
	for i := 0; loud == ""; i++ {
		if who := fmt.Sprint("loud-", i); r.Champion().Arm(who).Digest == r.candidate.Digest {
			loud = who
		}
	}
	bad := -1.0
	for i := range 200 {
		at := r.Now.Add(time.Duration(i) * time.Second)
		in := replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Time: at, Subject: loud, Messages: nighttest.Raw("?"), Answer: "!", Version: r.candidate.Digest}
		f := replaystore.Feedback{ID: "f", Interaction: in.ID, Track: in.Track, Time: at, Subject: loud, Rating: &bad}
		if err := r.Store.Append(t.Context(), replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &f}); err != nil {
			t.Fatal(err)
		}
	}
	r.look(nil)
	if a := r.Champion(); a.Sequence != 2 {
		t.Errorf("one person decided: %+v", a)
	}
}

// TestTrialWithoutPeople: a step that nobody comes to ends where its patience does, and not with the candidate.
func TestTrialWithoutPeople(t *testing.T) {
	r := newRollout(t, "")
	r.Now = r.Now.Add(23 * time.Hour)
	r.look(nil)
	if a := r.Champion(); a.Sequence != 2 {
		t.Fatalf("too early: %+v", a)
	}
	r.Now = r.Now.Add(time.Hour)
	r.look(nil)
	if a := r.Champion(); a.Digest != r.champion.Digest || a.Share != 0 || !strings.Contains(a.Reason, "answered 0 people, a step needs 15") {
		t.Errorf("after its patience %+v", a)
	}
}

// TestPeopleGoFirst: a hold ends a trial for good, and a trial that a person set up is left alone, whatever is said about it.
func TestPeopleGoFirst(t *testing.T) {
	bad := manner{0.9, time.Second}
	r := newRollout(t, "")
	if _, err := r.Registry.Hold(t.Context(), registry.Default, "ann", "inventory"); err != nil {
		t.Fatal(err)
	}
	r.hour(200, bad, bad, nil)
	if a := r.Champion(); a.Sequence != 3 || !a.Held || a.Digest != r.champion.Digest || a.Share != 0 {
		t.Errorf("held track %+v", a)
	}
	r = newRollout(t, "")
	if _, err := r.Registry.Activate(t.Context(), registry.Default, registry.Activation{Digest: r.champion.Digest, Candidate: r.candidate.Digest, Share: 0.5, Previous: registry.Latest, Actor: "ann", Time: r.Now}); err != nil {
		t.Fatal(err)
	}
	r.hour(400, manner{0.01, time.Second}, bad, nil)
	if a := r.Champion(); a.Sequence != 3 || a.Share != 0.5 {
		t.Errorf("a person's trial %+v", a)
	}
	// Somebody acts between the look and the decision.
	r = newRollout(t, "")
	w := r.u.trials()
	r.look(w)
	if _, err := r.Registry.Rollback(t.Context(), registry.Default, "ann", ""); err != nil {
		t.Fatal(err)
	}
	r.Now = r.Now.Add(48 * time.Hour)
	if err := r.u.decide(t.Context(), w.running[registry.Default]); err != nil {
		t.Error(err)
	}
	if a := r.Champion(); a.Actor != "ann" || a.Sequence != 3 {
		t.Errorf("after a person's rollback %+v", a)
	}
}

// TestNightOnTrial runs a night whose candidate is given to some of the people first, kills the updater after its activation,
// and takes the candidate to the end.
func TestNightOnTrial(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	s.config.Canary = night.Canary{Shares: []float64{0.3}, Step: time.Hour, People: 1, Patience: 24 * time.Hour, Error: 0.05}
	id := nightrecord.NewID(s.Now)
	s.killedAt("activated", func(u *Updater) { _, _ = u.RunNight(t.Context(), night.Request{Night: id}) })
	u := s.updater()
	if n := s.run(u, night.Request{}, nightrecord.Skipped); !strings.Contains(n.Reason, "default@1 is on trial") {
		t.Errorf("the next night: %s", n.Reason)
	}
	n, _, err := u.history.Record(id)
	if err != nil || n.State != nightrecord.Published || n.Candidate.Version != 1 || !strings.Contains(n.Reason, "on trial: 30 %") || len(s.Memory()) != n.Selected.New {
		t.Fatalf("night %+v, %v", n, err)
	}
	a := s.Champion()
	ref, _ := a.Canary()
	if a.Digest != "" || ref.Digest != n.Candidate.Digest || a.Share != 0.3 || a.Night != id {
		t.Fatalf("activation %+v", a)
	}
	for i := range 40 {
		in := replaystore.Interaction{ID: replaystore.NewID(), Track: registry.Default, Time: s.Now.Add(time.Minute), Subject: fmt.Sprint(i), Messages: nighttest.Raw("?"), Answer: "!"}
		in.Version = a.Arm(in.Subject).Digest
		if err := s.Store.Append(t.Context(), replaystore.Event{Interaction: &in}); err != nil {
			t.Fatal(err)
		}
	}
	s.Now = s.Now.Add(time.Hour)
	if n := s.run(u, night.Request{}, nightrecord.Skipped); !strings.Contains(n.Reason, "no new examples") { // each night looks first
		t.Errorf("the night after the trial: %s", n.Reason)
	}
	if a := s.Champion(); a.Digest != n.Candidate.Digest || a.Share != 0 || a.Night != id {
		t.Errorf("after the trial %+v", a)
	}
}
