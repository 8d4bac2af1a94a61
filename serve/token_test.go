package serve_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift/internal/engine"
	"nightshift/replaystore/replaytest"
	"nightshift/serve"
	"nightshift/serve/api"
)

// rate gives feedback on an interaction.
func (h *house) rate(interaction, token, id string) reply {
	h.t.Helper()
	return h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"token":%q,"id":%q,"rating":"up"}`, interaction, token, id))
}

// TestFeedbackToken rates answers with what stands in their heads, choice by choice.
func TestFeedbackToken(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("writer", nil, "generate")}
		c.API.Origins = []string{"https://shop.example"}
	}})
	type body struct {
		ID         string
		Nightshift *origin
		Choices    []struct {
			Index      int
			Nightshift *origin
		}
	}
	const chat = `{"model":"default","max_tokens":4,"messages":[{"role":"user","content":"hi"}]`
	for name, c := range map[string]struct {
		path, body string
		choices    int
	}{
		"chat":              {"/v1/chat/completions", chat + "}", 1},
		"three choices":     {"/v1/chat/completions", chat + `,"n":3}`, 3},
		"stream":            {"/v1/chat/completions", chat + `,"stream":true}`, 1},
		"three in a stream": {"/v1/chat/completions", chat + `,"stream":true,"n":3}`, 3},
		"completion":        {"/v1/completions", `{"model":"default","max_tokens":4,"prompt":"hi"}`, 1},
		"the best of four":  {"/v1/completions", `{"model":"default","max_tokens":4,"prompt":"hi","n":2,"best_of":4}`, 2},
	} {
		r := h.post(c.path, c.body, append(bearer("writer"), "Origin", "https://shop.example")...)
		ids, tokens := strings.Split(r.header.Get("X-Nightshift-Interaction"), ","), strings.Split(r.header.Get("X-Nightshift-Feedback-Token"), ",")
		if r.status != 200 || len(ids) != c.choices || len(tokens) != c.choices {
			t.Fatalf("%s: status %d, interactions %q, tokens %q", name, r.status, ids, tokens)
		}
		if exposed := r.header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "X-Nightshift-Feedback-Token") {
			t.Errorf("%s: a page may read %q only", name, exposed)
		}
		var told []*origin
		var answered string
		read := func(data []byte) {
			var b body
			must(t, json.Unmarshal(data, &b))
			answered = b.ID
			for _, one := range b.Choices {
				from := one.Nightshift
				if from == nil {
					from = b.Nightshift
				}
				if from != nil {
					told = append(told, from)
				}
			}
		}
		if strings.Contains(c.body, "stream") {
			for _, e := range events(strings.NewReader(string(r.body))) {
				if e.data != "[DONE]" {
					read([]byte(e.data))
				}
			}
		} else {
			read(r.body)
		}
		slices.SortFunc(told, func(a, b *origin) int { return slices.Index(ids, a.Interaction) - slices.Index(ids, b.Interaction) })
		for i, id := range ids {
			if i >= len(told) || told[i].Interaction != id || told[i].FeedbackToken != tokens[i] {
				t.Fatalf("%s: the head has %s, %s; the body %+v", name, id, tokens[i], told)
			}
			if r := h.rate(id, tokens[i], "f"); r.status != 202 {
				t.Errorf("%s: feedback on choice %d: status %d, %s", name, i, r.status, r.body)
			}
		}
		if r := h.rate(answered, tokens[0], "by-the-answers-id"); r.status != 202 {
			t.Errorf("%s: feedback on %s: status %d, %s", name, answered, r.status, r.body)
		}
	}
	if r := h.post("/v1/chat/completions", chat+`,"n":40}`, bearer("writer")...); len(strings.Split(r.header.Get("X-Nightshift-Feedback-Token"), ",")) != 16 {
		t.Errorf("forty choices: status %d, %v", r.status, r.header)
	}
	for _, bad := range []string{chat + `,"n":0}`, `{"model":"nope","messages":[{"role":"user","content":"hi"}]}`} {
		if r := h.post("/v1/chat/completions", bad, bearer("writer")...); r.status < 400 || r.header.Get("X-Nightshift-Feedback-Token") != "" {
			t.Errorf("a refusal: status %d, %v", r.status, r.header)
		}
	}
}

// TestFeedbackBeforeTheAnswer rates a stream that is waiting, and then leaves it: whoever has the token has an interaction.
func TestFeedbackBeforeTheAnswer(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1}, cfg: func(c *serve.Config) { c.API.KeepAlive = 2 * time.Millisecond }})
	begin := func(tokens int) *http.Response {
		res, err := http.Post(h.url+"/v1/completions", "application/json", strings.NewReader(fmt.Sprintf(`{"model":"default","prompt":"a","max_tokens":%d,"seed":1,"stream":true}`, tokens)))
		must(t, err)
		return res
	}
	first := begin(250)
	defer first.Body.Close() //nolint:errcheck // closing is the disconnect
	if _, err := bufio.NewReader(first.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	second := begin(8)
	id, token := second.Header.Get("X-Nightshift-Interaction"), second.Header.Get("X-Nightshift-Feedback-Token")
	if r := h.rate(id, token, "early"); r.status != 202 {
		t.Errorf("feedback on a stream: status %d, %s", r.status, r.body)
	}
	must(t, second.Body.Close())
	h.await("the interaction is there", func() bool {
		_, found, err := h.store.Interaction(context.Background(), "default", id)
		must(t, err)
		return found
	})
	if i := h.interaction("default", id); len(i.AnswerTokens) == 0 && i.Finish != "cancelled" {
		t.Errorf("an answer that was left before it began: %+v", i)
	}
}

// TestFeedbackElsewhere gives feedback at once, to another server of the same Redis.
func TestFeedbackElsewhere(t *testing.T) {
	redis := replaytest.StartRedis(t).Addr
	one, two := open(t, options{redis: redis}), open(t, options{redis: redis})
	houses := []*house{one, two}
	const each = 20
	var wg sync.WaitGroup
	for n := range 2 * each {
		wg.Go(func() {
			h, other := houses[n%2], houses[1-n%2]
			a := h.ask("default", fmt.Sprint("question ", n)).Nightshift
			for _, id := range []string{"at-once", "again", "at-once"} {
				if r := other.rate(a.Interaction, a.FeedbackToken, id); r.status != 202 {
					t.Errorf("feedback %s on answer %d: status %d, %s", id, n, r.status, r.body)
				}
			}
		})
	}
	wg.Wait()
	for _, h := range houses {
		must(t, h.store.Sync(context.Background()))
	}
	for _, h := range houses {
		r := h.get("/v1/tracks/default").json(t)
		if r["interactions"] != float64(2*each) || r["feedback"] != float64(2*2*each) {
			t.Errorf("a server counts %v interactions and %v items of feedback", r["interactions"], r["feedback"])
		}
	}
	// The limit of an interaction holds where the interaction was not made.
	a := one.ask("default", "much to say").Nightshift
	for n := range 33 {
		want := 202
		if n == 32 {
			want = 409
		}
		if r := two.rate(a.Interaction, a.FeedbackToken, fmt.Sprint(n)); r.status != want {
			t.Fatalf("item %d: status %d, want %d: %s", n, r.status, want, r.body)
		}
	}
	if r := two.rate(a.Interaction, strings.Replace(a.FeedbackToken, "default", "support", 1), "x"); r.status != 403 {
		t.Errorf("a token of another track: status %d, %s", r.status, r.body)
	}
}

// TestFeedbackOnErased refuses what is said about the answers of a person who was erased, on every server.
func TestFeedbackOnErased(t *testing.T) {
	redis := replaytest.StartRedis(t).Addr
	one, two := open(t, options{redis: redis}), open(t, options{redis: redis})
	var a answer
	must(t, json.Unmarshal(one.post("/v1/chat/completions", `{"model":"default","user":"ann","max_tokens":2,"messages":[{"role":"user","content":"I am Ann"}]}`).body, &a))
	subject := one.interaction("default", a.Nightshift.Interaction).Subject
	must(t, one.store.Sync(context.Background()))
	_, err := one.store.Erase(context.Background(), subject)
	must(t, err)
	for _, h := range []*house{one, two} {
		r := h.rate(a.Nightshift.Interaction, a.Nightshift.FeedbackToken, "late")
		if code, _, _ := r.problem(t); r.status != 404 || code != "interaction_not_found" {
			t.Errorf("feedback on what was erased: status %d, %s", r.status, r.body)
		}
	}
}
