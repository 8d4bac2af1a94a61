package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift/internal/longtest"
	"nightshift/internal/nightrecord"
	"nightshift/models/demo"
)

// TestTrial gives what a night learned to a third of the people first: they have the new version, the others the old one, and
// when enough of them have been answered and none complained the next night makes it the champion before it begins.
func TestTrial(t *testing.T) {
	longtest.Skip(t)
	needRuntime(t)
	config := shortNight + "  canary: {shares: [0.35], step: 1s, people: 5, patience: 1h}\n"
	data := t.TempDir()
	s := serverOf(t, "run", "--config", writeFile(t, t.TempDir(), "nightshift.yaml", config), "--data", data)
	correct(t, customersOf(t), s)
	n := s.night()
	published(t, n)
	if !strings.Contains(n.Reason, "on trial: 35 %") {
		t.Errorf("the night's reason is %q", n.Reason)
	}
	if c := s.champion(); c.Digest != "" {
		t.Fatalf("during its trial the candidate is the champion: %+v", c)
	}
	f, value := change(t)
	old, fresh := 0, 0
	for i := range 40 {
		a := s.ask(fmt.Sprintf("visitor-%02d", i), f.Questions(demo.Demo)[0])
		b := s.ask(fmt.Sprintf("visitor-%02d", i), f.Questions(demo.Demo)[0])
		switch {
		case a.Model != b.Model:
			t.Errorf("visitor %d is answered by %s and then by %s", i, a.Model, b.Model)
		case a.Model == "default@base":
			old++
		case a.Model == "default@1" && f.RightFor(a.text(), value):
			fresh++
		default:
			t.Errorf("visitor %d is answered %q by %s", i, a.text(), a.Model)
		}
	}
	if old < 10 || fresh < 5 {
		t.Errorf("%d visitors have the champion, %d the candidate", old, fresh)
	}
	await(t, "the trial is a second old", func() bool { return time.Since(n.Finished) > time.Second })
	if next := s.night(); next.State != nightrecord.Skipped || strings.Contains(next.Reason, "on trial") {
		t.Errorf("the night after the trial:\n%s", verdictOf(next))
	}
	if c := s.champion(); c.Digest != n.Candidate.Digest {
		t.Errorf("after the trial the champion is %+v, want %s", c, n.Candidate.Digest)
	}
	onThePage(t, data)
}
