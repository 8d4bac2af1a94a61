package serve_test

import (
	"slices"
	"strings"
	"testing"

	"nightshift/serve"
	"nightshift/serve/api"
)

func TestKeys(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"support", "sales"}
		c.API.Keys = []api.Key{
			key("writer", []string{"support"}, "generate"), key("rater", []string{"support"}, "feedback"),
			key("chief", nil, "admin"), key("lead", []string{"support"}, "admin"),
		}
	}})
	ask := func(model string) string {
		return `{"model":"` + model + `","prompt":"a","max_tokens":1}`
	}
	interaction := h.ask("support", "hi", bearer("writer")...).Nightshift
	rate := `{"interaction":"` + interaction.Interaction + `","rating":1}`
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		code                    string
	}{
		{"", "POST", "/v1/completions", ask("support"), 401, "missing_api_key"},
		{"nobody", "POST", "/v1/completions", ask("support"), 401, "invalid_api_key"},
		{"writer", "POST", "/v1/completions", ask("support"), 200, ""},
		{"writer", "POST", "/v1/completions", ask("support@base"), 200, ""},
		{"writer", "POST", "/v1/completions", ask("sales"), 403, "track_not_allowed"},
		{"writer", "POST", "/v1/completions", ask("sales@base"), 403, "track_not_allowed"},
		{"rater", "POST", "/v1/completions", ask("support"), 403, "role_missing"},
		{"chief", "POST", "/v1/completions", ask("sales"), 200, ""},
		{"writer", "POST", "/v1/feedback", rate, 403, "role_missing"},
		{"", "POST", "/v1/feedback", rate, 401, "missing_token"},
		{"nobody", "POST", "/v1/feedback", rate, 401, "invalid_api_key"},
		{"rater", "POST", "/v1/feedback", rate, 202, ""},
		{"chief", "POST", "/v1/feedback", rate, 202, ""},
		{"writer", "GET", "/v1/tracks", "", 403, "role_missing"},
		{"writer", "GET", "/v1/status", "", 200, ""},
		{"", "GET", "/v1/status", "", 401, "missing_api_key"},
		{"", "GET", "/v1/models", "", 401, "missing_api_key"},
		{"lead", "POST", "/v1/tracks/support/hold", "{}", 200, ""},
		{"lead", "POST", "/v1/tracks/sales/hold", "{}", 403, "track_not_allowed"},
		{"lead", "POST", "/v1/tracks/elsewhere/hold", "{}", 403, "track_not_allowed"},
		{"rater", "POST", "/v1/tracks/support/rollback", "{}", 403, "role_missing"},
		{"lead", "POST", "/v1/nights", `{"track":"sales"}`, 403, "track_not_allowed"},
		{"lead", "GET", "/v1/nights?track=sales", "", 403, "track_not_allowed"},
		{"lead", "GET", "/v1/adapters?track=sales", "", 403, "track_not_allowed"},
		{"lead", "GET", "/v1/adapters/sales@1", "", 403, "track_not_allowed"},
		{"", "GET", "/livez", "", 200, ""},
		{"", "GET", "/readyz", "", 200, ""},
		{"", "GET", "/metrics", "", 200, ""},
		{"", "GET", "/", "", 200, ""},
	} {
		var headers []string
		if c.who != "" {
			headers = bearer(c.who)
		}
		r := h.do(c.method, c.path, c.body, headers...)
		if r.status != c.status {
			t.Errorf("%s %s %s as %q: status %d, want %d: %.200s", c.method, c.path, c.body, c.who, r.status, c.status, r.body)
		} else if c.code != "" {
			if code, _, _ := r.problem(t); code != c.code {
				t.Errorf("%s %s as %q: code %q, want %q", c.method, c.path, c.who, code, c.code)
			}
		}
	}
	if got := h.get("/v1/models", bearer("writer")...); strings.Contains(string(got.body), "sales") || !strings.Contains(string(got.body), `"support"`) {
		t.Errorf("a key for support sees the models %s", got.body)
	}
	if got := h.get("/v1/tracks", bearer("lead")...); strings.Contains(string(got.body), "sales") {
		t.Errorf("a key for support sees the tracks %s", got.body)
	}
	if got := h.post("/v1/completions", ask("support"), "Authorization", "Basic key-of-writer"); got.status != 401 {
		t.Errorf("a key in another scheme: status %d, want 401", got.status)
	}
}

func TestCORS(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) { c.API.Origins = []string{"https://shop.example"} }})
	ask := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,x-stainless-lang"}
	r := h.do("OPTIONS", "/v1/chat/completions", "", append([]string{"Origin", "https://shop.example"}, ask...)...)
	if r.status != 204 || r.header.Get("Access-Control-Allow-Origin") != "https://shop.example" || r.header.Get("Vary") == "" ||
		!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "x-stainless-lang") {
		t.Errorf("preflight: status %d, %v", r.status, r.header)
	}
	r = h.get("/v1/models", "Origin", "https://shop.example")
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "https://shop.example" ||
		!strings.Contains(r.header.Get("Access-Control-Expose-Headers"), "X-Nightshift-Interaction") {
		t.Errorf("request of an allowed origin: status %d, %v", r.status, r.header)
	}
	for _, origin := range []string{"https://evil.example", "https://shop.example.evil.example", "null", "http://shop.example"} {
		for _, r := range []reply{h.do("OPTIONS", "/v1/feedback", "", append([]string{"Origin", origin}, ask...)...), h.get("/v1/models", "Origin", origin)} {
			if r.status != 403 || r.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("origin %s: status %d, %v", origin, r.status, r.header)
			}
		}
	}
	if r := h.get("/v1/models", "Origin", h.url); r.status != 200 {
		t.Errorf("a page of the server itself: status %d", r.status)
	}
	if r := h.get("/v1/models", "Host", "evil.example"); r.status != 403 {
		t.Errorf("a name that is not loopback, without keys: status %d", r.status)
	}
	if r := h.get("/v1/models", "Host", "localhost:1234"); r.status != 200 {
		t.Errorf("localhost: status %d", r.status)
	}
	allowed := strings.Split(r.header.Get("Access-Control-Expose-Headers"), ", ")
	if slices.Contains(allowed, "*") {
		t.Error("every header is exposed")
	}
}

func TestKeylessServersBindToLoopback(t *testing.T) {
	h := open(t, options{})
	for _, address := range []string{":8080", "0.0.0.0:8080", "192.0.2.1:8080", "[::]:8080", "example.com:80"} {
		_, err := serve.New(serve.Config{Listen: address}, serve.Deps{Engine: h.engine, Registry: h.registry, Store: h.store, Secret: make([]byte, 32)})
		if err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("listen on %s without keys: %v", address, err)
		}
	}
}

// TestForwardedHost has a page whose own name was pointed at this machine claim another one, as its scripts may.
func TestForwardedHost(t *testing.T) {
	h := open(t, options{})
	r := h.get("/v1/tracks", "Host", "evil.example", "X-Forwarded-Host", "localhost")
	if r.status != 403 {
		t.Fatalf("status %d, want 403: %s", r.status, r.body)
	}
	if code, _, _ := r.problem(t); code != "host_not_allowed" {
		t.Errorf("code %q, want host_not_allowed", code)
	}
}
