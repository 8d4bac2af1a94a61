package update

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// background runs an updater until the test ends, and returns the final records of its nights.
func (s *shop) background(u *Updater) <-chan nightrecord.Night {
	s.Helper()
	ended := make(chan nightrecord.Night, 100)
	tell := u.nights.deps.Progress
	u.nights.deps.Progress = func(n nightrecord.Night) {
		if tell != nil {
			tell(n)
		}
		if n.State.Final() {
			ended <- n
		}
	}
	ctx, stop := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx) }()
	s.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			s.Errorf("run: %v", err)
		}
	})
	return ended
}

func TestRequestsOverTheControlStream(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.CreateTrack("support")
	s.Send(replaystore.NightRequest{Night: "20260302-010000-early", Track: "default", By: "api", Options: []byte(`{"dry_run":true}`)}) // before there is an updater
	s.Send(replaystore.NightRequest{Night: "20260302-010000-early", Track: "default", By: "api"})                                      // once is enough
	s.Send(replaystore.NightRequest{Night: "../../etc", Track: "default"})
	s.Send(replaystore.NightRequest{Night: "20260302-010001-track", Track: "no such track!"})
	s.Send(replaystore.NightRequest{Night: "20260302-010002-option", Track: "default", Options: []byte(`{"dry_run":"maybe"}`)})
	ended := s.background(s.updater())
	if n := <-ended; n.ID != "20260302-010000-early" || n.State != nightrecord.Skipped || !n.DryRun || n.By != "api" {
		t.Errorf("first night %+v", n)
	}
	s.Send(replaystore.NightRequest{Night: "20260302-010003-next", Track: "support", By: "api"})
	if n := <-ended; n.ID != "20260302-010003-next" || n.Track != "support" || n.DryRun {
		t.Errorf("second night %+v", n)
	}
	if ids, err := s.Registry.ListNights(); err != nil || len(ids) != 2 {
		t.Errorf("nights %v, %v", ids, err)
	}
	signals, err := s.Store.Control().Read(t.Context(), "", 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	var stages []string
	for _, sig := range signals {
		if sig.Kind == replaystore.KindProgress {
			p, err := replaystore.Decode[replaystore.Progress](sig)
			if err != nil {
				t.Fatal(err)
			}
			if p.Track == "support" {
				stages = append(stages, p.Stage)
			}
		}
	}
	if got := strings.Join(stages, " "); got != "wait select done" {
		t.Errorf("announced stages %q", got)
	}
}

func TestTwoUpdatersRunANightOnce(t *testing.T) {
	s := newShop(t, t.TempDir())
	a, b := s.updater(), s.updater()
	ended, other := s.background(a), s.background(b)
	for i := range 5 {
		s.Send(replaystore.NightRequest{Night: fmt.Sprintf("20260302-01000%d-n", i), Track: "default"})
	}
	seen := map[string]int{}
	for range 5 {
		select {
		case n := <-ended:
			seen[n.ID]++
		case n := <-other:
			seen[n.ID]++
		}
	}
	if len(seen) != 5 {
		t.Errorf("nights %v", seen)
	}
}

func TestNightWaitsForServersThatAreBehind(t *testing.T) {
	s := newShop(t, t.TempDir())
	s.Send(replaystore.ShippedMark{Server: "web-1", Through: time.Now()})
	s.Send(replaystore.ShippedMark{Server: "gone", Through: time.Now()})
	s.Send(replaystore.ShippedMark{Server: "gone", Leaving: true})
	u := s.updater()
	waited := ""
	u.nights.deps.Progress = func(n nightrecord.Night) {
		if n.State == nightrecord.Waiting && n.Reason != "" {
			waited = n.Reason
			s.Send(replaystore.ShippedMark{Server: "web-1", Night: n.ID, Through: time.Now()})
		}
	}
	s.run(u, Request{}, nightrecord.Skipped)
	if waited != "for the journals of web-1" {
		t.Errorf("waited %q", waited)
	}
	u = s.updater()
	u.nights.cfg.ShipWait = time.Millisecond
	n := s.run(u, Request{}, nightrecord.Skipped)
	said := ""
	for _, l := range n.Log {
		said += l.Message + "\n"
	}
	if !strings.Contains(said, "went on without what these servers have not shipped: web-1") {
		t.Errorf("log:\n%s", said)
	}
}

// TestYoungFeedbackIsLeftForTheNextNight puts young feedback in the middle of more events than one page: the cursor stops
// right before it, and the next night begins with it.
func TestYoungFeedbackIsLeftForTheNextNight(t *testing.T) {
	s := newShop(t, t.TempDir())
	u := s.updater()
	const before, after = 300, 320
	var events []replaystore.Event
	yes := 1.0
	for i := range before + after {
		at := s.Now.Add(-2 * time.Hour)
		if i == before {
			at = s.Now.Add(-time.Minute)
		}
		in := replaystore.Interaction{ID: fmt.Sprintf("i%04d", i), Track: "default", Time: at, Messages: nighttest.Raw("q"), Answer: "a"}
		fb := replaystore.Feedback{ID: "f", Interaction: in.ID, Track: "default", Time: at, Rating: &yes}
		events = append(events, replaystore.Event{Interaction: &in}, replaystore.Event{Feedback: &fb})
	}
	if err := s.Store.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	first, err := u.nights.gather(t.Context(), "default", "", s.Now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.events) != 2*before || first.waiting != after {
		t.Errorf("the first night takes %d events and leaves %d", len(first.events), first.waiting)
	}
	second, err := u.nights.gather(t.Context(), "default", first.cursor, s.Now.Add(2*time.Hour), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.events) != 2*after || second.waiting != 0 || second.events[0].Interaction == nil || second.events[0].Interaction.ID != "i0300" {
		t.Errorf("the second night takes %d events, first %+v, and leaves %d", len(second.events), second.events[0], second.waiting)
	}
	third, err := u.nights.gather(t.Context(), "default", second.cursor, s.Now.Add(2*time.Hour), time.Hour)
	if err != nil || len(third.events) != 0 || third.cursor != second.cursor {
		t.Errorf("the third night takes %d events, %v", len(third.events), err)
	}
}

func TestFeedbackOnAnOlderInteraction(t *testing.T) {
	s := newShop(t, t.TempDir())
	u := s.updater()
	in := s.Feedback(1, "x", "y", "z")
	first, err := u.nights.gather(t.Context(), "default", "", s.Now, 0)
	if err != nil {
		t.Fatal(err)
	}
	no := -1.0
	if err := s.Store.Append(t.Context(), replaystore.Event{Feedback: &replaystore.Feedback{ID: "late", Interaction: in.ID, Track: "default", Time: s.Now, Subject: "q", Rating: &no}}); err != nil {
		t.Fatal(err)
	}
	second, err := u.nights.gather(t.Context(), "default", first.cursor, s.Now, 0)
	if err != nil || len(second.events) != 2 || second.events[0].Interaction == nil || !second.negative[in.ID] {
		t.Errorf("gathered %+v, %v", second, err)
	}
}

func TestSkippedNightsSayWhy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, anchorFile), []byte(`{"messages":[{"role":"prompt","content":"a"}],"completion":"b"}`+"\n\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		people     int
		change     func(s *Settings)
	}{
		{"few examples", " of 60 examples", 6, func(s *Settings) { s.Evidence.MinExamples = 60 }},
		{"few people", " of 19 people", 6, func(s *Settings) { s.Evidence.MinSubjects = 19 }},
		{"one loud person", " % of the examples, at most 5 %", 6, func(s *Settings) { s.Evidence.MaxSubjectShare = 0.05 }},
		{"too few held out", " of 21 held-out corrections, in fewer of which the gate can see no gain", 6, func(s *Settings) { s.Gate.SignTest = 1e-6 }},
		{"no anchors", "there is no anchor example", 12, func(s *Settings) { s.Anchors = filepath.Join(dir, "missing.jsonl") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, dir)
			s.Correct(0, c.people)
			c.change(&s.config.Settings)
			u := s.updater()
			n := s.run(u, Request{}, nightrecord.Skipped)
			if !strings.Contains(n.Reason, c.want) {
				t.Errorf("skipped because %q, want %q; %+v", n.Reason, c.want, n.Selection)
			}
			if _, found, err := u.history.Record(n.ID); !found || err != nil {
				t.Errorf("record %v %v", found, err)
			}
			if p, err := u.history.Past("default", ""); err != nil || p.Cursor != "" {
				t.Errorf("a skipped night moved the cursor to %q, %v", p.Cursor, err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(c *Config, d *Deps)
	}{
		{"no model", "model's directory", func(c *Config, _ *Deps) { c.ModelDir = "" }},
		{"no store", "needs a store", func(_ *Config, d *Deps) { d.Store = nil }},
		{"schedule", `update.schedule: want minute, hour`, func(c *Config, _ *Deps) { c.Schedule = "at night" }},
		{"time zone", `update.time_zone: want Local, UTC or a name such as Europe/Berlin, not "Mars/Base"`, func(c *Config, _ *Deps) { c.Schedule, c.TimeZone = "30 2 * * *", "Mars/Base" }},
		{"held out", "update.evidence.held_out: want at least 0.01, not 0", func(c *Config, _ *Deps) { c.Evidence.HeldOut = 0 }},
		{"held out is no number", "update.evidence.held_out: want a number", func(c *Config, _ *Deps) { c.Evidence.HeldOut = math.NaN() }},
		{"rank", "update.train.rank: want at least 1, not 0", func(c *Config, _ *Deps) { c.Train.Rank = 0 }},
		{"rate", "update.train.learning_rate: want one: the model has none", func(c *Config, _ *Deps) { c.Train.LearningRate = 0 }},
		{"batch", "update.train.batch_tokens: want at least 16, not 0", func(c *Config, _ *Deps) { c.Train.BatchTokens = 0 }},
		{"methods", "update.train.methods.round_share: want at least 0.001", func(c *Config, _ *Deps) { c.Train.Methods.RoundShare = 0 }},
		{"KL", "update.train.kl_share: want at most 1, not 2", func(c *Config, _ *Deps) { c.Train.KLShare = 2 }},
		{"track's name", "is no name of a track", func(c *Config, _ *Deps) { c.Tracks = map[string]Settings{"a b": Defaults()} }},
		{"track's settings", "tracks.support.update.train.rank", func(c *Config, _ *Deps) { c.Tracks = map[string]Settings{"support": {}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t, "model")
			c.change(&s.config, &s.deps)
			if _, err := NewNights(s.config, s.deps); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	s := newShop(t, "model")
	if _, err := s.updater().RunNight(t.Context(), Request{Track: "a b"}); err == nil {
		t.Error("a track's name with a space was accepted")
	}
}

func TestExampleFilesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{"messages":[{"role":"user","content":"a"}],"completion":"b"`: "line 1", "\n{}": "line 2: want messages",
		`{"messages":[{"role":"user","content":"a"}],"completion":" "}`: "want messages and a completion", `{"prompt":"a"}`: "unknown field",
	} {
		path := filepath.Join(t.TempDir(), "x.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readExamples(path, selection.Anchor); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func TestApprovedVersion(t *testing.T) {
	machine := func(digest string) registry.Activation {
		return registry.Activation{Digest: digest, Actor: registry.Updater}
	}
	person := func(digest string, held bool) registry.Activation {
		return registry.Activation{Digest: digest, Actor: "ann", Held: held}
	}
	for i, c := range []struct {
		list []registry.Activation
		want string
	}{
		{nil, ""}, {[]registry.Activation{machine("a"), machine("b")}, ""}, {[]registry.Activation{machine("a"), person("b", false), machine("c")}, "b"},
		{[]registry.Activation{machine("a"), person("a", true), person("a", false), machine("c")}, ""},                // held and released
		{[]registry.Activation{machine("a"), person("a", false), machine("c")}, "a"},                                  // confirmed
		{[]registry.Activation{person("a", false), machine("b"), person("", true), person("", false)}, ""},            // back to the base model
		{[]registry.Activation{machine("a"), machine("b"), person("a", true), person("a", false), machine("d")}, "a"}, // rolled back
	} {
		if got := approved(c.list); got != c.want {
			t.Errorf("case %d: %q, want %q", i, got, c.want)
		}
	}
}

func TestRehearsalIsSharedBetweenMemoryAndStarter(t *testing.T) {
	list := func(prefix string, n int) []selection.Item {
		var items []selection.Item
		for i := range n {
			items = append(items, selection.Item{Example: replaystore.Example{ID: fmt.Sprintf("%s%03d", prefix, i)}})
		}
		return items
	}
	for _, c := range []struct{ memory, starter, limit, fromMemory, fromStarter int }{
		{0, 0, 10, 0, 0}, {100, 100, 10, 5, 5}, {100, 2, 10, 8, 2}, {2, 100, 10, 2, 8}, {3, 4, 10, 3, 4}, {100, 100, 0, 0, 0}, {100, 100, 7, 4, 3},
	} {
		count := map[byte]int{}
		for _, it := range rehearsal(list("m", c.memory), list("s", c.starter), c.limit, selection.RandomSample) {
			count[it.ID[0]]++
		}
		if count['m'] != c.fromMemory || count['s'] != c.fromStarter {
			t.Errorf("%+v: %d from the memory, %d from the starter", c, count['m'], count['s'])
		}
	}
}

func TestCurveIsThinned(t *testing.T) {
	s := newShop(t, "model")
	l := nightLog{nights: s.updater().nights}
	for step := 1; step <= 5000; step++ {
		l.point(nightrecord.CurvePoint{Step: step, Loss: float64(step)})
	}
	c := l.night.Curve
	if len(c) > curvePoints || len(c) < curvePoints/2 || c[0].Step != 1 || c[len(c)-1].Step < 4900 {
		t.Errorf("%d points from %d to %d", len(c), c[0].Step, c[len(c)-1].Step)
	}
	for i := 1; i < len(c); i++ {
		if c[i].Step-c[i-1].Step != c[1].Step-c[0].Step {
			t.Fatalf("points %d and %d are not evenly spaced", i-1, i)
		}
	}
}
