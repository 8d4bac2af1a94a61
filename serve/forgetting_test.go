package serve_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

// scored makes a version from a parent by a night that left scores, per token, of the same four probes.
func (h *house) scored(seed uint64, parent registry.Ref, champion, candidate float64) registry.Ref {
	h.t.Helper()
	night := fmt.Sprint("night-", seed)
	ref := h.put("default", seed, func(m *registry.Manifest) { m.Night, m.Parent = night, parent.Digest })
	scores := nightrecord.Scores{Champion: parent.Digest, Candidate: ref.Digest, Bound: 0.1}
	for _, name := range []string{"night-1", nightrecord.AnchorSet} {
		set := nightrecord.ProbeSet{Name: name}
		for p := range 4 {
			set.Probes = append(set.Probes, nightrecord.Probe{ID: fmt.Sprint("p", p), Tokens: 2, Champion: 2 * champion, Candidate: 2 * candidate})
		}
		scores.Sets, candidate = append(scores.Sets, set), champion // anchors stay what they were
	}
	data, err := scores.Encode()
	must(h.t, err)
	must(h.t, h.registry.CreateNight(night))
	must(h.t, h.registry.WriteNightFile(night, nightrecord.ScoresFile, data))
	return ref
}

// TestForgettingIsShown: the metrics follow the champion, through a rollback too, and the log says once what was forgotten.
func TestForgettingIsShown(t *testing.T) {
	log := &lines{}
	h := open(t, options{log: io.Writer(log)})
	one := h.scored(1, registry.Ref{}, -3, -0.5)
	two := h.scored(2, one, -0.5, -0.9)
	shows := func(what ...string) func() bool {
		return func() bool {
			metrics := string(h.get("/metrics").body)
			for _, w := range what {
				if !strings.Contains(metrics, w+"\n") {
					return false
				}
			}
			return true
		}
	}
	h.activate("default", one.Number)
	h.await("the first version's scores are shown", shows(`nightshift_probe_score{set="nights",track="default"} -0.5`,
		`nightshift_probe_score{set="anchors",track="default"} -3`, `nightshift_forgetting_alarms{track="default"} 0`))
	h.activate("default", two.Number)
	h.await("the second version's are", shows(`nightshift_probe_score{set="nights",track="default"} -0.9`, `nightshift_forgetting_nats{track="default"} 0.4`,
		`nightshift_forgetting_alarms{track="default"} 1`))
	if n := log.count("has forgotten"); n != 1 {
		t.Errorf("the log says %d times what was forgotten", n)
	}
	if r := h.post("/v1/tracks/default/rollback", ""); r.status != 200 {
		t.Fatalf("roll back: status %d, %s", r.status, r.body)
	}
	h.await("the first version's are shown again", shows(`nightshift_probe_score{set="nights",track="default"} -0.5`, `nightshift_forgetting_alarms{track="default"} 0`))
}
