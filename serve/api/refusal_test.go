package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/internal/registry"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// TestProblems has the parts fail in every way that they may: each error has one status, and what is the server's own affair is not
// told.
func TestProblems(t *testing.T) {
	h := open(t, nil)
	secret := errors.New("the disk in rack 7 is full")
	for _, c := range []struct {
		err    error
		status int
		code   string
		kind   string
		retry  string
	}{
		{ErrUnknownModel, 404, "model_not_found", "not_found_error", ""}, {ErrNotReady, 503, "not_ready", "unavailable_error", "1"},
		{ErrUnavailable, 503, "unavailable", "unavailable_error", "1"}, {ErrRefused, 409, "version_refused", "conflict_error", ""},
		{registry.ErrCorrupt, 409, "corrupted", "conflict_error", ""}, {fmt.Errorf("%w: %w", ErrUnavailable, registry.ErrCorrupt), 503, "unavailable", "unavailable_error", "1"},
		{&engine.BusyError{Waiting: 9, RetryAfter: 2500 * time.Millisecond}, 429, "queue_full", "rate_limit_error", "3"},
		{&engine.PromptError{Tokens: 200, Context: 128}, 400, "context_length_exceeded", "invalid_request_error", ""},
		{&engine.PromptError{Detail: "no"}, 400, "invalid_prompt", "invalid_request_error", ""}, {engine.ErrClosed, 503, "shutting_down", "unavailable_error", "1"},
		{context.DeadlineExceeded, 503, "timeout", "unavailable_error", "1"}, {context.Canceled, 499, "cancelled", "unavailable_error", ""}, {secret, 500, "internal_error", "server_error", ""},
	} {
		h.generator.err = c.err
		r := h.post("/v1/chat/completions", `{"model":"default",`+hello+`}`)
		if e := r.refused(t, c.status, c.code); e.Type != c.kind || r.header.Get("Retry-After") != c.retry || strings.Contains(r.body, "rack 7") {
			t.Errorf("%v: %v, %s", c.err, r.header, r.body)
		}
	}
	h.generator.err = nil
	for err, want := range map[error]struct {
		status int
		code   string
	}{registry.ErrConflict: {409, "activation_conflict"}, registry.ErrHeld: {409, "track_held"}, registry.ErrExists: {409, "exists"}, registry.ErrDeclared: {409, "not_deletable"},
		registry.ErrNotFound: {404, "not_found"}, registry.ErrRequest: {400, "invalid_value"}, ErrNightRunning: {409, "night_running"}, ErrNoUpdater: {503, "no_updater"}} {
		h.admin.err = fmt.Errorf("change: %w", err)
		h.post("/v1/tracks/default/rollback", "").refused(t, want.status, want.code)
		h.post("/v1/nights", "").refused(t, want.status, want.code)
	}
	h.admin.err = nil
	h.recorder.err = &replaystore.InvalidError{}
	if r := h.post("/v1/feedback", `{"interaction":"x","rating":1}`); r.status != 400 {
		t.Errorf("feedback that the store refuses: %d, %s", r.status, r.body)
	}
}

// TestRefusedRequests names the field that a request is refused for, and submits nothing.
func TestRefusedRequests(t *testing.T) {
	h := open(t, func(c *Config) { c.BodyLimit = 4096 })
	for _, c := range []struct {
		path, body  string
		status      int
		code, param string
	}{
		{"chat/completions", ``, 400, "empty_body", ""}, {"chat/completions", `[]`, 400, "wrong_type", ""}, {"chat/completions", `{`, 400, "malformed_json", ""},
		{"chat/completions", `{"model":"default","model":"default",` + hello + `}`, 400, "duplicate_field", "model"}, {"chat/completions", `{} {}`, 400, "trailing_data", ""},
		{"chat/completions", "{\"model\":\"\xff\"}", 400, "invalid_utf8", ""}, {"chat/completions", `{` + hello + `}`, 400, "missing_field", "model"},
		{"chat/completions", `{"model":"default"}`, 400, "missing_field", "messages"}, {"chat/completions", `{"model":"default","messages":[]}`, 400, "invalid_value", "messages"},
		{"chat/completions", `{"model":"default","temprature":1,` + hello + `}`, 400, "unknown_field", "temprature"},
		{"chat/completions", `{"model":"default","tools":[{}],` + hello + `}`, 400, "unsupported_field", "tools"},
		{"chat/completions", `{"model":"default","temperature":3,` + hello + `}`, 400, "invalid_value", "temperature"},
		{"chat/completions", `{"model":"default","n":1.5,` + hello + `}`, 400, "wrong_type", "n"},
		{"chat/completions", `{"model":"default","max_tokens":0,` + hello + `}`, 400, "invalid_value", "max_tokens"},
		{"chat/completions", `{"model":"default","stop":["a","b","c","d","e"],` + hello + `}`, 400, "invalid_value", "stop"},
		{"chat/completions", `{"model":"default","stream_options":{"include_usage":true},` + hello + `}`, 400, "invalid_value", "stream_options"},
		{"chat/completions", `{"model":"default","logit_bias":{"4000":1},` + hello + `}`, 400, "invalid_value", "logit_bias.4000"},
		{"chat/completions", `{"model":"default","messages":[{"role":"robot","content":"x"}]}`, 400, "invalid_value", "messages[0].role"},
		{"chat/completions", `{"model":"default","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}`, 400, "unsupported_content", "messages[0].content[0]"},
		{"chat/completions", `{"model":"nobody",` + hello + `}`, 404, "model_not_found", "model"},
		{"chat/completions", `{"model":"default","user":"` + strings.Repeat("u", 257) + `",` + hello + `}`, 400, "invalid_value", "user"},
		{"chat/completions", `{"model":"` + strings.Repeat("m", 5000) + `"}`, 413, "body_too_large", ""},
		{"completions", `{"model":"default","prompt":""}`, 400, "invalid_value", "prompt"}, {"completions", `{"model":"default","prompt":[99999]}`, 400, "invalid_value", "prompt[0]"},
		{"completions", `{"model":"default","prompt":"x","best_of":2,"stream":true}`, 400, "invalid_value", "best_of"},
		{"responses", `{"model":"default"}`, 400, "missing_field", "input"}, {"responses", `{"model":"default","input":"x","background":true}`, 400, "unsupported_field", "background"},
		{"responses", `{"model":"default","input":[]}`, 400, "invalid_value", "input"}, {"responses", `{"model":"default","input":"x","truncation":"some"}`, 400, "invalid_value", "truncation"},
		{"feedback", `{"interaction":"x"}`, 400, "missing_field", ""}, {"feedback", `{"items":[]}`, 400, "invalid_value", "items"},
		{"tracks", `{"track":"Über"}`, 400, "invalid_value", "track"}, {"tracks/default/activate", `{}`, 400, "missing_field", "version"},
		{"tracks/default/activate", `{"version":"3"}`, 400, "wrong_type", "version"}, {"nights", `{"track":7}`, 400, "wrong_type", "track"}, {"nights", `{"track":"none"}`, 404, "track_not_found", "track"},
	} {
		e := h.post("/v1/"+c.path, c.body, "Content-Type", "application/json").refused(t, c.status, c.code)
		if param := e.Param; c.param == "" && param != nil || c.param != "" && (param == nil || *param != c.param) {
			t.Errorf("%s %.80s: the field is %v, want %q", c.path, c.body, param, c.param)
		}
	}
	if len(h.generator.requests) != 0 || len(h.admin.orders) != 0 || len(h.recorder.feedback) != 0 {
		t.Errorf("%d requests, %d orders and %d items of feedback came through", len(h.generator.requests), len(h.admin.orders), len(h.recorder.feedback))
	}
}

// TestHeaders refuses what cannot be read, routes that are none, and pages of other origins.
func TestHeaders(t *testing.T) {
	h := open(t, func(c *Config) { c.Origins = []string{"https://shop.example"} })
	const body = `{"model":"default",` + hello + `}`
	h.post("/v1/chat/completions", body, "Content-Type", "text/plain").refused(t, 415, "content_type")
	h.post("/v1/chat/completions", body, "Content-Encoding", "gzip").refused(t, 415, "content_encoding")
	h.post("/v1/chat/completions", body, "Origin", "https://evil.example").refused(t, 403, "origin_not_allowed")
	h.do("GET", "/v1/chat/completions", "").refused(t, 405, "method_not_allowed")
	if e := h.post("/chat/completions", body).refused(t, 404, "route_not_found"); !strings.Contains(e.Message, "/v1/chat/completions is an address") {
		t.Errorf("a missing /v1: %s", e.Message)
	}
	r := h.post("/v1/chat/completions", body, "Origin", "https://shop.example", "X-Request-Id", "mine-7")
	if r.status != 200 || r.header.Get("Access-Control-Allow-Origin") != "https://shop.example" || r.header.Get("X-Request-Id") != "mine-7" ||
		!strings.Contains(r.header.Get("Access-Control-Expose-Headers"), wire.HeaderFeedback) {
		t.Errorf("an allowed origin: %d, %v", r.status, r.header)
	}
	if r := h.do("OPTIONS", "/v1/feedback", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, x-stainless-lang"); r.status != 204 ||
		r.header.Get("Access-Control-Allow-Headers") != "authorization, x-stainless-lang" {
		t.Errorf("a preflight: %d, %v", r.status, r.header)
	}
}

// TestRoles asks every route with keys of every role: 401 without a key, 403 without its role, and anything else with it.
func TestRoles(t *testing.T) {
	h := open(t, func(c *Config) {
		c.Keys = []Key{apiKey("gen", nil, roleGenerate), apiKey("rate", nil, roleFeedback), apiKey("edit", nil, roleEditor), apiKey("boss", nil, roleAdmin)}
	})
	h.admin.events, h.admin.after = []wire.Event{{Name: wire.NightDone, Data: `{}`}}, nil
	const nobody, anybody = "nobody", "anybody" // what needs no key, and what needs any
	for route, role := range map[string]string{
		"GET /livez": nobody, "GET /readyz": nobody, "GET /health": nobody, "GET /version": nobody, "GET /metrics": nobody, "GET /openapi.json": nobody, "GET /docs": nobody, "GET /v1/status": anybody,
		"GET /v1/models": roleGenerate, "GET /v1/models/default": roleGenerate, "POST /v1/chat/completions": roleGenerate, "POST /v1/completions": roleGenerate, "POST /v1/responses": roleGenerate,
		"GET /v1/responses/resp_x": roleGenerate, "POST /tokenize": roleGenerate, "POST /detokenize": roleGenerate, "GET /v1/tracks": roleAdmin, "POST /v1/tracks": roleAdmin, "GET /v1/tracks/default": roleAdmin,
		"DELETE /v1/tracks/default": roleAdmin, "POST /v1/tracks/default/activate": roleAdmin, "POST /v1/tracks/default/rollback": roleAdmin, "POST /v1/tracks/default/hold": roleAdmin,
		"DELETE /v1/tracks/default/hold": roleAdmin, "GET /v1/adapters": roleAdmin, "GET /v1/adapters/default@3": roleAdmin, "GET /v1/nights": roleAdmin, "POST /v1/nights": roleAdmin,
		"GET /v1/nights/n1": roleAdmin, "GET /v1/nights/n1/events": roleAdmin,
	} {
		method, path, _ := strings.Cut(route, " ")
		body := ""
		if method == "POST" {
			body = "{}"
		}
		for name, roles := range map[string]string{"": nobody, "gen": roleGenerate, "rate": roleFeedback, "edit": roleEditor, "boss": roleAdmin} {
			var headers []string
			if name != "" {
				headers = bearer(name)
			}
			r := h.do(method, path, body, headers...)
			switch may := role == nobody || name != "" && (role == anybody || roles == role || roles == roleAdmin); {
			case may && (r.status == 401 || r.status == 403):
				t.Errorf("%s as %q: %d, %s", route, name, r.status, r.body)
			case !may && name == "":
				if r.refused(t, 401, "missing_api_key"); !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("%s without a key: %v", route, r.header)
				}
			case !may:
				r.refused(t, 403, "role_missing")
			}
		}
		if role != nobody {
			h.do(method, path, body, "Authorization", "Bearer guessed").refused(t, 401, "invalid_api_key")
			h.do(method, path, body, "Authorization", "Basic key-of-boss").refused(t, 401, "invalid_api_key")
		}
	}
	if got := into[wire.Status](t, h.do("GET", "/v1/status", "", bearer("edit")...), 200); got.Auth != "keys" || len(got.Roles) != 1 || got.Roles[0] != roleEditor {
		t.Errorf("status %+v", got)
	}
}

// TestScopes asks with keys of one track: the others are neither shown nor changed nor chosen.
func TestScopes(t *testing.T) {
	h := open(t, func(c *Config) {
		c.Keys = []Key{apiKey("support", []string{"support"}, roleAdmin), apiKey("none", []string{"other"}, roleAdmin)}
		c.Open = OpenModel{Name: "auto", Tracks: []string{"default", "support"}}
	})
	h.versions.route = Route{Track: "support", Confidence: 0.75}
	mine := bearer("support")
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v1/chat/completions", `{"model":"default",` + hello + `}`}, {"GET", "/v1/models/default", ""}, {"GET", "/v1/tracks/default", ""}, {"POST", "/v1/tracks", `{"track":"sales"}`},
		{"POST", "/v1/tracks/default/rollback", ""}, {"GET", "/v1/adapters?track=default", ""}, {"GET", "/v1/adapters/default@3", ""}, {"GET", "/v1/nights?track=default", ""}, {"GET", "/v1/nights/n1", ""},
		{"GET", "/v1/nights/n1/events", ""}, {"POST", "/v1/nights", ""},
	} {
		h.do(c.method, c.path, c.body, mine...).refused(t, 403, "track_not_allowed")
	}
	for path, want := range map[string]string{"/v1/tracks": `"track":"support"`, "/v1/adapters": `"track":"support"`, "/v1/models": `"tracks":["support"]`} {
		if r := h.do("GET", path, "", mine...); r.status != 200 || strings.Contains(r.body, "default") || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d, %s", path, r.status, r.body)
		}
	}
	if r := h.do("GET", "/v1/nights", "", mine...); r.status != 200 || h.admin.asked != "[support] 50" {
		t.Errorf("nights of %s: %s", h.admin.asked, r.body)
	}
	routed := into[wire.Completion](t, h.post("/v1/chat/completions", `{"model":"auto",`+hello+`}`, mine...), 200)
	if routed.Model != "support@base" || routed.Nightshift.Routed == nil || *routed.Nightshift.Routed != (wire.Routed{Confidence: 0.75}) {
		t.Errorf("routed: %+v", routed)
	}
	h.post("/v1/chat/completions", `{"model":"auto",`+hello+`}`, bearer("none")...).refused(t, 403, "track_not_allowed")
	h.post("/v1/chat/completions", `{"model":"auto@3",`+hello+`}`, mine...).refused(t, 404, "model_not_found")
	if got := into[wire.Models](t, h.do("GET", "/v1/models", "", bearer("none")...), 200); len(got.Data) != 0 {
		t.Errorf("models of a key for none: %+v", got)
	}
}
