package serve_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"nightshift/serve"
)

// TestBadInput sends what is wrong and wants it named.
func TestBadInput(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) { c.API.BodyLimit = 64 << 10 }})
	chat, plain := "/v1/chat/completions", "/v1/completions"
	hello := `{"model":"default","messages":[{"role":"user","content":"hi"}]%s}`
	with := func(more string) string { return fmt.Sprintf(hello, ","+more) }
	for _, c := range []struct {
		name, path, body string
		status           int
		code, param      string
	}{
		{"empty", chat, "", 415, "content_type", ""},
		{"spaces", chat, "  ", 400, "malformed_json", ""},
		{"not JSON", chat, "hello", 400, "malformed_json", ""},
		{"cut off", chat, `{"model":"default"`, 400, "malformed_json", ""},
		{"trailing comma", chat, `{"model":"default",}`, 400, "malformed_json", ""},
		{"trailing data", chat, fmt.Sprintf(hello, "") + "{}", 400, "trailing_data", ""},
		{"array", chat, "[]", 400, "wrong_type", ""},
		{"invalid UTF-8", chat, "{\"model\":\"\xff\"}", 400, "invalid_utf8", ""},
		{"half a surrogate pair", chat, `{"model":"\ud83d"}`, 400, "invalid_utf8", ""},
		{"control character", chat, "{\"model\":\"a\nb\"}", 400, "malformed_json", ""},
		{"deep", chat, `{"model":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", 400, "too_deep", "model[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]"},
		{"duplicate field", chat, with(`"model":"default"`), 400, "duplicate_field", "model"},
		{"duplicate field inside", chat, `{"model":"default","messages":[{"role":"user","role":"user","content":"x"}]}`, 400, "duplicate_field", "messages[0].role"},
		{"unknown field", chat, with(`"temprature":1`), 400, "unknown_field", "temprature"},
		{"images inside", chat, `{"model":"default","messages":[{"role":"user","content":"x","images":["x"]}]}`, 400, "unsupported_field", "messages[0].images"},
		{"tools", chat, with(`"tools":[{"type":"function","function":{"name":"f"}}]`), 400, "unsupported_field", "tools"},
		{"a tool must be called", chat, with(`"tools":[],"tool_choice":"required"`), 400, "unsupported_field", "tool_choice"},
		{"JSON", chat, with(`"response_format":{"type":"json_object"}`), 400, "unsupported_field", "response_format"},
		{"reasoning", chat, with(`"reasoning_effort":"low"`), 400, "unsupported_field", "reasoning_effort"},
		{"a search with nothing said", chat, with(`"web_search_options":{}`), 400, "unsupported_field", "web_search_options"},
		{"special tokens", plain, `{"model":"default","prompt":"x","skip_special_tokens":"no"}`, 400, "wrong_type", "skip_special_tokens"},
		{"the first token of chats", chat, with(`"add_special_tokens":true`), 400, "unsupported_field", "add_special_tokens"},
		{"an unknown field that is off", chat, with(`"stor":false`), 400, "unknown_field", "stor"},
		{"obfuscation", chat, with(`"stream":true,"stream_options":{"include_obfuscation":true}`), 400, "unsupported_field", "stream_options.include_obfuscation"},
		{"store text", chat, with(`"store":"no"`), 400, "wrong_type", "store"},
		{"safety_identifier long", chat, with(`"safety_identifier":"` + strings.Repeat("x", 257) + `"`), 400, "invalid_value", "safety_identifier"},
		{"a variable that is the server's", chat, with(`"chat_template_kwargs":{"messages":[]}`), 400, "invalid_value", "chat_template_kwargs.messages"},
		{"a variable that is a special token", chat, with(`"chat_template_kwargs":{"x":{"y":["a<|user|>"]}}`), 400, "invalid_value", "chat_template_kwargs.x"},
		{"a variable without a number", chat, with(`"chat_template_kwargs":{"x":1e999}`), 400, "invalid_value", "chat_template_kwargs.x"},
		{"variables in a list", chat, with(`"chat_template_kwargs":[1]`), 400, "wrong_type", "chat_template_kwargs"},
		{"variables of no chat", plain, `{"model":"default","prompt":"x","chat_template_kwargs":{"x":1}}`, 400, "unsupported_field", "chat_template_kwargs"},
		{"logit bias not an object", chat, with(`"logit_bias":[1]`), 400, "wrong_type", "logit_bias"},
		{"logit bias of a word", chat, with(`"logit_bias":{"tent":2}`), 400, "invalid_value", "logit_bias.tent"},
		{"logit bias of a long id", chat, with(`"logit_bias":{"01":2}`), 400, "invalid_value", "logit_bias.01"},
		{"logit bias of no token", chat, with(`"logit_bias":{"99999":2}`), 400, "invalid_value", "logit_bias.99999"},
		{"logit bias large", chat, with(`"logit_bias":{"1":101}`), 400, "invalid_value", "logit_bias.1"},
		{"logit bias text", chat, with(`"logit_bias":{"1":"much"}`), 400, "wrong_type", "logit_bias.1"},
		{"logit bias null", chat, with(`"logit_bias":{"1":null}`), 400, "wrong_type", "logit_bias.1"},
		{"n zero", chat, with(`"n":0`), 400, "invalid_value", "n"},
		{"n many", chat, with(`"n":129`), 400, "invalid_value", "n"},
		{"n text", plain, `{"model":"default","prompt":"x","n":"2"}`, 400, "wrong_type", "n"},
		{"best_of in a chat", chat, with(`"best_of":2`), 400, "unsupported_field", "best_of"},
		{"best_of below n", plain, `{"model":"default","prompt":"x","n":3,"best_of":2}`, 400, "invalid_value", "best_of"},
		{"best_of in a stream", plain, `{"model":"default","prompt":"x","best_of":2,"stream":true}`, 400, "invalid_value", "best_of"},
		{"echo in a chat", chat, with(`"echo":true`), 400, "unsupported_field", "echo"},
		{"echo text", plain, `{"model":"default","prompt":"x","echo":"yes"}`, 400, "wrong_type", "echo"},
		{"echo, nothing of it", plain, `{"model":"default","prompt":"x","echo":false,"max_tokens":0}`, 400, "invalid_value", "max_tokens"},
		{"logprobs a number in a chat", chat, with(`"logprobs":3`), 400, "wrong_type", "logprobs"},
		{"logprobs a boolean", plain, `{"model":"default","prompt":"x","logprobs":true}`, 400, "wrong_type", "logprobs"},
		{"logprobs many", plain, `{"model":"default","prompt":"x","logprobs":21}`, 400, "invalid_value", "logprobs"},
		{"top_logprobs alone", chat, with(`"top_logprobs":2`), 400, "invalid_value", "top_logprobs"},
		{"top_logprobs many", chat, with(`"logprobs":true,"top_logprobs":21`), 400, "invalid_value", "top_logprobs"},
		{"top_logprobs of a completion", plain, `{"model":"default","prompt":"x","logprobs":1,"top_logprobs":2}`, 400, "unsupported_field", "top_logprobs"},
		{"priority high", chat, with(`"priority":101`), 400, "invalid_value", "priority"},
		{"priority low", plain, `{"model":"default","prompt":"x","priority":-101}`, 400, "invalid_value", "priority"},
		{"priority in parts", chat, with(`"priority":0.5`), 400, "wrong_type", "priority"},
		{"timeout zero", chat, with(`"timeout":0`), 400, "invalid_value", "timeout"},
		{"timeout long", plain, `{"model":"default","prompt":"x","timeout":3601}`, 400, "invalid_value", "timeout"},
		{"timeout text", chat, with(`"timeout":"5s"`), 400, "wrong_type", "timeout"},
		{"min_p high", chat, with(`"min_p":1.1`), 400, "invalid_value", "min_p"},
		{"presence_penalty high", chat, with(`"presence_penalty":2.5`), 400, "invalid_value", "presence_penalty"},
		{"frequency_penalty text", chat, with(`"frequency_penalty":"a"`), 400, "wrong_type", "frequency_penalty"},
		{"repetition_penalty zero", chat, with(`"repetition_penalty":0`), 400, "invalid_value", "repetition_penalty"},
		{"repetition_penalty negative", chat, with(`"repetition_penalty":-1`), 400, "invalid_value", "repetition_penalty"},
		{"ignore_eos a number", chat, with(`"ignore_eos":1`), 400, "wrong_type", "ignore_eos"},
		{"min_tokens over max_tokens", chat, with(`"max_tokens":3,"min_tokens":4`), 400, "invalid_value", "min_tokens"},
		{"min_tokens negative", chat, with(`"min_tokens":-1`), 400, "invalid_value", "min_tokens"},
		{"top_k negative", chat, with(`"top_k":-2`), 400, "invalid_value", "top_k"},
		{"suffix", plain, `{"model":"default","prompt":"x","suffix":"y"}`, 400, "unsupported_field", "suffix"},
		{"length_penalty", plain, `{"model":"default","prompt":"x","length_penalty":1.5}`, 400, "unsupported_field", "length_penalty"},
		{"no model", chat, `{"messages":[{"role":"user","content":"x"}]}`, 400, "missing_field", "model"},
		{"null model", chat, `{"model":null,"messages":[{"role":"user","content":"x"}]}`, 400, "missing_field", "model"},
		{"model is a number", chat, `{"model":5,"messages":[{"role":"user","content":"x"}]}`, 400, "wrong_type", "model"},
		{"no messages", chat, `{"model":"default"}`, 400, "missing_field", "messages"},
		{"messages empty", chat, `{"model":"default","messages":[]}`, 400, "invalid_value", "messages"},
		{"messages an object", chat, `{"model":"default","messages":{}}`, 400, "wrong_type", "messages"},
		{"message a string", chat, `{"model":"default","messages":["x"]}`, 400, "wrong_type", "messages[0]"},
		{"role unknown", chat, `{"model":"default","messages":[{"role":"user","content":"x"},{"role":"tool","content":"x"}]}`, 400, "invalid_value", "messages[1].role"},
		{"content missing", chat, `{"model":"default","messages":[{"role":"user"}]}`, 400, "missing_field", "messages[0].content"},
		{"an image", chat, `{"model":"default","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"x"}}]}]}`, 400, "unsupported_content", "messages[0].content[1]"},
		{"a call sent back", chat, `{"model":"default","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"a"}]}]}`, 400, "unsupported_field", "messages[1].tool_calls"},
		{"content of a user null", chat, `{"model":"default","messages":[{"role":"user","content":null}]}`, 400, "missing_field", "messages[0].content"},
		{"temperature text", chat, with(`"temperature":"hot"`), 400, "wrong_type", "temperature"},
		{"temperature high", chat, with(`"temperature":3`), 400, "invalid_value", "temperature"},
		{"temperature endless", chat, with(`"temperature":1e999`), 400, "invalid_value", "temperature"},
		{"top_p negative", chat, with(`"top_p":-0.1`), 400, "invalid_value", "top_p"},
		{"top_k half", chat, with(`"top_k":1.5`), 400, "wrong_type", "top_k"},
		{"max_tokens zero", chat, with(`"max_tokens":0`), 400, "invalid_value", "max_tokens"},
		{"max_tokens below no limit", chat, with(`"max_tokens":-2`), 400, "invalid_value", "max_tokens"},
		{"max_tokens in parts", chat, with(`"max_tokens":3.5`), 400, "wrong_type", "max_tokens"},
		{"max_tokens twice", chat, with(`"max_tokens":3,"max_completion_tokens":4`), 400, "invalid_value", "max_tokens"},
		{"seed huge", chat, with(`"seed":99999999999999999999`), 400, "invalid_value", "seed"},
		{"stop long", chat, with(`"stop":"` + strings.Repeat("x", 257) + `"`), 400, "invalid_value", "stop"},
		{"stop many", chat, with(`"stop":["a","b","c","d","e"]`), 400, "invalid_value", "stop"},
		{"stop mixed", chat, with(`"stop":["a",1]`), 400, "wrong_type", "stop[1]"},
		{"stream text", chat, with(`"stream":"yes"`), 400, "wrong_type", "stream"},
		{"stream_options alone", chat, with(`"stream_options":{"include_usage":true}`), 400, "invalid_value", "stream_options"},
		{"stream_options unknown", chat, with(`"stream":true,"stream_options":{"include":true}`), 400, "unknown_field", "stream_options.include"},
		{"metadata number", chat, with(`"metadata":{"a":1}`), 400, "wrong_type", "metadata.a"},
		{"unknown model", chat, `{"model":"nobody","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"unknown version", chat, `{"model":"default@99","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"unknown selector", chat, `{"model":"default@latest","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"model climbs", chat, `{"model":"../x@1","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"no previous", chat, `{"model":"default@prev","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "model"},
		{"prompt missing", plain, `{"model":"default"}`, 400, "missing_field", "prompt"},
		{"prompt a number", plain, `{"model":"default","prompt":1}`, 400, "wrong_type", "prompt"},
		{"many prompts", plain, `{"model":"default","prompt":["a"` + strings.Repeat(`,"a"`, 128) + `]}`, 400, "invalid_value", "prompt"},
		{"many answers", plain, `{"model":"default","prompt":["a","b","c"],"n":43}`, 400, "invalid_value", "prompt"},
		{"the second prompt empty", plain, `{"model":"default","prompt":["a",""]}`, 400, "invalid_value", "prompt[1]"},
		{"the second prompt a number", plain, `{"model":"default","prompt":["a",1]}`, 400, "wrong_type", "prompt[1]"},
		{"the second prompt unknown", plain, `{"model":"default","prompt":[[1],[2,99999]]}`, 400, "invalid_value", "prompt[1][1]"},
		{"the second prompt over the context", plain, `{"model":"default","prompt":["a","` + strings.Repeat("zq ", 2*modelContext) + `"]}`, 400, "context_length_exceeded", "prompt[1]"},
		{"no prompt in an array", plain, `{"model":"default","prompt":[]}`, 400, "invalid_value", "prompt"},
		{"an empty prompt in an array", plain, `{"model":"default","prompt":[""]}`, 400, "invalid_value", "prompt[0]"},
		{"a prompt of no tokens", plain, `{"model":"default","prompt":[[]]}`, 400, "invalid_value", "prompt[0]"},
		{"a prompt three deep", plain, `{"model":"default","prompt":[[[1]]]}`, 400, "wrong_type", "prompt[0][0]"},
		{"prompt null in an array", plain, `{"model":"default","prompt":[null]}`, 400, "wrong_type", "prompt[0]"},
		{"prompt mixed", plain, `{"model":"default","prompt":[1,"a"]}`, 400, "wrong_type", "prompt[1]"},
		{"prompt half a token", plain, `{"model":"default","prompt":[1,2.5]}`, 400, "wrong_type", "prompt[1]"},
		{"prompt token negative", plain, `{"model":"default","prompt":[-1]}`, 400, "invalid_value", "prompt[0]"},
		{"prompt token unknown", plain, `{"model":"default","prompt":[[1,99999]]}`, 400, "invalid_value", "prompt[0][1]"},
		{"prompt tokens over the context", plain, `{"model":"default","prompt":[1` + strings.Repeat(",1", modelContext) + `]}`, 400, "context_length_exceeded", "prompt"},
		{"prompt empty", plain, `{"model":"default","prompt":""}`, 400, "invalid_value", "prompt"},
		{"messages to completions", plain, `{"model":"default","prompt":"x","messages":[{"role":"user","content":"x"}]}`, 400, "unsupported_field", "messages"},
		{"prompt to chats", chat, with(`"prompt":"x"`), 400, "unsupported_field", "prompt"},
		{"prompt over the context", plain, `{"model":"default","prompt":"` + strings.Repeat("zq ", 2*modelContext) + `"}`, 400, "context_length_exceeded", "prompt"},
		{"chat over the context", chat, `{"model":"default","messages":[{"role":"user","content":"` + strings.Repeat("zq ", 2*modelContext) + `"}]}`, 400, "context_length_exceeded", "messages"},
		{"too large", chat, `{"model":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "body_too_large", ""},
		{"far too large", chat, `{"model":"` + strings.Repeat("x", 32<<20) + `"}`, 413, "body_too_large", ""}, // the client is still sending when the answer comes
		{"headers too large", chat + "?" + strings.Repeat("x", 32<<10), `{}`, 431, "headers_too_large", ""},
		{"activation without version", "/v1/tracks/default/activate", `{}`, 400, "missing_field", "version"},
		{"activation by name", "/v1/tracks/default/activate", `{"version":"best"}`, 400, "wrong_type", "version"},
		{"activation of nothing", "/v1/tracks/default/activate", `{"version":9}`, 404, "not_found", ""},
		{"activation in no track", "/v1/tracks/nobody/activate", `{"version":"base"}`, 404, "track_not_found", "track"},
		{"rollback of nothing", "/v1/tracks/default/rollback", ``, 404, "not_found", ""},
		{"night in no track", "/v1/nights", `{"track":"nobody"}`, 404, "track_not_found", "track"},
		{"night with an option", "/v1/nights", `{"epochs":3}`, 400, "unknown_field", "epochs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := *h
			h.t = t
			r := h.post(c.path, c.body)
			code, param, message := r.problem(t)
			if r.status != c.status || code != c.code || param != c.param {
				t.Errorf("status %d, code %q, param %q: %s; want %d, %q, %q", r.status, code, param, message, c.status, c.code, c.param)
			}
			if c.status == 413 && !strings.Contains(message, "65536 bytes") {
				t.Errorf("%q does not name the limit", message)
			}
			if leaf := c.param[strings.LastIndexByte(c.param, '.')+1:]; !strings.Contains(message, leaf) && c.status != 404 && c.code != "context_length_exceeded" && c.code != "too_deep" {
				t.Errorf("%q does not name %q", message, leaf)
			}
		})
	}
	if a := h.ask("default", "still there?"); a.Model != "default@base" {
		t.Errorf("after bad input the server answers as %q", a.Model)
	}
}

func TestMediaAndMethods(t *testing.T) {
	h := open(t, options{})
	body := `{"model":"default","messages":[{"role":"user","content":"hi"}],"max_tokens":1}`
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(body))
	must(t, err)
	must(t, z.Close())
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"text", "POST", "/v1/chat/completions", body, []string{"Content-Type", "text/plain"}, 415, "content_type"},
		{"form", "POST", "/v1/chat/completions", "model=default", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "content_type"},
		{"latin1", "POST", "/v1/chat/completions", body, []string{"Content-Type", "application/json; charset=iso-8859-1"}, 415, "content_type"},
		{"utf-8", "POST", "/v1/chat/completions", body, []string{"Content-Type", "application/json; charset=UTF-8"}, 200, ""},
		{"utf8", "POST", "/v1/chat/completions", body, []string{"Content-Type", "application/json; charset=utf8"}, 200, ""},
		{"gzip", "POST", "/v1/chat/completions", packed.String(), []string{"Content-Encoding", "gzip"}, 415, "content_encoding"},
		{"identity", "POST", "/v1/chat/completions", body, []string{"Content-Encoding", "identity"}, 200, ""},
		{"get", "GET", "/v1/chat/completions", "", nil, 405, "method_not_allowed"},
		{"put", "PUT", "/v1/models", "{}", nil, 405, "method_not_allowed"},
		{"nowhere", "GET", "/v2/models", "", nil, 404, "route_not_found"},
		{"slash", "GET", "/v1/models/", "", nil, 200, ""},
		{"limit", "GET", "/v1/nights?limit=many", "", nil, 400, "invalid_value"},
		{"no night", "GET", "/v1/nights/none", "", nil, 404, "night_not_found"},
		{"night climbs", "GET", "/v1/nights/..%2f..%2fetc", "", nil, 404, "night_not_found"},
		{"no adapter", "GET", "/v1/adapters/default@5", "", nil, 404, "not_found"},
		{"adapter without number", "GET", "/v1/adapters/default", "", nil, 404, "adapter_not_found"},
		{"headers", "GET", "/livez", "", []string{"X-Long", strings.Repeat("x", 20<<10)}, 431, "headers_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := *h
			h.t = t
			r := h.do(c.method, c.path, c.body, c.headers...)
			if r.status != c.status {
				t.Fatalf("status %d, want %d: %s", r.status, c.status, r.body)
			}
			if c.status == 200 {
				return
			}
			if code, _, message := r.problem(t); code != c.code {
				t.Errorf("code %q (%s), want %q", code, message, c.code)
			}
			if c.status != 431 && r.header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
		})
	}
	if got := h.get("/livez", "X-Request-Id", "mine-1").header.Get("X-Request-Id"); got != "mine-1" {
		t.Errorf("request id %q, want the client's", got)
	}
	if got := h.get("/livez", "X-Request-Id", "<script>").header.Get("X-Request-Id"); got == "<script>" || got == "" {
		t.Errorf("request id %q, want one of the server's", got)
	}
}
