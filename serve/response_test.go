package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/replaystore"
	"nightshift/replaystore/replaytest"
	"nightshift/serve"
	"nightshift/serve/api"
)

const responsesPath = "/v1/responses"

// responded is a response as clients read it.
type responded struct {
	ID, Object, Status, Model string
	Previous                  string `json:"previous_response_id"`
	Instructions              string
	Incomplete                *struct{ Reason string } `json:"incomplete_details"`
	Error                     *struct{ Code, Message string }
	Metadata                  map[string]string
	Store                     bool
	Output                    []struct {
		ID, Type, Role, Status string
		Content                []struct {
			Type, Text  string
			Annotations []any
			Logprobs    []struct {
				Token   string
				Logprob float64
				Top     []any `json:"top_logprobs"`
			}
		}
	}
	Usage *struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
		Total  int `json:"total_tokens"`
	}
	Nightshift *origin
}

func (r responded) text() string { return r.Output[0].Content[0].Text }

// respond asks for a response and wants one.
func (h *house) respond(body string, headers ...string) (got responded) {
	h.t.Helper()
	r := h.post(responsesPath, body, headers...)
	if r.status != 200 {
		h.t.Fatalf("%s: status %d, %s", body, r.status, r.body)
	}
	must(h.t, json.Unmarshal(r.body, &got))
	if got.Object != "response" || len(got.Output) != 1 || got.Output[0].Role != "assistant" || len(got.Output[0].Content) != 1 || got.Output[0].Content[0].Type != "output_text" ||
		got.ID != "resp_"+got.Nightshift.Interaction || got.Output[0].ID != "msg_"+got.Nightshift.Interaction {
		h.t.Errorf("%s: %s", body, r.body)
	}
	return got
}

// said are the messages that an interaction is the record of, as role: text.
func said(i replaystore.Interaction) (list []string) {
	for _, m := range i.Messages {
		list = append(list, m.Role+": "+m.Content)
	}
	return list
}

// TestResponse wants a response to be what a chat of the same messages is, in one piece and as a stream.
func TestResponse(t *testing.T) {
	h := open(t, options{})
	const manner = `"model":"default","seed":9,"temperature":1.5,"top_p":0.9`
	for name, c := range map[string]struct{ chat, response string }{
		"text":         {`"messages":[{"role":"user","content":"héllo 🏕"}],"max_tokens":30`, `"input":"héllo 🏕","max_output_tokens":30`},
		"instructions": {`"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],"max_tokens":9`, `"instructions":"Be brief.","input":"hi","max_output_tokens":9`},
		"items": {`"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi there"},{"role":"assistant","content":"Hello."},{"role":"user","content":"bye"}],"max_tokens":9`,
			`"input":[{"role":"developer","content":"Be brief."},{"type":"message","role":"user","content":[{"type":"input_text","text":"hi "},{"type":"input_text","text":"there"}]},
			{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello.","annotations":[],"logprobs":[]}]},
			{"type":"reasoning","id":"rs_1","summary":[]},{"role":"user","content":"bye"}],"max_output_tokens":9`},
	} {
		var chat answer
		must(t, json.Unmarshal(h.post(chatPath, "{"+manner+","+c.chat+"}").body, &chat))
		whole := h.respond("{" + manner + "," + c.response + "}")
		if whole.text() != chat.text() || whole.Model != chat.Model {
			t.Errorf("%s: response %q of %s, chat %q of %s", name, whole.text(), whole.Model, chat.text(), chat.Model)
		}
		if whole.Status == "incomplete" != (chat.Choices[0].Finish == "length") || whole.Usage == nil || whole.Usage.Total != whole.Usage.Input+whole.Usage.Output || whole.Usage.Input == 0 {
			t.Errorf("%s: status %s (%+v), usage %+v; the chat ended by %s", name, whole.Status, whole.Incomplete, whole.Usage, chat.Choices[0].Finish)
		}
		kept := h.interaction("default", whole.Nightshift.Interaction)
		if want := said(h.interaction("default", chat.Nightshift.Interaction)); !slices.Equal(said(kept), want) || kept.Instructed != strings.Contains(c.response, "instructions") {
			t.Errorf("%s: recorded %q (instructed %v), the chat %q", name, said(kept), kept.Instructed, want)
		}
		streamed := h.followed("{" + manner + "," + c.response + `,"stream":true}`)
		if streamed.text() != whole.text() || streamed.Status != whole.Status || *streamed.Usage != *whole.Usage || streamed.Nightshift == nil || !streamed.Nightshift.Logged {
			t.Errorf("%s: streamed %+v, in one piece %+v", name, streamed, whole)
		}
	}
}

// followed streams a response, checks every event and returns the response of the last.
func (h *house) followed(body string) (last responded) {
	h.t.Helper()
	r := h.post(responsesPath, body)
	list := events(strings.NewReader(string(r.body)))
	if r.status != 200 || len(list) < 8 || r.header.Get("X-Nightshift-Feedback-Token") == "" {
		h.t.Fatalf("%s: status %d, %d events, %s", body, r.status, len(list), r.body)
	}
	type told struct {
		Type     string
		Number   int    `json:"sequence_number"`
		ItemID   string `json:"item_id"`
		Response *responded
		Delta    string
		Text     string
		Part     *struct{ Text string }
		Item     *struct {
			Status  string
			Content []struct{ Text string }
		}
	}
	deltas := ""
	var order []string
	for n, e := range list {
		var v told
		must(h.t, json.Unmarshal([]byte(e.data), &v))
		if v.Type != e.name || v.Number != n {
			h.t.Errorf("event %d, %s: %s", n, e.name, e.data)
		}
		if len(order) == 0 || order[len(order)-1] != v.Type {
			order = append(order, v.Type)
		}
		deltas += v.Delta
		whole := v.Text
		switch {
		case v.Part != nil && strings.HasSuffix(v.Type, "done"):
			whole = v.Part.Text
		case v.Item != nil && len(v.Item.Content) > 0:
			whole = v.Item.Content[0].Text
		}
		if strings.HasSuffix(v.Type, "done") && whole != deltas {
			h.t.Errorf("%s says %q, the deltas %q", v.Type, whole, deltas)
		}
		if v.Response != nil {
			last = *v.Response
		}
	}
	want := []string{"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
		"response.content_part.done", "response.output_item.done", "response." + last.Status}
	if !slices.Equal(order, want) || last.text() != deltas {
		h.t.Errorf("%s: events %q, want %q", body, order, want)
	}
	return last
}

// TestResponseGoesOn continues conversations by the ids of responses and of their messages.
func TestResponseGoesOn(t *testing.T) {
	h := open(t, options{})
	ask := func(more string) responded {
		return h.respond(`{"model":"default","temperature":0,"max_output_tokens":6,` + more + `}`)
	}
	first := ask(`"input":"I have a tent","instructions":"Be brief.","user":"ann","metadata":{"a":"b"}`)
	second := ask(fmt.Sprintf(`"input":"and a stove","previous_response_id":%q`, first.ID))
	third := ask(fmt.Sprintf(`"input":[{"role":"user","content":"what is it?"}],"previous_response_id":%q,"instructions":"Be long.","user":"ann"`, second.ID))
	kept := h.interaction("default", third.Nightshift.Interaction)
	want := []string{"system: Be long.", "user: I have a tent", "assistant: " + first.text(), "user: and a stove", "assistant: " + second.text(), "user: what is it?"}
	if !slices.Equal(said(kept), want) || kept.Previous != second.Nightshift.Interaction || third.Previous != second.ID || third.Instructions != "Be long." {
		t.Errorf("the third turn is recorded as %q after %q, want %q", said(kept), kept.Previous, want)
	}
	if first.Metadata["a"] != "b" || first.Instructions != "Be brief." {
		t.Errorf("the first response: %+v", first)
	}
	// By their ids, answers stand for themselves.
	referred := ask(fmt.Sprintf(`"input":[{"role":"user","content":"I have a tent"},{"type":"item_reference","id":%q},{"role":"user","content":"and a stove"}]`, first.Output[0].ID))
	if got := said(h.interaction("default", referred.Nightshift.Interaction)); got[1] != "assistant: "+first.text() || len(got) != 3 {
		t.Errorf("with a reference: %q", got)
	}
	for _, kind := range []string{"", `"type":null,`} { // the type of a reference may be left out
		bare := ask(fmt.Sprintf(`"input":[{"role":"user","content":"I have a tent"},{%s"id":%q},{"role":"user","content":"and a stove"}]`, kind, first.Output[0].ID))
		if got, want := said(h.interaction("default", bare.Nightshift.Interaction)), said(h.interaction("default", referred.Nightshift.Interaction)); !slices.Equal(got, want) {
			t.Errorf("with a reference without a type (%s): %q, want %q", kind, got, want)
		}
	}
	// What goes on from what somebody said is that one's, too.
	subject := h.interaction("default", first.Nightshift.Interaction).Subject
	for _, r := range []responded{second, third, referred} {
		if got := h.interaction("default", r.Nightshift.Interaction).Subject; got != subject || got == "" {
			t.Errorf("%s is of %q, the first of %q", r.ID, got, subject)
		}
	}
	r := h.post(responsesPath, fmt.Sprintf(`{"model":"default","input":"x","user":"bob","previous_response_id":%q}`, first.ID))
	if code, param, _ := r.problem(t); r.status != 400 || code != "another_user" || param != "previous_response_id" {
		t.Errorf("another user: status %d, %s", r.status, r.body)
	}
	// Feedback by the response's id, and the response by itself.
	if r := h.rate(second.ID, second.Nightshift.FeedbackToken, "f"); r.status != 202 {
		t.Errorf("feedback: status %d, %s", r.status, r.body)
	}
	var read responded
	must(t, json.Unmarshal(h.get(responsesPath+"/"+third.ID).body, &read))
	if read.text() != third.text() || read.Status != third.Status || read.Previous != third.Previous || read.Instructions != third.Instructions || read.Usage.Total != third.Usage.Total ||
		read.Model != third.Model || read.Nightshift.FeedbackToken != "" {
		t.Errorf("read back %+v, made %+v", read, third)
	}
	for query, want := range map[string]string{"stream=true": "stream", "include=message.output_text.logprobs": "include", "include[]=x": "include",
		"include%5B%5D=reasoning.encrypted_content&include[]=message.output_text.logprobs": "include", "include[]=reasoning.encrypted_content&include=&stream=false": ""} {
		r := h.get(responsesPath + "/" + third.ID + "?" + query)
		if want == "" && r.status == 200 {
			continue
		}
		if _, param, _ := r.problem(t); r.status != 400 || param != want {
			t.Errorf("read back with %s: status %d, %s", query, r.status, r.body)
		}
	}
	_, err := h.store.Erase(context.Background(), subject)
	must(t, err)
	for _, gone := range []responded{first, second, third, referred} {
		if r := h.get(responsesPath + "/" + gone.ID); r.status != 404 {
			t.Errorf("%s is there after its person was erased: %s", gone.ID, r.body)
		}
	}
	for body, want := range map[string]string{
		fmt.Sprintf(`{"model":"default","input":"x","previous_response_id":%q}`, first.ID):                 "previous_response_not_found",
		fmt.Sprintf(`{"model":"default","input":[{"type":"item_reference","id":%q}]}`, first.Output[0].ID): "item_not_found",
		`{"model":"default","input":"x","previous_response_id":"resp_../../etc"}`:                          "previous_response_not_found",
		`{"model":"default","input":"x","previous_response_id":"resp_"}`:                                   "previous_response_not_found",
		`{"model":"default","input":"x","previous_response_id":"msg_"}`:                                    "previous_response_not_found",
		`{"model":"default","input":"x","previous_response_id":"` + strings.Repeat("x", 500) + `"}`:        "previous_response_not_found",
	} {
		r := h.post(responsesPath, body)
		if code, _, _ := r.problem(t); r.status != 404 || code != want {
			t.Errorf("%.80s: status %d, %s", body, r.status, r.body)
		}
	}
	if r := h.do("DELETE", responsesPath+"/"+first.ID, ""); r.status != 405 {
		t.Errorf("DELETE: status %d, %s", r.status, r.body)
	}
}

// TestResponseElsewhere goes on from a response at once, on another server of the same Redis.
func TestResponseElsewhere(t *testing.T) {
	redis := replaytest.StartRedis(t).Addr
	houses := []*house{open(t, options{redis: redis}), open(t, options{redis: redis})}
	previous := ""
	for n := range 6 { // as many as the context holds
		h := houses[n%2]
		body := map[string]any{"model": "default", "input": fmt.Sprint(n), "max_output_tokens": 2}
		if previous != "" {
			body["previous_response_id"] = previous
		}
		data, err := json.Marshal(body)
		must(t, err)
		a := h.respond(string(data))
		if got := said(h.interaction("default", a.Nightshift.Interaction)); len(got) != 2*n+1 {
			t.Fatalf("turn %d has the messages %q", n, got)
		}
		previous = a.ID
	}
}

// TestResponseScope keeps conversations within the tracks of a key, and unrecorded ones out of reach.
func TestResponseScope(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"support"}
		c.API.Keys = []api.Key{key("both", nil, "generate"), key("support", []string{"support"}, "generate"), key("rater", nil, "feedback")}
	}})
	mine := h.respond(`{"model":"default","input":"a secret","max_output_tokens":2}`, bearer("both")...)
	next := fmt.Sprintf(`{"model":"support","input":"x","max_output_tokens":2,"previous_response_id":%q}`, mine.ID)
	if r := h.post(responsesPath, next, bearer("support")...); r.status != 404 {
		t.Errorf("a key of another track goes on: status %d, %s", r.status, r.body)
	}
	if r := h.get(responsesPath+"/"+mine.ID, bearer("support")...); r.status != 404 {
		t.Errorf("a key of another track reads: status %d, %s", r.status, r.body)
	}
	if got := h.respond(next, bearer("both")...); got.Previous != mine.ID || got.Nightshift.Track != "support" {
		t.Errorf("on another track: %+v", got)
	}
	if r := h.post(responsesPath, `{"model":"default","input":"x"}`, bearer("rater")...); r.status != 403 {
		t.Errorf("a key without the role: status %d", r.status)
	}
	r := h.post(responsesPath, `{"model":"default","input":"a secret","max_output_tokens":2,"store":false}`, bearer("both")...)
	var unrecorded responded
	must(t, json.Unmarshal(r.body, &unrecorded))
	if unrecorded.Store || unrecorded.Nightshift.FeedbackToken != "" || r.header.Get("X-Nightshift-Feedback-Token") != "" {
		t.Errorf("with store: false: %s", r.body)
	}
	if _, found, err := h.store.Interaction(context.Background(), "default", unrecorded.Nightshift.Interaction); found || err != nil {
		t.Errorf("what is not to be stored is: %v, %v", found, err)
	}
	if r := h.get(responsesPath+"/"+unrecorded.ID, bearer("both")...); r.status != 404 {
		t.Errorf("an unrecorded response: status %d", r.status)
	}
}

// TestResponseFields accepts what asks for nothing, bit for bit, and refuses the rest by name.
func TestResponseFields(t *testing.T) {
	h := open(t, options{})
	const plain = `{"model":"default","input":"hi","max_output_tokens":12,"seed":3,"temperature":1`
	want := h.respond(plain + "}").text()
	for _, more := range []string{
		`"tools":[]`, `"tool_choice":"auto"`, `"tool_choice":"none"`, `"parallel_tool_calls":true`, `"text":{"format":{"type":"text"}}`, `"text":{"format":{"type":"text"},"verbosity":"medium"}`,
		`"text":{}`, `"text":null`, `"truncation":"disabled"`, `"truncation":"auto"`, `"truncation":null`, `"background":false`, `"include":[]`, `"include":null`,
		`"include":["reasoning.encrypted_content"]`, `"reasoning":{"effort":null,"summary":null}`, `"reasoning":{"effort":"none"}`, `"metadata":{}`, `"metadata":null`, `"service_tier":"auto"`,
		`"prompt_cache_key":"x"`, `"safety_identifier":"ann"`, `"user":"ann"`, `"store":true`, `"previous_response_id":null`, `"instructions":null`, `"instructions":""`, `"conversation":null`,
		`"prompt":null`, `"max_tool_calls":null`, `"max_tool_calls":3`, `"top_logprobs":0`, `"stream":false`, `"stream_options":null`, `"top_k":-1`, `"stop":""`, `"frequency_penalty":0`,
	} {
		if got := h.respond(plain + "," + more + "}").text(); got != want {
			t.Errorf("with %s: %q, without %q", more, got, want)
		}
	}
	long := h.respond(strings.Replace(plain, `"max_output_tokens":12`, `"max_output_tokens":-1`, 1) + "}")
	if !strings.HasPrefix(long.text(), want) {
		t.Errorf("without a limit: %q", long.text())
	}
	for body, code := range map[string]string{
		`{"model":"default"}`: "missing_field", `{"input":"x"}`: "missing_field", `{"model":"default","input":[]}`: "invalid_value", `{"model":"default","input":{"a":1}}`: "wrong_type",
		`{"model":"default","input":[{"type":"reasoning","summary":[]}]}`: "invalid_value", `{"model":"nope","input":"x"}`: "model_not_found",
	} {
		r := h.post(responsesPath, body)
		if got, _, _ := r.problem(t); got != code {
			t.Errorf("%s: %s, want %s", body, r.body, code)
		}
	}
	for more, param := range map[string]string{
		`"tools":[{"type":"web_search"}]`: "tools", `"tool_choice":"required"`: "tool_choice", `"text":{"format":{"type":"json_object"}}`: "text.format", `"background":true`: "background",
		`"conversation":"conv_1"`: "conversation", `"prompt":{"id":"pmpt_1"}`: "prompt", `"reasoning":{"effort":"high"}`: "reasoning", `"max_tokens":5`: "max_tokens", `"n":2`: "n",
		`"truncation":"sometimes"`: "truncation", `"include":["everything"]`: "include[0]", `"messages":[{"role":"user","content":"x"}]`: "messages", `"colour":"red"`: "colour",
		`"max_output_tokens":0`: "max_output_tokens", `"top_logprobs":21`: "top_logprobs",
	} {
		r := h.post(responsesPath, plain[:len(`{"model":"default","input":"hi"`)]+","+more+"}")
		if _, got, _ := r.problem(t); r.status != 400 || got != param {
			t.Errorf("%s: status %d, %s", more, r.status, r.body)
		}
	}
	for item, at := range map[string]string{
		`{"role":"user","content":[{"type":"input_image","image_url":"data:"}]}`: "input[0].content[0]", `{"type":"function_call_output","call_id":"c","output":"x"}`: "input[0]",
		`{"role":"robot","content":"x"}`: "input[0].role", `{"type":"dream"}`: "input[0].type", `"hi"`: "input[0]", `{"type":"item_reference"}`: "input[0].id", `{"role":"user"}`: "input[0].content",
	} {
		r := h.post(responsesPath, `{"model":"default","input":[`+item+`]}`)
		if _, got, _ := r.problem(t); r.status != 400 || got != at {
			t.Errorf("%s: status %d, %s", item, r.status, r.body)
		}
	}
	if r := h.post(responsesPath, `{"model":"default","input":[{"type":"reasoning","id":"r","summary":[]},{"role":"user","content":"x"}],"max_output_tokens":2}`); r.header.Get("X-Nightshift-Ignored") != "input[0]" {
		t.Errorf("a reasoning item: status %d, ignored %q", r.status, r.header.Get("X-Nightshift-Ignored"))
	}
}

// TestResponseLogprobs compares log-probabilities with those of a chat.
func TestResponseLogprobs(t *testing.T) {
	h := open(t, options{})
	var chat struct {
		Choices []struct {
			Logprobs struct {
				Content []struct {
					Token   string
					Logprob float64
				}
			}
		}
	}
	must(t, json.Unmarshal(h.post(chatPath, `{"model":"default","messages":[{"role":"user","content":"hi"}],"max_tokens":12,"seed":3,"temperature":1,"logprobs":true,"top_logprobs":2}`).body, &chat))
	body := `{"model":"default","input":"hi","max_output_tokens":12,"seed":3,"temperature":1,"include":["message.output_text.logprobs"],"top_logprobs":2`
	for name, got := range map[string]responded{"whole": h.respond(body + "}"), "streamed": h.followed(body + `,"stream":true}`)} {
		list := got.Output[0].Content[0].Logprobs
		if len(list) != len(chat.Choices[0].Logprobs.Content) || len(list) == 0 {
			t.Fatalf("%s: %d log-probabilities, the chat has %d", name, len(list), len(chat.Choices[0].Logprobs.Content))
		}
		for i, one := range chat.Choices[0].Logprobs.Content {
			if list[i].Token != one.Token || list[i].Logprob != one.Logprob || len(list[i].Top) != 2 {
				t.Errorf("%s: token %d is %+v, in the chat %+v", name, i, list[i], one)
			}
		}
	}
}

// TestResponseTruncation drops the oldest messages of a conversation that is too long, where it is asked to.
func TestResponseTruncation(t *testing.T) {
	h := open(t, options{})
	var items []string
	for n := range 30 {
		items = append(items, fmt.Sprintf(`{"role":"user","content":"question number %d about a tent"},{"role":"assistant","content":"answer number %d"}`, n, n))
	}
	body := `{"model":"default","max_output_tokens":8,"instructions":"Be brief.","input":[` + strings.Join(items, ",") + `,{"role":"user","content":"and now?"}]`
	r := h.post(responsesPath, body+"}")
	if code, param, _ := r.problem(t); r.status != 400 || code != "context_length_exceeded" || param != "input" {
		t.Errorf("too long: status %d, %s", r.status, r.body)
	}
	got := h.interaction("default", h.respond(body+`,"truncation":"auto"}`).Nightshift.Interaction)
	list := said(got)
	if list[0] != "system: Be brief." || list[len(list)-1] != "user: and now?" || !strings.HasPrefix(list[1], "user: question number 2") || len(got.PromptTokens) > modelContext-8 {
		t.Errorf("truncated to %d tokens: %q", len(got.PromptTokens), list)
	}
	if r := h.post(responsesPath, `{"model":"default","truncation":"auto","input":"`+strings.Repeat("tent ", 400)+`"}`); r.status != 400 {
		t.Errorf("one message that is too long: status %d", r.status)
	}
}

// TestResponseFails ends the stream of a response that is cut off with what clients know as the end.
func TestResponseFails(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1, Queue: 4}, cfg: func(c *serve.Config) { c.API.MaxWait = 1 }})
	first := h.post(responsesPath, `{"model":"default","input":"a","max_output_tokens":4,"stream":true}`)
	list := events(strings.NewReader(string(first.body)))
	if len(list) == 0 {
		t.Fatalf("no event: status %d, %s", first.status, first.body)
	}
	names := []string{}
	for _, e := range list {
		names = append(names, e.name)
	}
	last := list[len(list)-1]
	if failed := list[len(list)-2]; failed.name != "response.failed" || last.name != "error" || !strings.Contains(failed.data, `"status":"failed"`) ||
		!strings.Contains(failed.data, `"code":"queue_full"`) || !strings.Contains(last.data, `"error":{"message"`) {
		t.Errorf("a stream that failed: %q, %s", names, first.body)
	}
}
