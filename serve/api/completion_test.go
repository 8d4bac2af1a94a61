package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/serve/api/wire"
)

const hello = `"messages":[{"role":"user","content":"hi"}]`

const fromDefault = `"nightshift":{"interaction":"ID","track":"default","version":3,"digest":"` + digest3 + `","feedback_token":"TOKEN","logged":true}`

const noTime = `"timings":{"queue_ms":0,"prefill_ms":0,"decode_ms":0,"first_token_ms":0,"tokens":2,"tokens_per_second":0,"inter_token_p50_ms":0,"inter_token_p99_ms":0,"inter_token_max_ms":0}`

// TestChatBytes pins a chat's answer byte for byte, what its headers say, what was asked of the engine, and what was recorded.
func TestChatBytes(t *testing.T) {
	h := open(t, nil)
	r := h.post("/v1/chat/completions", `{"model":"default","user":"ann","max_tokens":9,"temperature":0,"metadata":{"a":"b"},`+hello+`}`)
	id := r.header.Get(wire.HeaderInteraction)
	want := `{"id":"chatcmpl-ID","object":"chat.completion","created":0,"model":"default@3","choices":[{"index":0,` +
		`"message":{"role":"assistant","content":"Hello <there>.","refusal":null},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":N,"completion_tokens":2,"total_tokens":M,"prompt_tokens_details":{"cached_tokens":2}},` +
		`"system_fingerprint":"ns_333333333333",` + fromDefault + `,` + noTime + `}`
	asked := h.generator.last()
	n := len(asked.Prompt)
	want = strings.NewReplacer("_tokens\":N", "_tokens\":"+strconv.Itoa(n), "_tokens\":M", "_tokens\":"+strconv.Itoa(n+2)).Replace(want)
	if got := steady(r.body, id); r.status != 200 || got != want {
		t.Errorf("status %d\n got %s\nwant %s", r.status, got, want)
	}
	if got := r.header.Get(wire.HeaderAdapter) + " " + r.header.Get(wire.HeaderIgnored); got != "default@3 metadata" {
		t.Errorf("headers %q", got)
	}
	if asked.MaxTokens != 9 || asked.Sampling.Temperature != 0 || asked.Choices != 1 || asked.Group != "default" || asked.Pin.Digest != digest3 {
		t.Errorf("asked %+v", asked)
	}
	if got := h.versions.pins; !slices.Equal(got, []string{"default hash-of-ann"}) {
		t.Errorf("pinned %q", got)
	}
	i := h.recorder.interactions[id]
	if i.Answer != "Hello <there>." || i.Subject != "hash-of-ann" || i.Version != digest3 || i.VersionNumber != 3 || i.Finish != "stop" || i.Weights != "f32" ||
		!slices.Equal(i.AnswerTokens, []int32{0, 1}) || len(i.PromptTokens) != n || len(i.Messages) != 1 || i.Messages[0].Content != "hi" {
		t.Errorf("recorded %+v", i)
	}
	if h.latencies.Load() != 1 {
		t.Errorf("told of %d inter-token latencies", h.latencies.Load())
	}
}

// TestStreamBytes pins the frames of a chat and of a raw completion.
func TestStreamBytes(t *testing.T) {
	h := open(t, nil)
	const about = `,"created":0,"model":"default@3","choices":[`
	const end = `],"system_fingerprint":"ns_333333333333"`
	chat := func(choice, rest string) string {
		return `data: {"id":"chatcmpl-ID","object":"chat.completion.chunk"` + about + choice + end + rest + "}\n\n"
	}
	text := func(choice, rest string) string {
		return `data: {"id":"cmpl-ID","object":"text_completion"` + about + choice + strings.Replace(end, "]", "]"+rest, 1) + "}\n\n"
	}
	for path, c := range map[string]struct{ body, want string }{
		"/v1/chat/completions": {`{"model":"default","stream":true,` + hello + `}`,
			chat(`{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}`, "") +
				chat(`{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}`, "") +
				chat(`{"index":0,"delta":{"content":" <there>."},"logprobs":null,"finish_reason":null}`, "") +
				chat(`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}`, ","+fromDefault+","+noTime) + "data: [DONE]\n\n"},
		"/v1/completions": {`{"model":"default","stream":true,"stream_options":{"include_usage":true},"prompt":[1,2,3]}`,
			text(`{"index":0,"text":"Hello","logprobs":null,"finish_reason":null}`, "") + text(`{"index":0,"text":" <there>.","logprobs":null,"finish_reason":null}`, "") +
				`data: {"id":"cmpl-ID","object":"text_completion"` + about + `{"index":0,"text":"","logprobs":null,"finish_reason":"stop"}` + end + "," + fromDefault + "," + noTime + "}\n\n" +
				text("", `,"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":2}}`) + "data: [DONE]\n\n"},
	} {
		r := h.post(path, c.body)
		if got := steady(r.body, r.header.Get(wire.HeaderInteraction)); r.status != 200 || got != c.want {
			t.Errorf("%s: status %d\n got %s\nwant %s", path, r.status, got, c.want)
		}
		if got := r.header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", path, got)
		}
	}
}

// TestChoicesOfOne asks for more than one answer: each is an interaction of its own, and of best_of the likeliest is sent.
func TestChoicesOfOne(t *testing.T) {
	h := open(t, nil)
	r := h.post("/v1/chat/completions", `{"model":"default","n":2,"logprobs":true,"top_logprobs":1,`+hello+`}`)
	answer := into[wire.Completion](t, r, 200)
	ids, tokens := strings.Split(r.header.Get(wire.HeaderInteraction), ","), strings.Split(r.header.Get(wire.HeaderFeedback), ",")
	if len(answer.Choices) != 2 || len(ids) != 2 || len(tokens) != 2 || len(h.recorder.interactions) != 2 {
		t.Fatalf("%d choices, ids %q, %d records", len(answer.Choices), ids, len(h.recorder.interactions))
	}
	for i, c := range answer.Choices {
		if c.Index != i || c.Nightshift == nil || c.Nightshift.Interaction != ids[i] || c.Nightshift.FeedbackToken != tokens[i] || c.Timings == nil || c.Logprobs == nil {
			t.Errorf("choice %d: %+v", i, c)
		}
	}
	one := into[wire.Completion](t, h.post("/v1/completions", `{"model":"default","best_of":3,"prompt":"x","echo":true}`), 200)
	if asked := h.generator.last(); asked.Choices != 3 || len(one.Choices) != 1 || *one.Choices[0].Text != "xHello <there>." || one.Usage.CompletionTokens != 6 || one.Choices[0].Index != 0 {
		t.Errorf("asked for %d, got %+v", asked.Choices, one)
	}
}

// TestNothingKept asks for an answer that is not recorded.
func TestNothingKept(t *testing.T) {
	h := open(t, nil)
	r := h.post("/v1/chat/completions", `{"model":"default","store":false,`+hello+`}`)
	from := into[wire.Completion](t, r, 200).Nightshift
	if from.Logged || from.FeedbackToken != "" || from.Note == "" || r.header.Get(wire.HeaderFeedback) != "" || len(h.recorder.interactions) != 0 {
		t.Errorf("%+v, %v, %d records", from, r.header, len(h.recorder.interactions))
	}
}

// TestResponseStream pins the order of a response's events, and what the last one holds.
func TestResponseStream(t *testing.T) {
	h := open(t, nil)
	res := h.begin("POST", "/v1/responses", `{"model":"default","stream":true,"instructions":"be kind","input":"hi"}`)
	defer res.Body.Close() //nolint:errcheck // read to its end
	var names []string
	var last wire.Event
	for e, err := range wire.Events(res.Body) {
		must(t, err)
		names, last = append(names, strings.TrimPrefix(e.Name, "response.")), e
		if !strings.HasPrefix(e.Data, `{"type":"`+e.Name+`","sequence_number":`+strconv.Itoa(len(names)-1)+`,`) {
			t.Errorf("event %d: %s", len(names)-1, e.Data)
		}
	}
	want := "created in_progress output_item.added content_part.added output_text.delta output_text.delta output_text.done content_part.done output_item.done completed"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("events %s", got)
	}
	end := into[wire.ResponseEvent](t, reply{200, nil, last.Data}, 200).Response
	if end.Status != wire.StatusCompleted || len(end.Output) != 1 || end.Output[0].Content[0].Text != "Hello <there>." || *end.Instructions != "be kind" || end.Usage.OutputTokens != 2 {
		t.Errorf("the end: %+v", end)
	}

	back := into[wire.Response](t, h.do("GET", "/v1/responses/"+end.ID, ""), 200)
	if back.ID != end.ID || back.Output[0].Content[0].Text != "Hello <there>." || back.Nightshift.Track != "default" {
		t.Errorf("read back: %+v", back)
	}
	on := into[wire.Response](t, h.post("/v1/responses", `{"model":"default","input":"and then?","previous_response_id":"`+end.ID+`"}`), 200)
	kept := h.recorder.interactions[strings.TrimPrefix(on.ID, wire.ResponsePrefix)]
	if len(kept.Messages) != 3 || kept.Messages[1].Content != "Hello <there>." || kept.Previous == "" || kept.Instructed {
		t.Errorf("a response that goes on: %+v", kept)
	}
	h.post("/v1/responses", `{"model":"default","input":"x","previous_response_id":"resp_none"}`).refused(t, 404, "previous_response_not_found")
	h.do("GET", "/v1/responses/resp_none", "").refused(t, 404, "response_not_found")
}

// TestStreamThatFails has the engine fail after the first words: the stream says so in the form of its API, and has no regular end.
func TestStreamThatFails(t *testing.T) {
	for cause, want := range map[error]struct {
		code, shown string
		hidden      bool
	}{engine.ErrClosed: {"shutting_down", engine.ErrClosed.Error(), false}, errors.New("a row is lost"): {"internal_error", "the request id finds the reason", true}} {
		h := open(t, nil)
		h.generator.burst = cause
		r := h.post("/v1/chat/completions", `{"model":"default","stream":true,`+hello+`}`)
		frames := strings.Split(strings.TrimSpace(r.body), "\n\n")
		if end := frames[len(frames)-1]; r.status != 200 || !strings.HasPrefix(end, `data: {"error":{"message":`) || !strings.Contains(end, want.code) || !strings.Contains(end, want.shown) ||
			strings.Contains(r.body, wire.Done) || want.hidden && strings.Contains(r.body, "a row is lost") {
			t.Errorf("%v: status %d, %s", cause, r.status, r.body)
		}
		r = h.post("/v1/responses", `{"model":"default","stream":true,"input":"hi"}`)
		if frames := strings.Split(strings.TrimSpace(r.body), "\n\n"); !strings.HasPrefix(frames[len(frames)-2], "event: response.failed\n") || !strings.HasPrefix(frames[len(frames)-1], "event: error\n") ||
			!strings.Contains(frames[len(frames)-1], want.code) {
			t.Errorf("%v: %s", cause, r.body)
		}
		if len(h.recorder.interactions) != 2 {
			t.Errorf("%v: %d records of what readers may have seen", cause, len(h.recorder.interactions))
		}
		for _, i := range h.recorder.interactions {
			if i.Finish == "stop" || i.Answer != "Hello" {
				t.Errorf("%v: recorded %+v", cause, i)
			}
		}
		if r := h.post("/v1/chat/completions", `{"model":"default",`+hello+`}`); r.status < 500 {
			t.Errorf("%v: in one piece: status %d, %s", cause, r.status, r.body)
		}
	}
}

// TestKeepAlive has a stream wait: it gets comments until there are words, and goes on as if there had been none.
func TestKeepAlive(t *testing.T) {
	h := open(t, func(c *Config) { c.KeepAlive = time.Millisecond })
	h.generator.hold = make(chan struct{})
	res := h.begin("POST", "/v1/completions", `{"model":"default","stream":true,"prompt":"x"}`)
	defer res.Body.Close() //nolint:errcheck // read to its end
	body := bufio.NewReader(res.Body)
	if line, err := body.ReadString('\n'); err != nil || line != ": keep-alive\n" {
		t.Errorf("first came %q, %v", line, err)
	}
	close(h.generator.hold)
	if rest, err := io.ReadAll(body); err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("then came %q, %v", rest, err)
	}
}

// TestClientThatLeaves closes the connection of a request without a stream: its context ends, and what was made of it is no answer.
func TestClientThatLeaves(t *testing.T) {
	h := open(t, func(c *Config) { c.SocketPoll = time.Millisecond })
	h.generator.hold, h.generator.begun = make(chan struct{}), make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", h.url+"/v1/completions", strings.NewReader(`{"model":"default","prompt":"x"}`))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	left := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		left <- err
	}()
	<-h.generator.begun
	cancel()
	if err := <-left; err == nil {
		t.Error("a client that left got an answer")
	}
	h.stop() // waits for the request, which nobody but the socket ends
	if len(h.recorder.interactions) != 0 {
		t.Errorf("an answer without a token was recorded: %v", h.recorder.interactions)
	}
}
