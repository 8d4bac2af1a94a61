package test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"nightshift/internal/longtest"
	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/update/history"
)

// forgotten is what the command forget says as JSON.
type forgotten struct {
	Traces history.Traces
	Tracks []history.Withdrawal
	Nights []nightrecord.Night
}

// TestForgetCommand forgets somebody whom the champion has learned from: first the command only tells, a hold is respected, too few examples of
// others wait, and then the track has learned again without that person.
func TestForgetCommand(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	dir := t.TempDir()
	args := []string{"--config", writeFile(t, dir, "nightshift.yaml", shortNight), "--data", filepath.Join(dir, "data")}
	s := serverOf(t, "run", args...)
	customers := customersOf(t)
	correct(t, customers, s)
	first := s.night()
	published(t, first)
	s.stop(t)

	run := func(more ...string) ended { return execute(t, append(more, args...)...) }
	parse := func(got ended) (f forgotten) {
		t.Helper()
		if err := json.Unmarshal([]byte(got.out), &f); err != nil || got.code != 0 {
			t.Fatalf("status %d, %v\n%s%s", got.code, err, got.out, got.err)
		}
		return f
	}
	who := ""
	for _, c := range customers { // who is held out taught nothing
		f := parse(run("forget", "--json", "--subject", c.name))
		if len(f.Traces.Nights) != 1 || f.Nights != nil {
			t.Fatalf("forgot %s: %+v", c.name, f)
		}
		if len(f.Traces.Versions) > 0 {
			who = c.name
			if w := f.Tracks; len(w) != 1 || !w[0].Tainted || w[0].Champion.Number != 1 || !w[0].Clean.Base() || w[0].Examples < people/2 {
				t.Errorf("tracks %+v", w)
			}
			break
		}
	}
	told := run("forget", "--subject", who)
	holds(t, "what forget says", told.out, "deleted 0 interactions", "default@1", "goes back to default@base", "examples of others, of 1 nights", `forget --subject "`+who+`" --retrain`)

	if got := run("adapter", "hold", "default", "--reason", "inventory"); got.code != 0 {
		t.Fatal(got.err)
	}
	refused(t, append([]string{"forget", "--subject", who, "--retrain"}, args...), "is held by", "inventory", "adapter release default")
	if got := run("adapter", "release", "default"); got.code != 0 {
		t.Fatal(got.err)
	}
	few := run("forget", "--subject", who, "--retrain", "--set", "update.evidence.min_new_examples=1000")
	holds(t, "what forget says of few examples", few.out, "default@base is the champion", ": skipped", "default@base serves", "wait for a night")
	if few.code != 0 {
		t.Errorf("status %d: %s", few.code, few.err)
	}

	f := parse(run("forget", "--json", "--subject", who, "--retrain"))
	if len(f.Tracks) != 1 || f.Tracks[0].Tainted || f.Tracks[0].Activation != 0 || len(f.Nights) != 1 {
		t.Fatalf("learned again: %+v", f)
	}
	n := f.Nights[0]
	published(t, n)
	if had, has := first.Selected.New+first.Selected.HeldOut, n.Selected.New+n.Selected.HeldOut; has == 0 || has >= had || n.By != "forget" {
		t.Errorf("the night learned from %d examples, the first one from %d", has, had)
	}
	r, err := registry.Open(filepath.Join(dir, "data", "registry"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := r.Version(n.Candidate.Digest); err != nil || m.Parent != "" || m.Night != n.ID {
		t.Errorf("the new version's manifest: %+v, %v", m, err)
	}
	if f := parse(run("forget", "--json", "--subject", who, "--retrain")); len(f.Tracks) != 0 || len(f.Nights) != 0 {
		t.Errorf("once more: %+v", f)
	}
	s = serverOf(t, "run", args...)
	if c := s.champion(); c.Digest != n.Candidate.Digest || c.Hold == true {
		t.Errorf("the server serves %+v, want %s", c, n.Candidate.Digest)
	}
}
