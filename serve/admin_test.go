package serve_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"

	"nightshift/internal/registry"
	"nightshift/serve"
	"nightshift/serve/api"
)

// TestTracksAtRunTime makes a track, deletes it while it answers, and makes it again, without a restart.
func TestTracksAtRunTime(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) { c.Tracks = []string{"sales"} }})
	models := func() string {
		var names []string
		for _, m := range h.get("/v1/models").json(t)["data"].([]any) {
			names = append(names, m.(map[string]any)["id"].(string))
		}
		return strings.Join(names, " ")
	}
	r := h.post("/v1/tracks", `{"track":"support","reason":"a new product"}`)
	if v := r.json(t); r.status != 201 || v["track"] != "support" || v["versions"] != 0.0 || r.header.Get("Location") != "/v1/tracks/support" {
		t.Fatalf("made: status %d, %s", r.status, r.body)
	}
	if a := h.ask("support", "q"); a.Model != "support@base" {
		t.Errorf("answered by %s", a.Model)
	}
	ref := h.put("support", 1, nil)
	h.activate("support", 1)

	// An answer in progress ends on the version that it began with.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/v1/completions", strings.NewReader(`{"model":"support","prompt":"a","max_tokens":60,"ignore_eos":true,"stream":true}`))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	stream, err := http.DefaultClient.Do(req)
	must(t, err)
	defer stream.Body.Close() //nolint:errcheck // read to its end
	body := bufio.NewReader(stream.Body)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r = h.do("DELETE", "/v1/tracks/support", "")
	if v := r.json(t); r.status != 200 || v["deleted"] != true || v["activation"] != 3.0 {
		t.Errorf("deleted: status %d, %s", r.status, r.body)
	}
	rest := events(body)
	if n := len(rest); n == 0 || rest[n-1].data != "[DONE]" || strings.Contains(rest[n-1].data, "error") {
		t.Errorf("the stream ended with %v", rest[max(0, len(rest)-2):])
	}
	if got := models(); got != "default sales" {
		t.Errorf("models: %s", got)
	}
	for _, model := range []string{"support", "support@1", "support@base"} {
		r := h.post("/v1/completions", `{"model":"`+model+`","prompt":"a"}`)
		if code, _, message := r.problem(t); r.status != 404 || code != "model_not_found" || strings.HasSuffix(message, "unknown model") {
			t.Errorf("ask %s: status %d, %s", model, r.status, r.body)
		}
	}
	if text := string(h.get("/metrics").body); strings.Contains(text, `nightshift_version{track="support"}`) || !strings.Contains(text, `nightshift_version{track="sales"}`) {
		t.Error("the metrics are not those of the tracks")
	}
	if r := h.post("/v1/tracks", `{"track":"support"}`); r.status != 201 || r.json(t)["versions"] != 1.0 {
		t.Errorf("made again: status %d, %s", r.status, r.body)
	}
	if a := h.ask("support@1", "q"); h.ask("support", "q").Model != "support@base" || a.Nightshift.Digest != ref.Digest {
		t.Errorf("its version is answered by %s", a.Model)
	}

	// Another process makes and deletes tracks; this one sees it when it looks.
	other, err := registry.Open(h.registry.Dir(), nil)
	must(t, err)
	_, err = other.CreateTrack(t.Context(), "late", "ann", "")
	must(t, err)
	h.await("the other's track is there", func() bool { return models() == "default late sales support" })
	_, err = other.DeleteTrack(t.Context(), "late", "ann", "")
	must(t, err)
	_, err = other.DeleteTrack(t.Context(), "support", "ann", "")
	must(t, err)
	h.await("the other's tracks are gone", func() bool { return models() == "default sales" })
}

func TestTracksRefused(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"sales", "billing"}
		c.Router = serve.Router{Tracks: []string{"sales"}, Model: "auto", Confidence: 0.8}
		c.API.Keys = []api.Key{key("chief", nil, "admin"), key("lead", []string{"support", "sales"}, "admin"), key("writer", nil, "generate")}
	}})
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		code, message           string
	}{
		{"writer", "POST", "/v1/tracks", `{"track":"support"}`, 403, "role_missing", ""},
		{"lead", "POST", "/v1/tracks", `{"track":"other"}`, 403, "track_not_allowed", ""},
		{"chief", "POST", "/v1/tracks", `{"track":"Not a name"}`, 400, "invalid_value", "a-z"},
		{"chief", "POST", "/v1/tracks", `{}`, 400, "missing_field", "track"},
		{"chief", "POST", "/v1/tracks", `{"track":"x","reson":"y"}`, 400, "unknown_field", "reson"},
		{"chief", "POST", "/v1/tracks", `{"track":"sales"}`, 409, "exists", "sales"},
		{"chief", "POST", "/v1/tracks", `{"track":"default"}`, 409, "exists", "default"},
		{"chief", "POST", "/v1/tracks", `{"track":"auto"}`, 409, "exists", "router.model"},
		{"chief", "DELETE", "/v1/tracks/default", "", 409, "not_deletable", "default"},
		{"chief", "DELETE", "/v1/tracks/sales", "", 409, "not_deletable", "configuration"},
		{"writer", "DELETE", "/v1/tracks/sales", "", 403, "role_missing", ""},
		{"chief", "DELETE", "/v1/tracks/nope", "", 404, "track_not_found", "there is no track \"nope\"; /v1/tracks lists them"},
		{"chief", "DELETE", "/v1/tracks/biling", "", 404, "track_not_found", "did you mean billing?"},
		{"chief", "POST", "/v1/tracks/biling/hold", "", 404, "track_not_found", "did you mean billing?"},
		{"lead", "POST", "/v1/tracks", `{"track":"support"}`, 201, "", ""},
		{"lead", "DELETE", "/v1/tracks/support", "", 200, "", ""},
	} {
		r := h.do(c.method, c.path, c.body, bearer(c.who)...)
		if r.status != c.status {
			t.Errorf("%s %s %s: status %d, %s", c.method, c.path, c.body, r.status, r.body)
		} else if c.code != "" {
			if code, _, message := r.problem(t); code != c.code || !strings.Contains(message, c.message) {
				t.Errorf("%s %s %s: %s: %s", c.method, c.path, c.body, code, message)
			}
		}
	}
}
