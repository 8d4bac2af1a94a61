package serve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/serve"
)

// waits reads how many requests had a result of the adapter cache.
func (h *house) waits(result string) int {
	h.t.Helper()
	return h.counted(fmt.Sprintf("nightshift_adapter_wait_seconds_count{cache=%q}", result))
}

// counted reads a count of the metrics, 0 where it is not there.
func (h *house) counted(series string) (n int) {
	h.t.Helper()
	for line := range strings.Lines(string(h.get("/metrics").body)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			_, err := fmt.Sscan(rest, &n)
			must(h.t, err)
		}
	}
	return n
}

// TestEvictedVersionsComeBack asks for more versions than the bank holds, again and again: after the first time they are brought
// back without a test, and answer as before; one whose file has changed meanwhile is checked, and refused.
func TestEvictedVersionsComeBack(t *testing.T) {
	h := open(t, options{engine: engine.Config{BankRows: 4}})
	const versions = 6
	said := map[string]string{}
	for round := range 3 {
		for n := range versions {
			name := fmt.Sprintf("default@%d", n+1)
			if round == 0 {
				h.put("default", uint64(n), nil)
			}
			a := h.ask(name, "how long may I return a tent?")
			if a.Model != name {
				t.Fatalf("%s answers, want %s", a.Model, name)
			}
			if round > 0 && a.text() != said[name] {
				t.Errorf("round %d: %s says %q, before %q", round, name, a.text(), said[name])
			}
			said[name] = a.text()
		}
	}
	for from, want := range map[string]int{"cold": versions, "reload": 2 * versions, "hit": 0} {
		if got := h.waits(from); got != want {
			t.Errorf("%d requests had a cache result %s, want %d", got, from, want)
		}
	}
	ref, err := h.registry.Resolve("default", "@1")
	must(t, err)
	path := filepath.Join(h.registry.Dir(), "versions", "sha256", strings.TrimPrefix(ref.Digest, "sha256:"), registry.WeightsFile)
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)-5] ^= 1
	must(t, os.WriteFile(path, data, 0o600))
	if r := h.post("/v1/completions", `{"model":"default@1","prompt":"a"}`); r.status != 503 {
		t.Errorf("a version whose file was changed: status %d, %s", r.status, r.body)
	}
	if a := h.ask("default@2", "how long may I return a tent?"); a.text() != said["default@2"] {
		t.Errorf("another version says %q, before %q", a.text(), said["default@2"])
	}
}

// TestMoreTracksThanRows gives more tracks a champion of their own than the bank has rows.
func TestMoreTracksThanRows(t *testing.T) {
	const tracks = 12
	h := open(t, options{engine: engine.Config{BankRows: 6}, cfg: func(c *serve.Config) {
		for n := range tracks {
			c.Tracks = append(c.Tracks, fmt.Sprintf("t%d", n))
		}
	}})
	for n := range tracks {
		track := fmt.Sprintf("t%d", n)
		h.put(track, uint64(n), nil)
		h.activate(track, 1)
	}
	for range 2 {
		for n := range tracks {
			track := fmt.Sprintf("t%d", n)
			if a := h.ask(track, "q"); a.Model != track+"@1" {
				t.Errorf("%s answers, want %s@1", a.Model, track)
			}
		}
	}
	if got, want := h.waits("hit"), 2*2; got < want { // two tracks keep theirs
		t.Errorf("%d requests found their version in the bank, want at least %d", got, want)
	}
	if r := h.get("/readyz").json(t); r["status"] != "ready" {
		t.Errorf("ready: %v", r)
	}
	h.put("t3", 99, nil)
	h.activate("t3", 2)
	if a := h.ask("t3", "q"); a.Model != "t3@2" {
		t.Errorf("%s answers, want t3@2", a.Model)
	}
}
