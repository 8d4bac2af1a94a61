package serve_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nightshift/internal/engine"
	"nightshift/serve"
)

// TestStream compares a stream with the same answer in one piece, for chats and raw completions.
func TestStream(t *testing.T) {
	h := open(t, options{})
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"model":"default","messages":[{"role":"user","content":"héllo 🏕"}],"max_tokens":40,"seed":9,"temperature":1.5`,
		"/v1/completions":      `{"model":"default","prompt":"héllo 🏕","max_tokens":40,"seed":9,"temperature":1.5`,
	} {
		var whole answer
		must(t, json.Unmarshal(h.post(path, body+"}").body, &whole))
		r := h.post(path, body+`,"stream":true,"stream_options":{"include_usage":true}}`)
		if got := r.header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
			t.Errorf("Content-Type %q", got)
		}
		if !utf8.Valid(r.body) {
			t.Errorf("%s: the stream has half a rune", path)
		}
		list := events(strings.NewReader(string(r.body)))
		if len(list) < 4 || list[len(list)-1].data != "[DONE]" {
			t.Fatalf("%s: %d events, the last is %v", path, len(list), list)
		}
		text, finish := "", ""
		var from *origin
		var used bool
		for i, e := range list[:len(list)-1] {
			if strings.Contains(e.data, `\ufffd`) || !json.Valid([]byte(e.data)) {
				t.Errorf("event %d: %s", i, e.data)
			}
			var a answer
			must(t, json.Unmarshal([]byte(e.data), &a))
			if len(a.Choices) == 0 {
				used = a.Usage != nil && i == len(list)-2
				continue
			}
			text += a.Choices[0].Delta.Content + a.Choices[0].Text
			if a.Choices[0].Finish != "" {
				finish, from = a.Choices[0].Finish, a.Nightshift
				if !strings.Contains(e.data, `"tokens_per_second"`) {
					t.Errorf("the last chunk has no timings: %s", e.data)
				}
			}
		}
		if text != whole.text() || finish != whole.Choices[0].Finish {
			t.Errorf("%s: streamed %q (%s), in one piece %q (%s)", path, text, finish, whole.text(), whole.Choices[0].Finish)
		}
		if !used || from == nil || !from.Logged || from.FeedbackToken == "" {
			t.Errorf("%s: usage %v, origin %+v", path, used, from)
		}
	}
}

func TestStop(t *testing.T) {
	h := open(t, options{})
	body := `{"model":"default","prompt":"the quick","max_tokens":30,"seed":4,"temperature":1`
	var free answer
	must(t, json.Unmarshal(h.post("/v1/completions", body+"}").body, &free))
	text := []rune(strings.ReplaceAll(free.text(), "\ufffd", ""))
	if len(text) < 6 {
		t.Fatalf("answer %q is too short for a stop string", free.text())
	}
	stop, err := json.Marshal([]string{string(text[4:6]), "never to be seen"})
	must(t, err)
	var stopped answer
	must(t, json.Unmarshal(h.post("/v1/completions", body+`,"stop":`+string(stop)+"}").body, &stopped))
	if want, _, found := strings.Cut(free.text(), string(text[4:6])); !found || stopped.text() != want || stopped.Choices[0].Finish != "stop" {
		t.Errorf("stopped at %s: %q (%s), want %q", stop, stopped.text(), stopped.Choices[0].Finish, want)
	}
}

// TestBusy fills slots and queue: the next request is refused before any work, with a time to come back; a waiting
// stream gets comments meanwhile.
func TestBusy(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1, Queue: 1}, cfg: func(c *serve.Config) { c.API.KeepAlive = time.Millisecond }})
	const body = `{"model":"default","prompt":"a","max_tokens":240,"seed":1,"stream":true}`
	begin := func() *http.Response {
		res, err := http.Post(h.url+"/v1/completions", "application/json", strings.NewReader(body))
		must(t, err)
		return res
	}
	// busy says whether the first answer went on while a second request waited and a third came: a machine that does other work may be late.
	busy := func() bool {
		first := begin()
		defer first.Body.Close()                               //nolint:errcheck // closing is the disconnect
		_, err := bufio.NewReader(first.Body).ReadString('\n') // it generates
		must(t, err)
		second := begin()
		defer second.Body.Close() //nolint:errcheck // as above
		r := h.post("/v1/completions", body)
		if r.status == http.StatusOK {
			return false
		}
		if code, _, _ := r.problem(t); r.status != 429 || code != "queue_full" || r.header.Get("Retry-After") == "" {
			t.Fatalf("a third request: status %d, %v, %s", r.status, r.header, r.body)
		}
		line, err := bufio.NewReader(second.Body).ReadString('\n')
		must(t, err)
		return line == ": keep-alive\n"
	}
	for range 100 {
		if busy() {
			return
		}
		h.await("all have ended", func() bool { s := h.engine.Stats(); return s.Active == 0 && s.Waiting == 0 })
	}
	t.Error("of 100 times, never was a third request refused while a second one waited and was kept alive")
}

// TestShutdown stops the server in the middle of streams: they go on to their end, and new ones are not taken.
func TestShutdown(t *testing.T) {
	h := open(t, options{})
	res, err := http.Post(h.url+"/v1/completions", "application/json",
		strings.NewReader(`{"model":"default","prompt":"a","max_tokens":200,"seed":1,"stream":true}`))
	must(t, err)
	defer res.Body.Close() //nolint:errcheck // read to its end
	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	list := events(res.Body)
	if len(list) == 0 || list[len(list)-1].data != "[DONE]" {
		t.Errorf("the stream ended after %d events without [DONE]", len(list))
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if res, err := http.Get(h.url + "/livez"); err == nil {
		res.Body.Close() //nolint:errcheck // nothing was to come
		t.Error("a server that has stopped answers")
	}
}

// TestDrainDeadline has a client that does not read: the server does not wait for it for longer than configured, and a
// stream that is cut off says so and has no [DONE].
func TestDrainDeadline(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1}, cfg: func(c *serve.Config) { c.API.Drain = 50 * time.Millisecond }})
	body := `{"model":"default","prompt":"a","max_tokens":250,"seed":2,"stream":true}`
	var waiting []*http.Response
	for range 12 {
		res, err := http.Post(h.url+"/v1/completions", "application/json", strings.NewReader(body)) //nolint:bodyclose // closed two lines below
		must(t, err)
		defer res.Body.Close() //nolint:errcheck // read to its end
		waiting = append(waiting, res)
	}
	go h.stop() //nolint:errcheck // the cleanup looks at it
	cut := 0
	for _, res := range waiting {
		data, _ := io.ReadAll(res.Body)
		if !strings.Contains(string(data), "[DONE]") {
			cut++
			if !strings.Contains(string(data), `"code":"shutting_down"`) {
				t.Errorf("a stream was cut off without a word: %.300s", data)
			}
		}
	}
	if cut == 0 {
		t.Error("no stream was cut off: the test is too slow or the drain time is not kept")
	}
}
