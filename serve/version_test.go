package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/serve"
)

// activate asks for a version and wants it served.
func (h *house) activate(track string, version any) map[string]any {
	h.t.Helper()
	body, err := json.Marshal(map[string]any{"version": version, "reason": "a test"})
	must(h.t, err)
	r := h.post("/v1/tracks/"+track+"/activate", string(body))
	if r.status != 200 || r.json(h.t)["serving"] != true {
		h.t.Fatalf("activate %v: status %d, %s", version, r.status, r.body)
	}
	return r.json(h.t)
}

func TestModelNames(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) { c.Tracks = []string{"support"} }})
	one, two := h.put("support", 1, nil), h.put("support", 2, nil)
	base := h.ask("support@base", "q")
	if got := h.activate("support", 1); got["version"] != 1.0 || got["activation"] != 1.0 {
		t.Errorf("activated %v", got)
	}
	h.activate("support", 2)
	answers := map[string]string{}
	for model, want := range map[string]string{"support": "support@2", "support@2": "support@2", "support@1": "support@1", "support@prev": "support@1",
		"support@base": "support@base", "default": "default@base", "default@base": "default@base"} {
		a := h.ask(model, "q")
		if a.Model != want {
			t.Errorf("%s is answered by %s, want %s", model, a.Model, want)
		}
		answers[want] = a.text()
		digest := map[string]string{"support@2": two.Digest, "support@1": one.Digest}[want]
		if a.Nightshift.Digest != digest || (a.Nightshift.Version == nil) != (digest == "") {
			t.Errorf("%s: origin %+v, want digest %q", model, a.Nightshift, digest)
		}
		if digest != "" && a.Fingerprint != "ns_"+digest[7:19] || digest == "" && a.Fingerprint != "ns_base" {
			t.Errorf("%s: fingerprint %s", model, a.Fingerprint)
		}
	}
	if answers["support@1"] == answers["support@2"] || answers["support@1"] == base.text() || answers["support@base"] != base.text() {
		t.Errorf("versions do not tell apart, or the base model has changed: %v", answers)
	}
	r := h.post("/v1/completions", `{"model":"support","prompt":"a","max_tokens":1}`)
	if r.header.Get("X-Nightshift-Adapter") != "support@2" || r.header.Get("X-Nightshift-Interaction") == "" {
		t.Errorf("headers %v", r.header)
	}
	r = h.post("/v1/tracks/support/activate", `{"version":1,"expect":1}`)
	if code, _, _ := r.problem(t); r.status != 409 || code != "activation_conflict" {
		t.Errorf("an activation that rests on an old one: status %d, %s", r.status, r.body)
	}
	r = h.post("/v1/tracks/support/rollback", `{"reason":"wrong"}`)
	if v := r.json(t); r.status != 200 || v["version"] != 1.0 || v["hold"] != true || v["serving"] != true {
		t.Errorf("rollback: %d %s", r.status, r.body)
	}
	if a := h.ask("support", "q"); a.text() != answers["support@1"] {
		t.Errorf("after the rollback %q is answered, before it was %q", a.text(), answers["support@1"])
	}
	if v := h.do("DELETE", "/v1/tracks/support/hold", "").json(t); v["hold"] != false {
		t.Errorf("released: %v", v)
	}
	states := map[string]any{}
	for _, a := range h.get("/v1/adapters?track=support").json(t)["data"].([]any) {
		m := a.(map[string]any)
		states[fmt.Sprint(m["version"])] = m["state"]
	}
	if states["1"] != "champion" || states["2"] != "previous" {
		t.Errorf("states %v", states)
	}
	h.activate("support", "base")
	if a := h.ask("support", "q"); a.Model != "support@base" || a.text() != base.text() {
		t.Errorf("the base model answers as %s: %q", a.Model, a.text())
	}
}

// TestSwapUnderLoad activates versions back and forth while streams run: none may fail, none may mix two versions, and
// each must say what its version says alone.
func TestSwapUnderLoad(t *testing.T) {
	h := open(t, options{})
	h.put("default", 1, nil)
	h.put("default", 2, nil)
	const body = `{"model":"%s","prompt":"the quick brown","max_tokens":24,"temperature":0.9,"seed":5,"stream":true}`
	alone := map[string]string{}
	stream := func(model string) (version, text string, err error) {
		res, err := http.Post(h.url+"/v1/completions", "application/json", strings.NewReader(fmt.Sprintf(body, model)))
		if err != nil {
			return "", "", err
		}
		defer res.Body.Close() //nolint:errcheck // read to its end
		list := events(res.Body)
		if res.StatusCode != 200 || len(list) == 0 || list[len(list)-1].data != "[DONE]" {
			return "", "", fmt.Errorf("status %d, %d events", res.StatusCode, len(list))
		}
		version = res.Header.Get("X-Nightshift-Adapter")
		for _, e := range list[:len(list)-1] {
			var a answer
			if err := json.Unmarshal([]byte(e.data), &a); err != nil {
				return "", "", err
			}
			if a.Model != version {
				return "", "", fmt.Errorf("a chunk of %s in a stream of %s", a.Model, version)
			}
			text += a.Choices[0].Text
		}
		return version, text, nil
	}
	for _, model := range []string{"default@base", "default@1", "default@2"} {
		version, text, err := stream(model)
		must(t, err)
		alone[version] = text
	}
	if len(alone) != 3 || alone["default@1"] == alone["default@2"] {
		t.Fatalf("alone: %q", alone)
	}
	var wg sync.WaitGroup
	var stop atomic.Bool
	var count, failed, mixed atomic.Int64
	seen := sync.Map{}
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				version, text, err := stream("default")
				count.Add(1)
				seen.Store(version, true)
				if err != nil {
					failed.Add(1)
					t.Error(err)
				} else if text != alone[version] {
					mixed.Add(1)
					t.Errorf("%s says %q under load and %q alone", version, text, alone[version])
				}
			}
		}()
	}
	swaps := 0
	for _, v := range []any{1, 2, "base", 2, 1, "base", 1, 2} {
		before := count.Load()
		h.activate("default", v)
		swaps++
		h.await("streams have gone on", func() bool { return count.Load() >= before+4 })
	}
	stop.Store(true)
	wg.Wait()
	versions := 0
	seen.Range(func(any, any) bool { versions++; return true })
	t.Logf("%d streams over %d swaps: %d failed, %d mixed, %d versions seen", count.Load(), swaps, failed.Load(), mixed.Load(), versions)
	if versions != 3 {
		t.Errorf("%d versions answered, want 3", versions)
	}
}

// TestRefusedVersions damages versions in several ways: what served before goes on serving, and it is told.
func TestRefusedVersions(t *testing.T) {
	h := open(t, options{})
	h.put("default", 1, nil)
	h.activate("default", 1)
	good := h.ask("default", "q").text()
	weights := func(ref registry.Ref) string {
		return filepath.Join(h.registry.Dir(), "versions", "sha256", strings.TrimPrefix(ref.Digest, "sha256:"), registry.WeightsFile)
	}
	flipped := h.put("default", 2, nil)
	data, err := os.ReadFile(weights(flipped))
	must(t, err)
	data[len(data)-5] ^= 1
	must(t, os.Chmod(weights(flipped), 0o600))
	must(t, os.WriteFile(weights(flipped), data, 0o600))
	cut := h.put("default", 3, nil)
	must(t, os.Chmod(weights(cut), 0o600))
	must(t, os.Truncate(weights(cut), 100))
	wrong := h.put("default", 4, func(m *registry.Manifest) {
		m.SelfTest = []registry.SelfTest{{Prompt: []int32{1, 2, 3}, Target: []int32{4}, Scores: []float32{-0.001}}}
	})
	for _, ref := range []registry.Ref{flipped, cut, wrong} {
		r := h.post("/v1/tracks/default/activate", fmt.Sprintf(`{"version":%d}`, ref.Number))
		if code, _, _ := r.problem(t); r.status != 409 || code != "version_refused" {
			t.Errorf("activate %s: status %d, %s", ref, r.status, r.body)
		}
		if r := h.post("/v1/completions", fmt.Sprintf(`{"model":%q,"prompt":"a"}`, ref)); r.status != 503 {
			t.Errorf("ask %s: status %d, %s", ref, r.status, r.body)
		}
	}
	if a, err := h.registry.Champion("default"); err != nil || a.Sequence != 1 {
		t.Errorf("refused versions have left activation %+v, %v", a, err)
	}
	// An updater elsewhere activates the one whose self-test fails: this server must not follow.
	_, err = h.registry.Activate(context.Background(), "default", registry.Activation{Digest: wrong.Digest, Previous: registry.Latest, Actor: registry.Updater})
	must(t, err)
	h.await("the failure is told", func() bool { return strings.Contains(string(h.get("/readyz").body), "self-test") })
	if r := h.get("/readyz"); r.status != 200 || r.json(t)["status"] != "degraded" {
		t.Errorf("ready: %d %s", r.status, r.body)
	}
	if a := h.ask("default", "q"); a.Model != "default@1" || a.text() != good {
		t.Errorf("%s answers %q, want default@1: %q", a.Model, a.text(), good)
	}
	if m := string(h.get("/metrics").body); !strings.Contains(m, `nightshift_activation_refused{track="default"} 1`) {
		t.Error("the metrics do not tell")
	}
	h.activate("default", 1)
	if r := h.get("/readyz").json(t); r["status"] != "ready" {
		t.Errorf("after the repair: %v", r)
	}
	// Going back leads to the same version: that is in force, and this server says that it does not serve it.
	r := h.post("/v1/tracks/default/rollback", `{}`)
	if v := r.json(t); r.status != 200 || v["serving"] != false || v["version"] != float64(wrong.Number) {
		t.Errorf("rolled back to a version that cannot be served: status %d, %s", r.status, r.body)
	}
	if a := h.ask("default", "q"); a.Model != "default@1" {
		t.Errorf("%s answers, want default@1", a.Model)
	}
	h.activate("default", 1)
	// Another model's adapter does not even get into the registry.
	config, data2, _, err := h.registry.Load(h.put("default", 9, nil).Digest)
	must(t, err)
	_, err = h.registry.Put(context.Background(), "default", registry.Version{Config: config, Weights: data2, Manifest: registry.Manifest{BaseDigest: "sha256:other"}})
	if err == nil || !strings.Contains(err.Error(), "trained on model") {
		t.Errorf("another model's adapter: %v", err)
	}
}

// TestWatcher lets another process write: an activation is followed, self-tests that agree pass, and a restart finds it.
func TestWatcher(t *testing.T) {
	dir := t.TempDir()
	h := open(t, options{dir: dir})
	plain := h.put("default", 1, nil)
	h.activate("default", 1)
	config, weights, m, err := h.registry.Load(plain.Digest)
	must(t, err)
	changed, err := adapter.Parse(config, weights)
	must(t, err)
	for _, f := range changed.Factors {
		f.B[0] += 0.25
	}
	config, weights, err = changed.Files()
	must(t, err)
	must(t, h.engine.Bank().Install("changed", changed))
	pin, ok := h.engine.Bank().Pin("changed")
	if !ok {
		t.Fatal("the changed adapter is not resident")
	}
	score, err := h.engine.Score(context.Background(), pin, []int32{5, 6, 7, 8}, 2)
	must(t, err)
	m.SelfTest = []registry.SelfTest{{Prompt: []int32{5, 6}, Target: []int32{7, 8}, Scores: score.LogProbs}}
	ref, err := h.registry.Put(context.Background(), "night", registry.Version{Config: config, Weights: weights, Manifest: m})
	must(t, err)
	_, err = h.registry.Activate(context.Background(), "night", registry.Activation{Digest: ref.Digest, Previous: registry.Latest, Actor: registry.Updater})
	must(t, err)
	h.await("the new track serves", func() bool {
		return strings.Contains(string(h.get("/v1/models").body), `"night@1"`)
	})
	if got := h.get("/v1/adapters/night@1").json(t)["self_test"]; got != "pass" {
		t.Errorf("self-test %v, want pass", got)
	}
	tested := h.put("default", 2, nil)
	must(t, h.stop())
	again := open(t, options{dir: dir, before: func(h *house) {
		_, err := h.registry.Activate(context.Background(), "default", registry.Activation{Digest: tested.Digest, Previous: registry.Latest, Actor: registry.Updater})
		must(t, err)
	}})
	for model, want := range map[string]string{"default": "default@2", "night": "night@1"} {
		if a := again.ask(model, "q"); a.Model != want {
			t.Errorf("after a restart %s is %s, want %s", model, a.Model, want)
		}
	}
}

// TestFallback starts on a champion that is damaged: the version before serves, and it is told.
func TestFallback(t *testing.T) {
	h := open(t, options{before: func(h *house) {
		for seed := range uint64(2) {
			ref := h.put("default", seed, nil)
			_, err := h.registry.Activate(context.Background(), "default", registry.Activation{Digest: ref.Digest, Previous: registry.Latest, Actor: registry.Updater})
			must(h.t, err)
			if seed == 1 {
				path := filepath.Join(h.registry.Dir(), "versions", "sha256", strings.TrimPrefix(ref.Digest, "sha256:"), registry.WeightsFile)
				must(h.t, os.Remove(path))
			}
		}
	}})
	if a := h.ask("default", "q"); a.Model != "default@1" {
		t.Errorf("%s answers, want default@1", a.Model)
	}
	if r := h.get("/readyz"); r.status != 200 || !strings.Contains(string(r.body), "serves default@1") {
		t.Errorf("ready: %d %s", r.status, r.body)
	}
}

// TestCanary gives a candidate a share: each person stays on one side, and a larger share only adds people.
func TestCanary(t *testing.T) {
	h := open(t, options{})
	h.put("default", 1, nil)
	candidate := h.put("default", 2, nil)
	h.activate("default", 1)
	side := func(user int) string {
		r := h.post("/v1/completions", fmt.Sprintf(`{"model":"default","prompt":"a","max_tokens":1,"user":"u%d"}`, user))
		return r.header.Get("X-Nightshift-Adapter")
	}
	chosen := map[int]bool{}
	for step, share := range []float64{0.3, 0.7} {
		champion, err := h.registry.Champion("default")
		must(t, err)
		a, err := h.registry.Activate(context.Background(), "default", registry.Activation{Digest: champion.Digest, Candidate: candidate.Digest, Share: share,
			Previous: registry.Latest, Actor: registry.Updater})
		must(t, err)
		h.await("the share is served", func() bool {
			return strings.Contains(string(h.get("/v1/tracks/default").body), fmt.Sprintf(`"activation":%d`, a.Sequence))
		})
		count := 0
		for user := range 60 {
			first := side(user)
			if first != side(user) {
				t.Errorf("person %d is on both sides", user)
			}
			if first == "default@2" {
				count++
				chosen[user] = true
			} else if chosen[user] {
				t.Errorf("person %d left the candidate when its share grew", user)
			}
		}
		if low, high := []int{8, 32}[step], []int{28, 52}[step]; count < low || count > high {
			t.Errorf("share %v: %d of 60 people, want %d to %d", share, count, low, high)
		}
	}
	if v := h.post("/v1/tracks/default/rollback", "").json(t); v["version"] != 1.0 {
		t.Errorf("the rollback of a canary serves %v", v)
	}
	if got := h.get("/v1/tracks/default").json(t)["candidate"]; got != nil {
		t.Errorf("candidate %v after the rollback", got)
	}
}
