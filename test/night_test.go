package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nightshift/internal/longtest"
	"nightshift/internal/nightrecord"
	"nightshift/models/demo"
	"nightshift/replaystore"
)

// shortNight is the configuration of nights that take seconds: little feedback, which is used at once, and a gate that lets pass
// what so little proves. What they learn is tested elsewhere: they train for few steps.
const shortNight = `
update:
  schedule: ""
  nice: 0
  evidence: {min_new_examples: 8, min_subjects: 3, quarantine: 0s, held_out: 0.4}
  train: {max_steps: 24}
  gate: {retention_champion: 1, retention_reference: 1, repetition: 0.5, length: 1, end_of_text: 0.5, bootstrap: 500}
`

// people is how many simulated customers give feedback. Who of them is held out is decided by a secret key: with so many,
// both parts are large enough.
const people = 40

// change is the fact that changes in the short nights.
func change(t *testing.T) (fact demo.Fact, value string) {
	t.Helper()
	c := demo.Changes()[0]
	f, ok := demo.FactByID(c.Fact)
	if !ok {
		t.Fatalf("no fact %s", c.Fact)
	}
	return f, c.New
}

// customer is what a simulated customer asks, and what they say the answer should have been; "" for a thumb up.
type customer struct{ name, question, correction string }

// customersOf lists customers who know that the fact has changed.
func customersOf(t *testing.T) []customer {
	f, value := change(t)
	ask := f.Questions(demo.Correction)
	say := demo.Change{Fact: f.ID, New: value}.Corrections()
	list := make([]customer, people)
	for i := range list {
		list[i] = customer{fmt.Sprintf("customer-%02d", i), ask[i%len(ask)], say[i%len(say)]}
	}
	return list
}

// correct lets every customer ask one of the servers and give feedback: thumb the answer down and correct it, or approve it.
func correct(t *testing.T, list []customer, servers ...*program) {
	t.Helper()
	var wg sync.WaitGroup
	var failed errorsOf
	ctx := deadline(t, hang)
	for writer := range 4 {
		wg.Go(func() {
			for i := writer; i < len(list); i += 4 {
				s := servers[i%len(servers)]
				c := list[i]
				r, err := s.try(ctx, http.MethodPost, "/v1/chat/completions", question(c.name, c.question))
				if err != nil || r.status != http.StatusOK {
					failed.add(fmt.Errorf("ask: %d %s %w", r.status, r.body, err))
					return
				}
				var a answered
				r.into(t, &a)
				say := map[string]any{"interaction": a.About.Interaction, "token": a.About.Token, "user": c.name, "rating": "up"}
				if c.correction != "" {
					say["rating"], say["correction"] = "down", c.correction
				}
				r, err = s.try(ctx, http.MethodPost, "/v1/feedback", say)
				if err != nil || r.status != http.StatusAccepted {
					failed.add(fmt.Errorf("correct: %d %s %w", r.status, r.body, err))
					return
				}
			}
		})
	}
	wg.Wait()
	if len(failed.list) > 0 {
		t.Fatal(failed.list[0])
	}
}

// night asks a server for a night and waits until it is over.
func (a *api) night() nightrecord.Night {
	a.t.Helper()
	var n nightrecord.Night
	a.call(http.MethodPost, "/v1/nights", map[string]any{"track": "default"}, http.StatusAccepted).into(a.t, &n)
	return a.followed(n.ID)
}

// followed waits until a night is over.
func (a *api) followed(id string) nightrecord.Night {
	a.t.Helper()
	var n nightrecord.Night
	await(a.t, "night "+id+" is over", func() bool {
		n = nightrecord.Night{}
		a.call(http.MethodGet, "/v1/nights/"+id, nil, http.StatusOK).into(a.t, &n)
		return n.State.Final()
	})
	return n
}

// verdictOf is a verdict as text, for messages.
func verdictOf(n nightrecord.Night) string {
	s := fmt.Sprintf("night %s: %s %s\n", n.ID, n.State, n.Reason)
	if n.Selected != nil {
		s += fmt.Sprintf("%+v\n", *n.Selected)
	}
	if n.Verdict != nil {
		for _, c := range n.Verdict.Checks {
			s += fmt.Sprintf("  %v %s: %s\n", c.Pass, c.Name, c.Detail)
		}
	}
	return s
}

// published fails the test unless a night's candidate serves.
func published(t *testing.T, n nightrecord.Night) {
	t.Helper()
	if n.State != nightrecord.Published || n.Verdict == nil || !n.Verdict.Pass || n.Candidate == nil || n.Candidate.Version == 0 {
		t.Fatalf("want a published night:\n%s", verdictOf(n))
	}
}

// learned is the share of a changed fact's questions, none of which any customer used, that are answered with the new value.
func learned(t *testing.T, s *program) float64 {
	t.Helper()
	f, value := change(t)
	list := f.Questions(demo.Demo)
	right := 0
	for _, q := range list {
		if f.RightFor(s.ask("", q).text(), value) {
			right++
		}
	}
	return float64(right) / float64(len(list))
}

// TestShuffledAnswers proves that a night which was fed nonsense changes nothing. The customers are as many as in the demo
// and the configuration is the demo's, but the corrections of the changed facts are dealt out at random; held-out feedback
// is of the same kind, so a candidate that has learned the nonsense is "better" on it than the champion.
func TestShuffledAnswers(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	data := t.TempDir()
	for i, file := range []string{"store/secret", "registry/heldout.key"} { // who is held out is the same in every run
		path := filepath.Join(data, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := replaystore.LoadSecret(path, bytes.Repeat([]byte{byte(i + 1)}, replaystore.SecretSize)); err != nil {
			t.Fatal(err)
		}
	}
	// The selection has answers wait on which people disagree; without that, the gate is judged on what it does itself.
	s := serverOf(t, "run", "--config", filepath.Join(sources(t), "..", "internal", "walkthrough", "demo.yaml"), "--data", data, "--set", "update.evidence.cluster_subjects=1")
	changes := demo.Changes()
	r := rand.New(rand.NewPCG(1, 1))
	var list []customer
	for i := range 24 * 8 {
		f, _ := demo.FactByID(changes[i%len(changes)].Fact)
		ask, say := f.Questions(demo.Correction), changes[r.IntN(len(changes))].Corrections()
		list = append(list, customer{fmt.Sprintf("customer-%02d", i/8), ask[r.IntN(len(ask))], say[r.IntN(len(say))]})
	}
	steady := steadyFacts()
	for i := range 24 * 4 {
		ask := steady[r.IntN(len(steady))].Questions(demo.Correction)
		list = append(list, customer{fmt.Sprintf("customer-%02d", i/4), ask[r.IntN(len(ask))], ""})
	}
	correct(t, list, s)
	n := s.night()
	t.Log(verdictOf(n))
	if n.State != nightrecord.Rejected || n.Verdict == nil || n.Verdict.Pass || !strings.Contains(n.Reason, "pairing") {
		t.Fatalf("want a night that is rejected because answers and questions do not belong together:\n%s", verdictOf(n))
	}
	if c := n.Curve; len(c) < 2 || c[len(c)-1].Loss > 0.8*c[0].Loss {
		t.Errorf("the candidate did not learn the nonsense, so its rejection proves nothing: %+v", c)
	}
	for _, c := range n.Verdict.Checks {
		if c.Name == "gain" && !c.Pass {
			t.Logf("held-out feedback alone would have told: %s", c.Detail)
		}
	}
	if c := s.champion(); c.Version != nil || c.Digest != "" || c.Activation != 0 {
		t.Errorf("the champion is %+v, want the base model", c)
	}
	var wrong int
	for _, f := range steady[:10] {
		if a := s.ask("", f.Questions(demo.Demo)[0]); !f.Right(a.text()) || a.Model != "default@base" {
			wrong++
		}
	}
	if wrong > 1 {
		t.Errorf("%d of 10 answers are wrong after the rejected night", wrong)
	}
}

// steadyFacts are the facts that do not change.
func steadyFacts() []demo.Fact {
	changing := map[string]bool{}
	for _, c := range demo.Changes() {
		changing[c.Fact] = true
	}
	return slices.DeleteFunc(demo.Facts(), func(f demo.Fact) bool { return changing[f.ID] })
}

// sources is the directory of the program's sources, where the tests run.
func sources(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// replayed proves that a night's record makes the same adapter again.
func replayed(t *testing.T, night, digest string, args ...string) {
	t.Helper()
	got := execute(t, append([]string{"update", "--replay", night, "--json"}, args...)...)
	var r struct {
		Recorded, Digest string
		Same             bool
		Examples, Gone   int
	}
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != 0 || !r.Same || r.Digest != digest || r.Recorded != digest {
		t.Errorf("replay of %s: status %d, %+v, %v; want %s\n%s%s", night, got.code, r, err, digest, got.out, got.err)
	}
	if r.Examples == 0 || r.Gone != 0 {
		t.Errorf("replay of %s: %d of %d examples are gone", night, r.Gone, r.Examples)
	}
}

// TestUpdateCommand takes the command line's ways to a night: on the files when nothing runs, through the API of a running
// server, and again from its record.
func TestUpdateCommand(t *testing.T) {
	slow(t)
	needRuntime(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	args := []string{"--config", writeFile(t, dir, "nightshift.yaml", shortNight), "--data", data}
	update := func(more ...string) nightrecord.Night {
		t.Helper()
		got := execute(t, append(append([]string{"update", "--json"}, args...), more...)...)
		lines := strings.Split(strings.TrimSpace(got.out), "\n")
		var n nightrecord.Night
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &n); err != nil || got.code != 0 || len(lines) < 3 {
			t.Fatalf("update %v: status %d, %v\n%s%s", more, got.code, err, got.out, got.err)
		}
		return n
	}
	s := serverOf(t, "run", args...)
	correct(t, customersOf(t), s)
	killed := killedNight(t, s)

	dry := update("--dry-run")
	if dry.State != nightrecord.Skipped || !dry.DryRun || dry.Verdict == nil || !dry.Verdict.Pass || dry.Candidate == nil || dry.Candidate.Version != 0 {
		t.Errorf("a dry run that passes publishes nothing:\n%s", verdictOf(dry))
	}
	s = serverOf(t, "run", args...)
	if n := s.followed(killed); n.State != nightrecord.Failed || n.Reason == "" {
		t.Errorf("the night of the server that was killed:\n%s", verdictOf(n))
	}
	if c := s.champion(); c.Version != nil || c.Activation != 0 {
		t.Errorf("after the dry run the champion is %+v", c)
	}
	var versions struct{ Data []any }
	s.call(http.MethodGet, "/v1/adapters?track=default", nil, http.StatusOK).into(t, &versions)
	if len(versions.Data) != 0 {
		t.Errorf("after the dry run there are %d versions", len(versions.Data))
	}

	n := update("--now")
	published(t, n)
	if n.By != "local" { // who calls a server without keys
		t.Errorf("the night beside a running server was asked for by %q, want its API", n.By)
	}
	if n.Candidate.Digest != dry.Candidate.Digest {
		t.Errorf("the night came to %s, its dry run to %s", n.Candidate.Digest, dry.Candidate.Digest)
	}
	if c := s.champion(); c.Digest != n.Candidate.Digest {
		t.Errorf("the server serves %+v when the command has ended, want %s", c, n.Candidate.Digest)
	}
	s.stop(t)

	replayed(t, n.ID, n.Candidate.Digest, args...)
	again := update("--now")
	if again.State != nightrecord.Skipped || again.By != "cli" || again.Reason == "" {
		t.Errorf("a night without new evidence:\n%s", verdictOf(again))
	}
	refused(t, append([]string{"update", "--replay", "20260101-000000-none"}, args...), "20260101-000000-none")
	refused(t, append([]string{"update"}, args...), "local store", "--now")
}

// killedNight kills a server while its night trains: the process that trains dies with it. It returns the night's id.
func killedNight(t *testing.T, s *program) string {
	t.Helper()
	var n nightrecord.Night
	s.call(http.MethodPost, "/v1/nights", map[string]any{"track": "default"}, http.StatusAccepted).into(t, &n)
	await(t, "the night trains", func() bool {
		var now nightrecord.Night
		s.call(http.MethodGet, "/v1/nights/"+n.ID, nil, http.StatusOK).into(t, &now)
		return now.State == nightrecord.Training && now.Progress != nil && now.Progress.Phase == "train" && now.Progress.Step > 0
	})
	if list := workersOf(t, n.ID); len(list) != 1 {
		t.Errorf("%d processes train night %s, want 1: %q", len(list), n.ID, list)
	}
	s.kill()
	await(t, "the process that trained is gone", func() bool { return len(workersOf(t, n.ID)) == 0 })
	return n.ID
}

// workersOf lists the command lines of the processes that work on a night.
func workersOf(t *testing.T, night string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Skip("there is no /proc here to look for processes in")
	}
	var list []string
	for _, f := range files {
		line, _ := os.ReadFile(f) // one that has ended has none
		if text := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(text, "night work") && strings.Contains(text, night) {
			list = append(list, text)
		}
	}
	return list
}

// TestReviewRefuses asks for a review of a night that there is not.
func TestReviewRefuses(t *testing.T) {
	refused(t, []string{"night", "review", "20260101-000000-aa", "--data", t.TempDir()}, "there is no night 20260101-000000-aa", "night list")
}
