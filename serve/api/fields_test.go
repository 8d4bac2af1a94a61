package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// schema is what the test reads of a schema in the OpenAPI document.
type schema struct {
	Ref         string `json:"$ref"`
	AllOf       []schema
	Properties  map[string]schema
	Enum        []json.RawMessage
	Description string
	Ignored     bool `json:"x-ignored"`
}

// TestFieldsAreDocumented compares the rules for fields with the OpenAPI document, both ways: the values that are accepted, the
// words of the refusal, and what is ignored.
func TestFieldsAreDocumented(t *testing.T) {
	var d struct {
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	var properties func(s schema) map[string]schema
	properties = func(s schema) map[string]schema {
		if s.Ref != "" {
			s = d.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
		}
		all := maps.Clone(s.Properties)
		if all == nil {
			all = map[string]schema{}
		}
		for _, part := range s.AllOf {
			maps.Copy(all, properties(part))
		}
		return all
	}
	for name, table := range map[string]fields{"ChatRequest": chatFields, "CompletionRequest": completionFields, "Message": messageFields, "stream_options": streamFields,
		"ResponseRequest": responseFields, "text": textFields, "TokenizeRequest": tokenFields} {
		documented := properties(d.Components.Schemas[name])
		switch name {
		case "stream_options":
			documented = d.Components.Schemas["Common"].Properties[name].Properties
		case "text":
			documented = properties(d.Components.Schemas["ResponseRequest"])[name].Properties
		}
		for field, f := range table {
			p, ok := documented[field]
			if !ok {
				t.Errorf("%s: %s is not documented", name, field)
				continue
			}
			if p.Ignored != f.ignored {
				t.Errorf("%s: %s is documented as ignored: %v", name, field, p.Ignored)
			}
			if f.refusal == "" {
				continue
			}
			var values []string
			for _, v := range p.Enum {
				values = append(values, string(v))
			}
			if want := append(slices.Clone(f.same), "null"); !slices.Equal(values, want) {
				t.Errorf("%s: %s is documented with %v, want %v", name, field, values, want)
			}
			if !strings.EqualFold(p.Description, f.refusal+".") {
				t.Errorf("%s: %s is documented as %q, want %q", name, field, p.Description, f.refusal)
			}
		}
		for field, p := range documented {
			if f, ok := table[field]; p.Ignored && !f.ignored || slices.ContainsFunc(p.Enum, func(v json.RawMessage) bool { return string(v) == "null" }) && (!ok || f.refusal == "") {
				t.Errorf("%s: %s is documented as not supported, and there is no rule for it", name, field)
			}
		}
	}
}

// TestIgnoredHeader wants a bounded list without anything that could end the header or split the list.
func TestIgnoredHeader(t *testing.T) {
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{"messages[1].refusal"}, "messages[1].refusal"},
		{[]string{"messages[0].name", "prompt_cache_key"}, "messages[0].name, prompt_cache_key"},
		{[]string{"messages[0].a\r\nSet-Cookie: x", "messages[0].a,b ü\x00"}, "messages[0].a??Set-Cookie??x, messages[0].a?b???"},
	} {
		if got := ignoredHeader(c.paths); got != c.want {
			t.Errorf("%q: %q, want %q", c.paths, got, c.want)
		}
	}
	many := slices.Repeat([]string{"messages[100].reasoning_content"}, 1000)
	if got := ignoredHeader(many); len(got) > maxIgnored || !strings.HasSuffix(got, "_content, ...") || len(got) < maxIgnored-50 {
		t.Errorf("1000 paths: %d bytes, %q", len(got), got)
	}
}

// TestInteger reads whole numbers in every spelling, and never a number that was not written.
func TestInteger(t *testing.T) {
	for _, c := range []struct {
		literal   string
		n         int64
		whole, ok bool
	}{
		{"3", 3, true, true}, {"3.0", 3, true, true}, {"3.000", 3, true, true}, {"-0.0", 0, true, true}, {"3e0", 3, true, true}, {"1.5e1", 15, true, true}, {"30e-1", 3, true, true},
		{"3.5", 3, false, true}, {"1e-1", 0, false, true}, {"9223372036854775807", math.MaxInt64, true, true}, {"9223372036854775808", 0, true, false},
		{"9007199254740991.0", 1<<53 - 1, true, true}, {"9007199254740993.0", 0, true, false}, {"1e999", 0, true, false}, {"-1e300", 0, true, false},
	} {
		if n, whole, ok := integer(c.literal); whole != c.whole || ok != c.ok || ok && whole && n != c.n {
			t.Errorf("%s: %d, %v, %v", c.literal, n, whole, ok)
		}
	}
}

// TestSilent says which values say no more than leaving the field out.
func TestSilent(t *testing.T) {
	for _, c := range []struct {
		table       fields
		name, value string
		want        bool
	}{
		{chatFields, "tools", `[]`, true}, {chatFields, "tools", `{}`, true}, {chatFields, "tools", `[{}]`, false}, {chatFields, "function_call", `{"name":null,"arguments":null}`, true}, {chatFields, "tools", `[null]`, false}, {chatFields, "tools", `false`, false},
		{chatFields, "response_format", `{"type":"text"}`, true}, {chatFields, "response_format", `{"json_schema":null,"type":"text"}`, true},
		{chatFields, "response_format", `{"type":"text","strict":true}`, false}, {chatFields, "response_format", `"text"`, false},
		{chatFields, "length_penalty", `1.0`, true}, {chatFields, "length_penalty", `1.01`, false}, {chatFields, "length_penalty", `true`, false},
		{chatFields, "web_search_options", `null`, false}, {chatFields, "web_search_options", `{}`, false},
		{chatFields, "logprobs", `[]`, false}, {completionFields, "best_of", `""`, false}, {completionFields, "best_of", `1.0`, true},
	} {
		v, err := parse([]byte(c.value))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.table[c.name].silent(v); got != c.want {
			t.Errorf("%s %s: %v", c.name, c.value, got)
		}
	}
}

// TestContent reads what messages say, and wants a path in every refusal.
func TestContent(t *testing.T) {
	for _, c := range []struct{ message, role, content, param, ignored string }{
		{`{"role":"user","content":"a"}`, "user", "a", "", ""},
		{`{"role":"developer","content":"a"}`, "system", "a", "", ""},
		{`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":" b"}]}`, "user", "a b", "", ""},
		{`{"role":"user","content":["a",{"text":"b"},{"type":null,"text":"c"},{"type":"input_text","text":"d"}]}`, "user", "abcd", "", ""},
		{`{"role":"user","content":[]}`, "user", "", "", ""},
		{`{"role":"assistant","content":null}`, "assistant", "", "", ""},
		{`{"role":"assistant"}`, "assistant", "", "", ""},
		{`{"role":"assistant","content":null,"refusal":"no"}`, "assistant", "no", "", ""},
		{`{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}`, "assistant", "no", "", ""},
		{`{"role":"assistant","content":"a","refusal":null,"tool_calls":[],"annotations":[],"audio":null,"function_call":null}`, "assistant", "a", "", "m.refusal m.tool_calls m.annotations m.audio m.function_call"},
		{`{"role":"assistant","content":"a","id":"x","reasoning_content":"hm","colour":1}`, "assistant", "a", "", "m.id m.reasoning_content m.colour"},
		{`{"role":"user","name":"bob","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}`, "user", "a", "", "m.content[0].cache_control m.name"},
		{`{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a"}]}`, "assistant", "a", "", "m.content[0]"},
		{`{"role":"user","content":null}`, "", "", "m.content", ""},
		{`{"role":"user"}`, "", "", "m.content", ""},
		{`{"role":"system","content":7}`, "", "", "m.content", ""},
		{`{"role":"user","content":{"type":"text","text":"a"}}`, "", "", "m.content", ""},
		{`{"role":"user","content":[7]}`, "", "", "m.content[0]", ""},
		{`{"role":"user","content":[{"type":"text"}]}`, "", "", "m.content[0].text", ""},
		{`{"role":"user","content":[{"type":"text","text":7}]}`, "", "", "m.content[0].text", ""},
		{`{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}`, "", "", "m.content[0]", ""},
		{`{"role":"user","content":["a",{"image_url":{"url":"x"}}]}`, "", "", "m.content[1]", ""},
		{`{"role":"user","content":[{"type":"poem","text":"a"}]}`, "", "", "m.content[0].type", ""},
		{`{"role":"user","content":[{"type":"text","text":"a","input_audio":{"data":"x"}}]}`, "", "", "m.content[0]", ""},
		{`{"role":"assistant","content":null,"tool_calls":[{"id":"x"}]}`, "", "", "m.tool_calls", ""},
		{`{"role":"user","content":"a","images":["x"]}`, "", "", "m.images", ""},
		{`{"role":"tool","content":"a"}`, "", "", "m.role", ""},
		{`{"role":"poet","content":"a"}`, "", "", "m.role", ""},
		{`{"content":"a"}`, "", "", "m.role", ""},
		{`{"role":"assistant","content":"a","prefix":true}`, "", "", "m.prefix", ""},
	} {
		v, err := parse([]byte(c.message))
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{}
		m, err := decodeMessage(r.object("m", v))
		if c.param != "" {
			if p := problemOf(err); err == nil || p.Param != c.param || p.Status != 400 || !strings.Contains(p.Message, c.param) {
				t.Errorf("%s: %v", c.message, err)
			}
			continue
		}
		if err != nil || m.Role != c.role || m.Content != c.content || strings.Join(r.ignored, " ") != c.ignored {
			t.Errorf("%s: %+v, %v, ignored %v", c.message, m, err, r.ignored)
		}
	}
	for kind := range otherParts {
		v, _ := parse(fmt.Appendf(nil, `{"role":"user","content":[{"type":%q,"image_url":"x","text":"a"}]}`, kind))
		if _, err := decodeMessage((&reader{}).object("m", v)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q: %s not supported", kind, otherParts[kind])) {
			t.Errorf("a part of the type %s: %v", kind, err)
		}
	}
}

// TestTopP never takes a small number for 0, which is off to the engine.
func TestTopP(t *testing.T) {
	for literal, want := range map[string]float32{"0": minTopP, "-0.0": minTopP, "1e-50": minTopP, "1e-400": minTopP, "0.5": 0.5, "1": 1} {
		q, err := decodeQuery([]byte(`{"model":"default","prompt":"x","top_p":`+literal+`}`), false, Defaults{MaxTokens: 9, Limit: 9})
		if err != nil || q.sampling.TopP != want {
			t.Errorf("top_p %s: %v, %v, want %v", literal, q.sampling.TopP, err, want)
		}
	}
}
