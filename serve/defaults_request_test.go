package serve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/serve/api"
)

// bare is an answer, or a stream, without what differs from one answer to the next: ids, times, and what the prefix cache had.
func bare(t *testing.T, r reply) string {
	t.Helper()
	if r.status != 200 {
		t.Fatalf("status %d, %s", r.status, r.body)
	}
	of := map[int]string{} // by choice, whose chunks come in any order among each other
	for _, e := range bodies(r) {
		if e == "[DONE]" {
			of[math.MaxInt] += e
			continue
		}
		var v map[string]any
		var index struct{ Choices []struct{ Index int } }
		must(t, errors.Join(json.Unmarshal([]byte(e), &v), json.Unmarshal([]byte(e), &index)))
		strip(v)
		text, err := json.Marshal(v)
		must(t, err)
		of[index.Choices[0].Index] += string(text) + "\n"
	}
	var out strings.Builder
	for _, i := range slices.Sorted(maps.Keys(of)) {
		out.WriteString(of[i])
	}
	return out.String()
}

// bodies are the JSON documents of an answer: one, or those of its events.
func bodies(r reply) []string {
	if !strings.HasPrefix(r.header.Get("Content-Type"), "text/event-stream") {
		return []string{string(r.body)}
	}
	var list []string
	for _, e := range events(strings.NewReader(string(r.body))) {
		list = append(list, e.data)
	}
	return list
}

func strip(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"id", "created", "nightshift", "timings", "prompt_tokens_details"} {
			delete(v, name)
		}
		for _, item := range v {
			strip(item)
		}
	case []any:
		for _, item := range v {
			strip(item)
		}
	}
}

// accepted are the fields of a request that say nothing, as the OpenAPI document lists them.
func accepted(t *testing.T, schema string) (list []string) {
	t.Helper()
	type node struct {
		Ref        string `json:"$ref"`
		AllOf      []json.RawMessage
		Properties map[string]struct {
			Enum    []json.RawMessage
			Ignored bool `json:"x-ignored"`
		}
	}
	var d struct {
		Components struct{ Schemas map[string]json.RawMessage }
	}
	must(t, json.Unmarshal(api.OpenAPI, &d))
	var read func(raw json.RawMessage)
	read = func(raw json.RawMessage) {
		var n node
		must(t, json.Unmarshal(raw, &n))
		if n.Ref != "" {
			read(d.Components.Schemas[n.Ref[strings.LastIndexByte(n.Ref, '/')+1:]])
		}
		for _, part := range n.AllOf {
			read(part)
		}
		for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
			p := n.Properties[name]
			if p.Ignored {
				p.Enum = []json.RawMessage{[]byte(`null`), []byte(`"anything"`), []byte(`{"a":[1]}`)}
			}
			for _, v := range p.Enum {
				list = append(list, fmt.Sprintf("%q:%s", name, v))
			}
		}
	}
	read(d.Components.Schemas[schema])
	return list
}

// TestDefaultsChangeNothing sends everything that is accepted because it asks for nothing: each answer is bit for bit the one
// without it, log-probabilities included: one by one in one piece, and streamed as many at once as go together.
func TestDefaultsChangeNothing(t *testing.T) {
	h := open(t, options{})
	const common = `"model":"default","temperature":1,"seed":11,"max_tokens":6,`
	both := []string{`"user":""`, `"user":null`, `"safety_identifier":"x"`, `"store":true`, `"store":null`, `"stop":""`, `"stop":[]`, `"stop":[""]`, `"stop":null`, `"n":1`, `"n":1.0`, `"n":null`,
		`"max_completion_tokens":6.0`, `"top_k":0.0`, `"top_k":-1`, `"min_p":0`, `"top_p":1`, `"presence_penalty":0`, `"frequency_penalty":0.0`, `"repetition_penalty":1`, `"logit_bias":{}`, `"logit_bias":null`,
		`"metadata":{}`, `"metadata":null`, `"priority":0`, `"priority":0e0`, `"min_tokens":0`, `"ignore_eos":false`, `"timeout":null`, `"stream_options":null`, `"stream_options":{}`,
		`"stream_options":{"include_usage":false,"include_obfuscation":false,"continuous_usage_stats":false,"other":null}`, `"nobody_knows":null`, `"nobody_knows":[]`, `"nobody_knows":{}`, `"nobody_knows":""`,
		`"response_format":{"type":"text","json_schema":null}`, `"tools":null,"tool_choice":"auto"`, `"tools":[],"functions":[],"tool_choice":"none","function_call":"none","parallel_tool_calls":true`}
	for _, c := range []struct {
		path, schema, body string
		more               []string
	}{
		{chatPath, "ChatRequest", common + `"logprobs":true,"top_logprobs":2,"messages":[{"role":"user","content":"hi there"}]`, []string{`"chat_template_kwargs":{}`, `"chat_template_kwargs":{"enable_thinking":false}`}},
		{chatPath, "ChatRequest", common + `"messages":[{"role":"user","content":"hi there"}]`, []string{`"logprobs":false`, `"top_logprobs":0`, `"logprobs":null,"top_logprobs":null`, `"top_logprobs":0.0`}},
		{textPath, "CompletionRequest", common + `"prompt":"the quick"`, []string{`"logprobs":null`, `"logprobs":false`, `"best_of":1`, `"best_of":null`, `"echo":false`, `"echo":null`, `"top_logprobs":0`}},
		{textPath, "CompletionRequest", common + `"prompt":["the quick","the"],"n":2,"logprobs":1`, []string{`"best_of":1`, `"best_of":2.0`}},
	} {
		var list []string
		for _, more := range slices.Concat(both, accepted(t, c.schema), c.more) {
			if name, _, _ := strings.Cut(more, ":"); !strings.Contains(c.body, name+":") { // else it is in the request already
				list = append(list, more)
			}
		}
		if len(list) < 150 {
			t.Errorf("only %d fields are tried", len(list))
		}
		for stream, tried := range map[string][]string{"": list, `,"stream":true`: together(t, list)} {
			want := bare(t, h.post(c.path, "{"+c.body+stream+"}"))
			for _, more := range tried {
				r := h.post(c.path, "{"+c.body+stream+","+more+"}")
				if r.status != 200 {
					t.Errorf("%s%s with %s: status %d, %s", c.body, stream, more, r.status, r.body)
				} else if got := bare(t, r); got != want {
					t.Errorf("%s%s with %s:\n got %s\nwant %s", c.body, stream, more, got, want)
				}
			}
		}
	}
}

// together puts fields together as far as no name is given twice.
func together(t *testing.T, list []string) (joined []string) {
	t.Helper()
	taken := []map[string]any{}
next:
	for _, one := range list {
		var v map[string]any
		must(t, json.Unmarshal([]byte("{"+one+"}"), &v))
		for i, names := range taken {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(v)), func(name string) bool { _, ok := names[name]; return ok }) {
				maps.Copy(names, v)
				joined[i] += "," + one
				continue next
			}
		}
		taken, joined = append(taken, v), append(joined, one)
	}
	return joined
}

// TestMessagesSentBack sends conversations in every way in which clients write them: the answer is the one to the plain
// conversation, and a header names what was ignored.
func TestMessagesSentBack(t *testing.T) {
	h := open(t, options{})
	const format = `{"model":"default","temperature":1,"seed":3,"max_tokens":6,"messages":[%s]%s}`
	plain := `{"role":"system","content":"be kind"},{"role":"user","content":"how long?"},{"role":"assistant","content":"30 days"},{"role":"user","content":"and a tent?"}`
	first := h.post(chatPath, fmt.Sprintf(format, plain, ""))
	want := bare(t, first)
	if got := first.header.Get("X-Nightshift-Ignored"); got != "" {
		t.Errorf("of a plain conversation %q is ignored", got)
	}
	for _, c := range []struct{ from, to, ignored string }{
		{`"role":"system"`, `"role":"developer"`, ""},
		{`"content":"30 days"`, `"content":"30 days","refusal":null`, "messages[2].refusal"},
		{`"content":"30 days"`, `"content":"30 days","refusal":null,"audio":null,"annotations":[],"function_call":null,"tool_calls":[]`,
			"messages[2].refusal, messages[2].audio, messages[2].annotations, messages[2].function_call, messages[2].tool_calls"},
		{`"content":"30 days"`, `"content":"30 days","id":"m1","reasoning_content":"hm"`, "messages[2].id, messages[2].reasoning_content"},
		{`"content":"how long?"`, `"content":"how long?","name":"bob"`, "messages[1].name"},
		{`"content":"how long?"`, `"content":[{"type":"text","text":"how "},{"type":"text","text":"long?"}]`, ""},
		{`"content":"30 days"`, `"content":[{"type":"thinking","thinking":"hm"},{"type":"output_text","text":"30 days","annotations":[]}]`, "messages[2].content[0], messages[2].content[1].annotations"},
		{`"content":"be kind"`, `"content":["be kind"]`, ""},
	} {
		changed := strings.Replace(plain, c.from, c.to, 1)
		for _, stream := range []string{"", `,"stream":true`} {
			r := h.post(chatPath, fmt.Sprintf(format, changed, stream))
			if r.status != 200 || r.header.Get("X-Nightshift-Ignored") != c.ignored {
				t.Errorf("%s%s: status %d, ignored %q, want %q: %.200s", c.to, stream, r.status, r.header.Get("X-Nightshift-Ignored"), c.ignored, r.body)
			} else if got := bare(t, r); stream == "" && got != want {
				t.Errorf("%s:\n got %s\nwant %s", c.to, got, want)
			}
		}
	}
	empty := bare(t, h.post(chatPath, fmt.Sprintf(format, strings.Replace(plain, "30 days", "", 1), "")))
	if got := bare(t, h.post(chatPath, fmt.Sprintf(format, strings.Replace(plain, `"30 days"`, "null", 1), ""))); got != empty || got == want {
		t.Errorf("content null of an assistant:\n got %s\nwant %s", got, empty)
	}
	named := h.post(chatPath, fmt.Sprintf(format, plain, `,"service_tier":"flex","prompt_cache_key":"k","metadata":{"a":"b"}`))
	if got := named.header.Get("X-Nightshift-Ignored"); bare(t, named) != want || got != "metadata, service_tier, prompt_cache_key" {
		t.Errorf("beside the messages %q is ignored", got)
	}
	long := h.post(chatPath, fmt.Sprintf(format, plain+strings.Repeat(`,{"role":"user","content":"","name":"bob"}`, 60), ""))
	if got := long.header.Get("X-Nightshift-Ignored"); long.status != 200 || !strings.HasSuffix(got, ", ...") || len(got) > 1024 {
		t.Errorf("status %d, %d bytes are ignored: %q", long.status, len(got), got)
	}
}

// TestNoLimit wants as many tokens as the server and the context allow for -1.
func TestNoLimit(t *testing.T) {
	h := open(t, options{})
	const body = `{"model":"default","prompt":"a","temperature":0,"ignore_eos":true,"max_tokens":%s}`
	for limit, want := range map[string]int{"5.0": 5, "-1": modelContext - 1, "-1.0": modelContext - 1, `-1,"max_completion_tokens":-1`: modelContext - 1} {
		if got := h.generate(textPath, fmt.Sprintf(body, limit)); got.Usage.Completion != want {
			t.Errorf("max_tokens %s: %d tokens, want %d", limit, got.Usage.Completion, want)
		}
	}
}
