package serve_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/serve"
)

// generator makes requests from a seed: sound ones, of which some fields are given values that may be anything.
type generator struct{ *rand.Rand }

func pick[T any](g generator, list []T) T { return list[g.IntN(len(list))] }

// fieldNames are fields that clients send, supported and not, and some that nobody knows.
var fieldNames = strings.Fields(`model messages prompt stream stream_options temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty
	logit_bias seed max_tokens max_completion_tokens min_tokens ignore_eos stop n best_of echo logprobs top_logprobs priority timeout user safety_identifier store metadata
	tools tool_choice functions function_call parallel_tool_calls response_format modalities audio reasoning_effort verbosity service_tier prompt_cache_key prediction web_search_options
	suffix add_generation_prompt continue_final_message skip_special_tokens length_penalty use_beam_search stop_token_ids chat_template chat_template_kwargs guided_json structured_outputs
	truncate_prompt_tokens add_special_tokens documents thinking temprature colour
	input instructions previous_response_id max_output_tokens include text truncation background conversation reasoning`)

// anything are values of every kind, as they stand in a body.
var anything = append([]string{`null`, `true`, `false`, `0`, `1`, `-1`, `2`, `3.0`, `1.5`, `-0.0`, `1e0`, `1e999`, `5e-324`, `-9223372036854775809`, `18446744073709551615`, `""`, `"x"`, `" "`, `"\u0000"`,
	`"naïve 🏕 \u202e"`, `"<|user|>"`, `"none"`, `"auto"`, `"text"`, `[]`, `[1]`, `[1,2,3]`, `[0.5]`, `["a"]`, `["a","b"]`, `["a",1]`, `[[1],[2]]`, `[[]]`, `[null]`, `[99999]`, `[{}]`, `{}`, `{"a":1}`, `{"a":null}`,
	`{"1":2}`, `{"type":"text"}`, `{"type":"json_object"}`, `{"include_usage":true}`, `{"include_usage":false,"x":null}`, `{"enable_thinking":false}`, `{"messages":"x"}`,
	`[{"role":"user","content":"x"}]`, `[{"role":"assistant","content":null,"refusal":null}]`, `[{"role":"user","content":[{"type":"text","text":"x"}]}]`}, large...)

var large = []string{`"` + strings.Repeat("long ", 400) + `"`, strings.Repeat("[", 12) + strings.Repeat("]", 12), "[" + strings.Repeat(`"a",`, 200) + `"a"]`, `{"` + strings.Repeat("k", 200) + `":{"a":[1]}}`}

// broken are bodies, or parts of bodies, that are no JSON or no UTF-8.
var broken = []string{"\xff", `"\ud800"`, `NaN`, `01`, `'x'`, `{"a":1,}`, `[1`, "\"a\nb\"", `{"a":1,"a":2}`}

// message is one turn, often with notes.
func (g generator) message() string {
	content := pick(g, []string{`"how long may I return a tent?"`, `"hi"`, `""`, `"naïve 🏕"`, `[{"type":"text","text":"a"},{"type":"text","text":" b"}]`, `["a"]`, `[]`})
	notes := pick(g, []string{``, ``, `,"refusal":null`, `,"name":"bob"`, `,"tool_calls":[],"annotations":[],"audio":null`, `,"id":"x","reasoning_content":"hm"`})
	if g.IntN(20) == 0 {
		content, notes = pick(g, anything), fmt.Sprintf(`,%q:%s`, pick(g, []string{"tool_calls", "name", "images", "refusal", "x"}), pick(g, anything))
	}
	return fmt.Sprintf(`{"role":%q,"content":%s%s}`, pick(g, []string{"system", "developer", "user", "user", "assistant"}), content, notes)
}

// sound are the fields of a request to a path that can be answered.
func (g generator) sound(path string) map[string]string {
	fields := map[string]string{"model": `"default"`, "temperature": pick(g, []string{`0`, `1`, `2`, `0.7`})}
	turns := []string{`{"role":"user","content":"hi"}`}
	for range g.IntN(4) {
		turns = append(turns, g.message())
	}
	conversation, limit := "["+strings.Join(turns, ",")+"]", fmt.Sprint(1+g.IntN(24))
	switch path {
	case chatPath:
		fields["messages"], fields["max_tokens"] = conversation, limit
	case textPath:
		fields["prompt"], fields["max_tokens"] = pick(g, []string{`"the quick"`, `["the quick"]`, `["a","b","c"]`, `[65,66]`, `[[65],[66,67]]`, `"naïve 🏕"`, `["a",[66]]`}), limit
	case responsesPath:
		fields["input"], fields["max_output_tokens"] = pick(g, []string{conversation, `"hi"`}), limit
	}
	more := [][]string{{"seed", "1", "-5", "7.0"}, {"stop", `" "`, `["a","e"]`, `""`}, {"top_p", "0.9", "0"}, {"logit_bias", `{"5":100}`, `{}`},
		{"store", "false", "true"}, {"timeout", "0.001", "60"}, {"ignore_eos", "true"}, {"tools", "[]"}}
	switch path {
	case chatPath:
		more = append(more, []string{"n", "1", "2", "3.0", "5"}, []string{"logprobs", "true", "false"}, []string{"chat_template_kwargs", `{"a":1}`}, []string{"response_format", `{"type":"text"}`})
	case textPath:
		more = append(more, []string{"n", "1", "2", "3.0", "5"}, []string{"logprobs", "0", "2"}, []string{"echo", "true", "false"}, []string{"best_of", "1", "6"})
	case responsesPath:
		more = append(more, []string{"truncation", `"auto"`, `"disabled"`}, []string{"include", `["message.output_text.logprobs"]`, `[]`}, []string{"instructions", `"be kind"`})
	}
	if g.IntN(3) == 0 {
		fields["stream"] = "true"
		more = append(more, []string{"stream_options", `{"include_obfuscation":false}`, `{}`})
	}
	for _, m := range more {
		if g.IntN(6) == 0 {
			fields[m[0]] = pick(g, m[1:])
		}
	}
	return fields
}

// request is a path and a body; named says whether a refusal of it can name a field.
func (g generator) request() (path, body string, named bool) {
	path = pick(g, []string{chatPath, chatPath, textPath, textPath, responsesPath})
	fields := g.sound(path)
	for range max(0, g.IntN(5)-2) {
		fields[pick(g, fieldNames)] = pick(g, anything)
	}
	if g.IntN(12) == 0 {
		delete(fields, pick(g, []string{"model", "messages", "prompt", "input"}))
	}
	named = true
	if g.IntN(16) == 0 {
		fields[pick(g, fieldNames)], named = pick(g, broken), false
	}
	var list []string
	for name, v := range fields {
		list = append(list, fmt.Sprintf("%q:%s", name, v))
	}
	slices.Sort(list) // a map has no order, and the seed is to give the same body
	body = "{" + strings.Join(list, ",") + "}"
	if g.IntN(40) == 0 {
		body, named = body[:1+g.IntN(len(body)-1)], false
	}
	return path, body, named
}

// TestGeneratedRequests sends what clients might send, and worse: no failure of the server, no hang, no stream without its end,
// and the name of a field in every refusal.
func TestGeneratedRequests(t *testing.T) {
	const count = 800
	h := open(t, options{cfg: func(c *serve.Config) { c.API.Defaults.MaxTokens, c.API.Defaults.Limit = 16, 48 }})
	answered, refused := 0, 0
	for i := range count {
		path, body, named := generator{rand.New(rand.NewPCG(12, uint64(i)))}.request()
		begin := time.Now()
		r := h.post(path, body)
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("request %d took %v: %s", i, took, body)
		}
		var wrong string
		switch {
		case r.status == 200:
			answered++
			wrong = checkAnswer(r, path, body)
		case r.status == 429 && strings.Contains(body, "timeout"): // not begun within its time
			refused++
		case r.status == 400 || r.status == 404:
			refused++
			if code, param, message := r.problem(t); named && param == "" || message == "" || code == "" {
				wrong = fmt.Sprintf("refused without a name: %s", r.body)
			}
		default:
			wrong = fmt.Sprintf("status %d: %s", r.status, r.body)
		}
		if wrong != "" {
			t.Errorf("request %d, %s %.1000s: %s", i, path, body, wrong)
		}
	}
	t.Logf("%d requests: %d answers, %d refusals", count, answered, refused)
	if answered < count/4 || refused < count/4 {
		t.Errorf("%d answers and %d refusals of %d: too few of one to mean anything", answered, refused, count)
	}
	h.await("nothing is left of them", func() bool { s := h.engine.Stats(); return s.Active == 0 && s.Waiting == 0 })
}

// checkAnswer says what is wrong with an answer or a stream, "" for nothing.
func checkAnswer(r reply, path, body string) string {
	list := bodies(r)
	if strings.Contains(r.header.Get("Content-Type"), "event-stream") {
		last := ""
		if len(list) > 0 {
			last = list[len(list)-1]
		}
		var end struct {
			Type  string
			Error *struct{ Message string }
		}
		err := json.Unmarshal([]byte(last), &end)
		switch {
		case err == nil && end.Error != nil && end.Error.Message != "" && strings.Contains(body, "timeout"):
			return "" // it was not begun within its time
		case path == responsesPath && (end.Type == "response.completed" || end.Type == "response.incomplete"):
			return ""
		case path != responsesPath && last == "[DONE]":
			list = list[:len(list)-1]
		default:
			return fmt.Sprintf("the stream ends with %q", last)
		}
	}
	if path == responsesPath {
		return "" // the shape of a response has tests of its own
	}
	var request struct{ Stop any }
	_ = json.Unmarshal([]byte(body), &request) // it was accepted, so it is sound
	texts, ends := map[int]string{}, map[int]int{}
	for _, e := range list {
		var v reading
		if err := json.Unmarshal([]byte(e), &v); err != nil {
			return fmt.Sprintf("%v in %s", err, e)
		}
		for _, c := range v.Choices {
			texts[c.Index] += c.Text + c.Message.Content + c.Delta.Content
			if c.Finish != "" {
				ends[c.Index]++
			}
			var l textLogprobs
			if err := json.Unmarshal(c.Logprobs, &l); err != nil || len(l.Tokens) != len(l.TokenLogprobs) || len(l.Tokens) != len(l.TopLogprobs) || len(l.Tokens) != len(l.TextOffset) {
				return fmt.Sprintf("log-probabilities of unequal length: %v, %s", err, c.Logprobs)
			}
		}
	}
	for i := range len(texts) {
		if ends[i] != 1 {
			return fmt.Sprintf("choice %d of %d has %d ends", i, len(texts), ends[i])
		}
		for _, stop := range append(toList(request.Stop), request.Stop) {
			if s, ok := stop.(string); ok && s != "" && strings.Contains(texts[i], s) && !strings.Contains(body, `"echo":true`) {
				return fmt.Sprintf("choice %d holds the stop string %q: %q", i, s, texts[i])
			}
		}
	}
	if len(texts) == 0 {
		return "there are no choices"
	}
	return ""
}

func toList(v any) []any {
	list, _ := v.([]any)
	return list
}
