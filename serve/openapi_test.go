package serve_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/serve"
	"nightshift/serve/api"
)

// description is the part of the OpenAPI document that the test reads.
type description struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas   map[string]map[string]any
		Responses map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
}

type operation struct {
	Responses map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]struct{ Schema map[string]any }
	}
}

// TestOpenAPI asks every documented path and validates the answers, errors included.
func TestOpenAPI(t *testing.T) {
	var d description
	must(t, json.Unmarshal(api.OpenAPI, &d))
	h := open(t, options{plan: planned})
	ref := h.put("default", 1, nil)
	id := h.ask("default", "hi").Nightshift.Interaction
	night := h.post("/v1/nights", "").json(t)["id"].(string)
	asked := map[string]bool{}
	for _, c := range []struct{ method, path, body string }{
		{"post", "/v1/chat/completions", `{"model":"default","max_tokens":2,"messages":[{"role":"user","content":"x"}]}`},
		{"post", "/v1/chat/completions", `{"model":"default","max_tokens":2,"n":2,"logprobs":true,"top_logprobs":2,"messages":[{"role":"user","content":"x"}]}`},
		{"post", "/v1/completions", `{"model":"default","max_tokens":2,"prompt":"x y","echo":true,"logprobs":2}`},
		{"post", "/v1/chat/completions", `{"model":"default","x":1}`}, {"post", "/v1/chat/completions", `{"model":"no","messages":[{"role":"user","content":"x"}]}`},
		{"post", "/v1/completions", `{"model":"default","max_tokens":2,"prompt":"x"}`}, {"post", "/v1/completions", `{}`},
		{"post", "/v1/feedback", fmt.Sprintf(`{"interaction":%q,"rating":1}`, id)}, {"post", "/v1/feedback", `{"interaction":"x","rating":1}`},
		{"post", "/v1/teach", `{"track":"default","batch":"b","items":[{"messages":[{"role":"user","content":"x"}],"answer":"y","source":"z"}]}`},
		{"post", "/v1/teach", `{"track":"default","batch":"b","dry_run":true,"items":[{"messages":[{"role":"user","content":"x"}],"answer":"z","source":"z"}]}`}, {"post", "/v1/teach", `{}`},
		{"get", "/v1/models", ""}, {"get", "/v1/models/{model=default}", ""}, {"get", "/v1/models/{model=default@1}", ""}, {"get", "/v1/models/{model=x}", ""},
		{"get", "/v1/tracks", ""}, {"get", "/v1/tracks/{track=default}", ""}, {"get", "/v1/tracks/{track=x}", ""},
		{"post", "/v1/tracks", `{"track":"support"}`}, {"post", "/v1/tracks", `{"track":"support"}`}, {"post", "/v1/tracks", `{}`},
		{"delete", "/v1/tracks/{track=support}", ""}, {"delete", "/v1/tracks/{track=support}", ""}, {"delete", "/v1/tracks/{track=default}", ""},
		{"post", "/v1/tracks/{track=default}/activate", `{"version":1}`}, {"post", "/v1/tracks/{track=default}/activate", `{"version":1,"expect":7}`},
		{"get", "/v1/tracks/{track=default}", ""}, {"get", "/v1/adapters", ""}, {"get", "/v1/adapters/{adapter=" + ref.String() + "}", ""}, {"get", "/v1/adapters/{adapter=x}", ""},
		{"post", "/v1/completions", `{"model":"default","max_tokens":2,"prompt":"x"}`},
		{"post", "/v1/tracks/{track=default}/rollback", ""}, {"post", "/v1/tracks/{track=default}/hold", ""}, {"delete", "/v1/tracks/{track=default}/hold", ""},
		{"get", "/v1/nights", ""}, {"post", "/v1/nights", ""}, {"get", "/v1/nights/{night=" + night + "}", ""}, {"get", "/v1/nights/{night=x}", ""},
		{"get", "/v1/nights/{night=none}/events", ""}, {"get", "/v1/status", ""}, {"get", "/livez", ""}, {"get", "/readyz", ""},
		{"post", "/v1/responses", `{"model":"default","input":"x","max_output_tokens":2,"include":["message.output_text.logprobs"]}`},
		{"post", "/v1/responses", `{"model":"default","input":"x","previous_response_id":"resp_x"}`}, {"post", "/v1/responses", `{"model":"default"}`},
		{"get", "/v1/responses/{response=resp_" + id + "}", ""}, {"get", "/v1/responses/{response=x}", ""},
		{"get", "/health", ""}, {"get", "/version", ""}, {"post", "/tokenize", `{"prompt":"x"}`}, {"post", "/tokenize", `{"messages":[{"role":"user","content":"x"}],"return_token_strs":true}`},
		{"post", "/tokenize", `{}`}, {"post", "/detokenize", `{"tokens":[1,2]}`}, {"post", "/detokenize", `{"tokens":[1],"model":"nope"}`},
		{"get", "/metrics", ""}, {"get", "/openapi.json", ""}, {"get", "/docs", ""},
	} {
		documented, real := c.path, c.path
		if open := strings.IndexByte(c.path, '{'); open >= 0 {
			end := strings.IndexByte(c.path, '}')
			name, given, _ := strings.Cut(c.path[open+1:end], "=")
			documented, real = c.path[:open]+"{"+name+"}"+c.path[end+1:], c.path[:open]+given+c.path[end+1:]
		}
		op, ok := d.Paths[documented][c.method]
		if !ok {
			t.Errorf("%s %s is not documented", c.method, documented)
			continue
		}
		asked[c.method+" "+documented] = true
		r := h.do(strings.ToUpper(c.method), real, c.body)
		response, ok := op.Responses[fmt.Sprint(r.status)]
		if !ok {
			t.Errorf("%s %s: status %d is not documented: %.200s", c.method, real, r.status, r.body)
			continue
		}
		content := response.Content
		if response.Ref != "" {
			content = d.Components.Responses[response.Ref[strings.LastIndexByte(response.Ref, '/')+1:]].Content
		}
		kind, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
		described, ok := content[kind]
		if !ok {
			t.Errorf("%s %s: Content-Type %q is not documented for %d", c.method, real, kind, r.status)
		} else if strings.HasSuffix(kind, "json") {
			var v any
			must(t, json.Unmarshal(r.body, &v))
			if err := d.validate(described.Schema, v, "$"); err != nil {
				t.Errorf("%s %s: %v in %.300s", c.method, real, err, r.body)
			}
		}
	}
	for path, operations := range d.Paths {
		for method := range operations {
			if !asked[method+" "+path] {
				t.Errorf("%s %s is documented and not tried", method, path)
			}
		}
	}
}

// validate checks a value against the parts of JSON Schema that the document uses.
func (d *description) validate(s map[string]any, v any, at string) error {
	if ref, ok := s["$ref"].(string); ok {
		target, ok := d.Components.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
		if !ok {
			return fmt.Errorf("%s: %s does not exist", at, ref)
		}
		return d.validate(target, v, at)
	}
	if all, ok := s["allOf"].([]any); ok {
		for _, part := range all {
			if err := d.validate(part.(map[string]any), v, at); err != nil {
				return err
			}
		}
	}
	if may, ok := s["anyOf"].([]any); ok && !slices.ContainsFunc(may, func(part any) bool { return d.validate(part.(map[string]any), v, at) == nil }) {
		return fmt.Errorf("%s: %v is none of what it may be", at, v)
	}
	if c, ok := s["const"]; ok && !reflect.DeepEqual(c, v) {
		return fmt.Errorf("%s: %v, want %v", at, v, c)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Errorf("%s: %v is not one of %v", at, v, enum)
	}
	if kind, ok := s["type"]; ok && !hasType(kind, v) {
		return fmt.Errorf("%s: %v is not %v", at, v, kind)
	}
	properties, _ := s["properties"].(map[string]any)
	if object, ok := v.(map[string]any); ok {
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := object[name.(string)]; !ok {
				return fmt.Errorf("%s: %v is missing", at, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if p, ok := properties[name].(map[string]any); ok {
				if err := d.validate(p, object[name], at+"."+name); err != nil {
					return err
				}
			} else if s["additionalProperties"] == false {
				return fmt.Errorf("%s: %s is not documented", at, name)
			}
		}
	}
	if items, ok := s["items"].(map[string]any); ok {
		list, _ := v.([]any)
		for i, item := range list {
			if err := d.validate(items, item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func hasType(kind, v any) bool {
	if list, ok := kind.([]any); ok {
		return slices.ContainsFunc(list, func(k any) bool { return hasType(k, v) })
	}
	switch x := v.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && x == math.Trunc(x)
	case []any:
		return kind == "array"
	}
	return kind == "object"
}

// TestDocs wants a page that shows every path and loads nothing from elsewhere: its script is in it, and its icon is the console's.
func TestDocs(t *testing.T) {
	h := open(t, options{})
	page := string(h.get("/docs").body)
	var d description
	must(t, json.Unmarshal(api.OpenAPI, &d))
	for path := range d.Paths {
		if !strings.Contains(page, path) {
			t.Errorf("/docs does not show %s", path)
		}
	}
	for _, loads := range []string{"<img", "src=", "@import", "url(", `href="http`, `href="//`} {
		if strings.Contains(page, loads) {
			t.Errorf("/docs has %s", loads)
		}
	}
	if csp := h.get("/docs").header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
}

// TestDocumentedProblems sends every operation what clients get wrong: no key, a key of another role, one of another track, bodies that
// are no JSON, that have a field too many, that are too large or compressed, and queries that mean nothing. Each refusal must be
// documented with its status.
func TestDocumentedProblems(t *testing.T) {
	var d struct {
		Paths map[string]map[string]struct {
			Role        string `json:"x-role"`
			RequestBody any
			Responses   map[string]any
		}
	}
	must(t, json.Unmarshal(api.OpenAPI, &d))
	h := open(t, options{cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("all", nil, "admin"), key("reader", nil, "feedback"), key("elsewhere", []string{"elsewhere"}, "admin"), key("writer", nil, "generate")}
		c.API.BodyLimit = 64 << 10
	}})
	fill := strings.NewReplacer("{track}", "default", "{model}", "default", "{adapter}", "default@1", "{night}", "none", "{response}", "resp_none")
	for path, operations := range d.Paths {
		for method, o := range operations {
			seen := map[int]string{}
			send := func(what, address, body string, headers ...string) {
				r := h.do(strings.ToUpper(method), address, body, headers...)
				seen[r.status] = what
				if _, documented := o.Responses[fmt.Sprint(r.status)]; !documented {
					t.Errorf("%s %s, %s: status %d is not documented: %.200s", method, path, what, r.status, r.body)
				}
			}
			address := fill.Replace(path)
			if o.Role != "" {
				send("no key", address, "")
				send("an unknown key", address, "", "Authorization", "Bearer nobody")
				for _, who := range []string{"reader", "writer", "elsewhere"} {
					send("the key of "+who, address, "", bearer(who)...)
				}
			}
			send("a query that means nothing", address+"?limit=many&limit=few&track=%zz", "", bearer("all")...)
			if o.RequestBody != nil {
				for what, body := range map[string]string{"no JSON": "{", "no object": "[]", "an unknown field": `{"nonsense":1}`, "a wrong type": `{"model":1,"version":"x","reason":1,"track":1}`, "a large body": `{"reason":"` + strings.Repeat("x", 65<<10) + `"}`} {
					send(what, address, body, bearer("all")...)
				}
				send("a compressed body", address, "{}", append(bearer("all"), "Content-Encoding", "gzip")...)
				send("a form", address, "a=b", append(bearer("all"), "Content-Type", "application/x-www-form-urlencoded")...)
				if seen[400] == "" {
					t.Errorf("%s %s refuses no body", method, path)
				}
			}
		}
	}
}
