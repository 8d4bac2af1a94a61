package serve_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/nightrecord"
	"nightshift/internal/redact"
	"nightshift/internal/registry"
	"nightshift/internal/telemetry"
	"nightshift/serve"
	"nightshift/serve/api"
)

// learned makes a version of a track from a night whose examples ask these questions, and activates it.
func (h *house) learned(track string, seed uint64, questions ...string) registry.Ref {
	h.t.Helper()
	night := fmt.Sprintf("night-%s-%d", track, seed)
	must(h.t, h.registry.CreateNight(night))
	var lines strings.Builder
	for range 30 {
		for _, q := range questions {
			fmt.Fprintf(&lines, `{"use":"new","prompt":[{"role":"user","content":"before"},{"role":"assistant","content":"an answer"},{"role":"user","content":%q}],"completion":"x"}`+"\n", q)
			fmt.Fprintf(&lines, `{"use":"anchor","prompt":[{"role":"user","content":"how do rockets fly to the moon"}],"completion":"x"}`+"\n")
		}
	}
	must(h.t, h.registry.WriteNightFile(night, nightrecord.SelectionFile, []byte(lines.String())))
	ref := h.put(track, seed, func(m *registry.Manifest) { m.Night = night })
	h.activate(track, ref.Number)
	return ref
}

// openRouted is a house with two tracks that have learned different things.
func openRouted(t *testing.T) *house {
	t.Helper()
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"rail", "shop"}
		c.Router = serve.Router{Tracks: []string{"shop", "rail"}, Model: "auto", Confidence: 0.8}
	}})
	h.learned("rail", 1, "when does the train to Zug leave from platform nine", "which platform has the train")
	h.learned("shop", 2, "how long may I return a tent", "what does the tent cost")
	h.await("both tracks are known", func() bool {
		return h.routed("when does the train leave").Track == "rail" && h.routed("how long may I return the tent").Track == "shop"
	})
	return h
}

// routedOrigin is where an answer came from, and how it was routed.
type routedOrigin struct {
	Track  string
	Routed *struct {
		Confidence float64
		Fallback   bool
	}
}

// routed asks auto a conversation's questions.
func (h *house) routed(questions ...string) routedOrigin {
	h.t.Helper()
	var messages []map[string]string
	for i, q := range questions {
		if i > 0 {
			messages = append(messages, map[string]string{"role": "assistant", "content": "when how what the train tent"})
		}
		messages = append(messages, map[string]string{"role": "user", "content": q})
	}
	body, err := json.Marshal(map[string]any{"model": "auto", "max_tokens": 1, "messages": messages})
	must(h.t, err)
	r := h.post("/v1/chat/completions", string(body))
	if r.status != 200 {
		h.t.Fatalf("status %d: %s", r.status, r.body)
	}
	var a struct{ Nightshift routedOrigin }
	must(h.t, json.Unmarshal(r.body, &a))
	if a.Nightshift.Routed == nil {
		h.t.Fatalf("an answer does not say that it was routed: %s", r.body)
	}
	return a.Nightshift
}

func TestRouter(t *testing.T) {
	h := openRouted(t)
	fallbacks := `nightshift_routed_total{by="fallback",track="default"}`
	before := h.counted(fallbacks) // while the tracks were not known yet
	for _, c := range []struct {
		track    string
		fallback bool
		ask      []string
	}{
		{"rail", false, []string{"which platform does the train leave from"}},
		{"shop", false, []string{"what does the tent cost, may I return it"}},
		{"default", true, []string{"how do rockets fly to the moon"}}, // what a night measured on, it did not learn
		{"default", true, []string{""}},
		{"shop", false, []string{"how long may I return a tent", "and?"}}, // belongs to what it follows
		{"rail", false, []string{"how long may I return a tent", "when does the train to Zug leave"}},
	} {
		got := h.routed(c.ask...)
		if got.Track != c.track || got.Routed.Fallback != c.fallback || (got.Routed.Confidence >= 0.8) == c.fallback {
			t.Errorf("%q: %s, %+v; want %s, fallback: %v", c.ask, got.Track, *got.Routed, c.track, c.fallback)
		}
	}
	// The answer is the chosen track's: the same as to a request that names it, recorded and rated there.
	question := "when does the train to Zug leave"
	named, chosen := h.ask("rail", question), h.ask("auto", question)
	if chosen.Model != "rail@1" || chosen.text() != named.text() || chosen.text() == h.ask("default", question).text() {
		t.Errorf("auto answers %q as %s, rail %q", chosen.text(), chosen.Model, named.text())
	}
	if r := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"token":%q,"rating":1}`, chosen.Nightshift.Interaction, chosen.Nightshift.FeedbackToken)); r.status != 202 {
		t.Errorf("rate a routed answer: status %d, %s", r.status, r.body)
	}
	_, found, err := h.store.Interaction(t.Context(), "rail", chosen.Nightshift.Interaction)
	must(t, err)
	if !found {
		t.Error("a routed answer is not recorded under its track")
	}
	r := h.post("/v1/completions", `{"model":"auto","prompt":"what does the tent cost","max_tokens":2,"stream":true}`)
	if r.header.Get("X-Nightshift-Adapter") != "shop@1" || !strings.Contains(string(r.body), `"model":"shop@1"`) || !strings.Contains(string(r.body), `"routed":{`) {
		t.Errorf("a routed stream: %v %s", r.header, r.body)
	}
	if h.counted(`nightshift_routed_total{by="questions",track="rail"}`) == 0 {
		t.Error("no choice by questions was counted")
	}
	if n := h.counted(fallbacks) - before; n != 2 {
		t.Errorf("%d fallbacks were counted, want 2", n)
	}
	if code, _, _ := h.post("/v1/completions", `{"model":"auto@1","prompt":"x"}`).problem(t); code != "model_not_found" {
		t.Errorf("auto@1: %s", code)
	}
	// Whoever goes back to a version goes back to what it knows.
	if r := h.post("/v1/tracks/rail/rollback", ""); r.status != 200 {
		t.Errorf("roll back: status %d, %s", r.status, r.body)
	}
	h.await("the track has nothing learned any more", func() bool { return h.routed(question).Routed.Fallback })
}

func TestRouterAndKeys(t *testing.T) {
	h := openRouted(t)
	must(t, h.stop())
	// reopened with keys
	dir := h.dir
	h = open(t, options{dir: dir, cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("shop", []string{"shop"}, "generate"), key("other", []string{"other"}, "generate"), key("all", nil, "generate")}
		c.Router = serve.Router{Tracks: []string{"shop", "rail"}, Model: "auto", Confidence: 0.8}
	}})
	train := "when does the train to Zug leave"
	if a := h.ask("auto", train, bearer("all")...); a.Nightshift.Track != "rail" {
		t.Errorf("after a restart the track is %s", a.Nightshift.Track)
	}
	if a := h.ask("auto", train, bearer("shop")...); a.Nightshift.Track != "shop" {
		t.Errorf("a key for shop is answered by %s", a.Nightshift.Track)
	}
	body := `{"model":"auto","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`
	if r := h.post("/v1/chat/completions", body, bearer("other")...); r.status != 403 {
		t.Errorf("a key for none of the tracks: status %d, %s", r.status, r.body)
	}
	for name, want := range map[string][]any{"shop": {"shop"}, "all": {"shop", "rail", "default"}, "other": nil} {
		var got []any
		for _, m := range h.get("/v1/models", bearer(name)...).json(t)["data"].([]any) {
			if m := m.(map[string]any); m["id"] == "auto" {
				got = m["tracks"].([]any)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("key %s may let auto choose among %v, want %v", name, got, want)
		}
		if r := h.get("/v1/models/auto", bearer(name)...); (r.status == 200) != (want != nil) {
			t.Errorf("key %s describes auto: status %d", name, r.status)
		}
	}
}

func TestRouterIsOffAndNamed(t *testing.T) {
	h := open(t, options{})
	if code, _, _ := h.post("/v1/chat/completions", `{"model":"auto","messages":[{"role":"user","content":"x"}]}`).problem(t); code != "model_not_found" {
		t.Errorf("without routing: %s", code)
	}
	redactor, err := redact.New(redact.Config{})
	must(t, err)
	h.put("support", 1, nil)
	_, err = serve.New(serve.Config{Listen: "127.0.0.1:0", Router: serve.Router{Tracks: []string{"support"}, Model: "support"}},
		serve.Deps{Engine: h.engine, Registry: h.registry, Store: h.store, Secret: make([]byte, 32), Redactor: redactor, Metrics: telemetry.New()})
	if err == nil || !strings.Contains(err.Error(), "router.model") {
		t.Errorf("a name that a track has: %v", err)
	}
}
