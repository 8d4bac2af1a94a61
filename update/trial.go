package update

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/gate"
	"nightshift/update/history"
	"nightshift/update/night"
)

// page is how many events one scan asks for.
const page = 500

// calibration is how many answers say what a slow one is: one that took longer than 95 % of them.
const calibration = 200

// trial is what the store says of a candidate that a share of the people have.
//
// A person counts once in each test, with the first bad event: what one person does is of a piece, and only people are drawn at
// random. Somebody without a name is drawn anew for each request and counts with it. Answers of another version than the one
// that was drawn (asked for by name, or made before a server knew of the step) are left out.
type trial struct {
	candidate registry.Ref
	steps     []registry.Activation // so far, the first one began the trial

	at         replaystore.Cursor
	waiting    []replaystore.Feedback  // about interactions that are not in the store yet
	answered   map[int]map[string]bool // step → people whom the candidate answered
	complained map[string]bool         // people whose complaint is counted
	slowed     map[string]bool         // people whose slow answer is counted
	latencies  []time.Duration         // of the answers that say what slow is
	slow       time.Duration           // 0 until there are enough of them
	complaints gate.Sequential
	slowness   gate.Sequential
}

// newTrial begins to read where the night that made the candidate stopped.
func (u *Updater) newTrial(candidate registry.Ref, steps []registry.Activation) (*trial, error) {
	t := &trial{candidate: candidate, steps: steps, answered: map[int]map[string]bool{}, complained: map[string]bool{}, slowed: map[string]bool{}}
	var done history.Completion
	if id := steps[0].Night; id != "" {
		if _, err := u.history.Read(id, history.CursorFile, &done); err != nil {
			return nil, err
		}
	}
	t.at = done.Cursor
	return t, nil
}

// read takes what happened since the last read.
func (t *trial) read(ctx context.Context, store replaystore.Store, now time.Time) error {
	track := t.candidate.Track
	waiting := slices.DeleteFunc(t.waiting, func(f replaystore.Feedback) bool { return f.Time.Before(now.Add(-night.Grace)) })
	t.waiting = nil
	for _, f := range waiting {
		if err := t.hear(ctx, store, f); err != nil {
			return err
		}
	}
	for {
		list, next, err := store.Scan(ctx, track, t.at, page)
		if err != nil {
			return fmt.Errorf("read events of track %s: %w", track, err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, e := range list {
			switch {
			case e.Interaction != nil:
				t.see(*e.Interaction)
			case e.Feedback != nil:
				if err := t.hear(ctx, store, *e.Feedback); err != nil {
					return err
				}
			}
		}
		t.at = next
	}
}

// drawn is the step in which an interaction was served, and whether its person has the candidate; ok is false for one that is none
// of the trial's.
func (t *trial) drawn(in replaystore.Interaction) (step registry.Activation, who string, candidate, ok bool) {
	at := -1
	for i, s := range t.steps {
		if !in.Time.Before(s.Time) {
			at = i
		}
	}
	if at < 0 {
		return step, "", false, false
	}
	if step, who = t.steps[at], in.Subject; who == "" {
		who = in.ID
	}
	arm := step.Arm(who)
	return step, who, arm.Digest == t.candidate.Digest, arm.Digest == in.Version
}

// see takes an answer.
func (t *trial) see(in replaystore.Interaction) {
	step, who, candidate, ok := t.drawn(in)
	if in.Latency > 0 && t.slow == 0 { // whose answers they are does not matter: nothing is counted of them
		if t.latencies = append(t.latencies, in.Latency); len(t.latencies) == calibration {
			slices.Sort(t.latencies)
			t.slow, t.latencies = t.latencies[calibration*95/100], nil
		}
		in.Latency = 0
	}
	if !ok {
		return
	}
	if candidate {
		if t.answered[step.Sequence] == nil {
			t.answered[step.Sequence] = map[string]bool{}
		}
		t.answered[step.Sequence][who] = true
	}
	if t.slow > 0 && in.Latency > t.slow && !t.slowed[who] {
		t.slowed[who] = true
		t.slowness.Add(step.Share, candidate)
	}
}

// hear takes feedback: a rating below zero or a correction is a complaint.
func (t *trial) hear(ctx context.Context, store replaystore.Store, f replaystore.Feedback) error {
	if f.Correction == nil && (f.Rating == nil || *f.Rating >= 0) {
		return nil
	}
	in, found, err := store.Interaction(ctx, f.Track, f.Interaction)
	if err != nil {
		return fmt.Errorf("read interaction %s: %w", f.Interaction, err)
	}
	if !found {
		t.waiting = append(t.waiting, f)
		return nil
	}
	if f.Correction != nil && strings.TrimSpace(*f.Correction) == strings.TrimSpace(in.Answer) {
		return nil
	}
	if step, who, candidate, ok := t.drawn(in); ok && !t.complained[who] {
		t.complained[who] = true
		t.complaints.Add(step.Share, candidate)
	}
	return nil
}

// people is how many people the candidate has answered in the present step.
func (t *trial) people() int { return len(t.answered[t.steps[len(t.steps)-1].Sequence]) }

// tests are the trial's tests now; one whose p is at the limit or below fails.
func (t *trial) tests(limit float64) []nightrecord.TrialTest {
	test := func(name string, s *gate.Sequential) nightrecord.TrialTest {
		x := nightrecord.TrialTest{Name: name, P: s.P(), Limit: limit, Pass: s.P() > limit}
		x.Events, x.Candidate, x.Expected = s.Counts()
		return x
	}
	slow := test("latency", &t.slowness)
	slow.SlowerMS = float64(t.slow.Microseconds()) / 1e3
	return []nightrecord.TrialTest{test("complaints", &t.complaints), slow}
}

// describe says in a sentence what a test found.
func describe(x nightrecord.TrialTest) string {
	what := "complained"
	if x.Name == "latency" {
		what = fmt.Sprintf("had an answer that took longer than %.0f ms", x.SlowerMS)
	}
	return fmt.Sprintf("%d of %d people who %s had the candidate, %.1f were to be expected; p = %.2g, limit %.2g", x.Candidate, x.Events, what, x.Expected, x.P, x.Limit)
}

// summary describes the tests and how many people the candidate answered.
func summary(tests []nightrecord.TrialTest, people int) string {
	parts := []string{fmt.Sprintf("the candidate answered %d people", people)}
	for _, x := range tests {
		parts = append(parts, describe(x))
	}
	return strings.Join(parts, "; ")
}
