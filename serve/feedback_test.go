package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"nightshift/replaystore"
	"nightshift/serve"
	"nightshift/serve/api"
)

func TestFeedback(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"support"}
		c.API.Keys = []api.Key{key("all", nil, "admin"), key("writer", nil, "generate")}
	}})
	a := h.ask("support", "hi", bearer("writer")...).Nightshift
	other := h.ask("default", "hi", bearer("writer")...).Nightshift
	item := func(format string, args ...any) string {
		return fmt.Sprintf(`{"interaction":%q,"token":%q,`+format+`}`, append([]any{a.Interaction, a.FeedbackToken}, args...)...)
	}
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		param      string
	}{
		{"thumb", item(`"id":"f1","rating":"up"`), 202, "", ""},
		{"again", item(`"id":"f1","rating":1`), 202, "", ""},
		{"changed", item(`"id":"f1","rating":"down"`), 409, "feedback_exists", "id"},
		{"with a comment now", item(`"id":"f1","rating":"up","comment":"x"`), 409, "feedback_exists", "id"},
		{"correction", item(`"id":"f2","correction":"You have 45 days. Write to ann@example.com."`), 202, "", ""},
		{"correction again", item(`"id":"f2","correction":"You have 45 days. Write to ann@example.com."`), 202, "", ""},
		{"without id", item(`"comment":"thanks"`), 202, "", ""},
		{"batch", `{"items":[` + item(`"id":"b1","rating":0.5`) + `,` + item(`"id":"b2","rating":-1`) + `]}`, 202, "", ""},
		{"batch with a bad item", `{"items":[` + item(`"id":"b3","rating":1`) + `,` + item(`"id":"b4","rating":2`) + `]}`, 400, "invalid_value", "items[1].rating"},
		{"batch against itself", `{"items":[` + item(`"id":"b5","rating":1`) + `,` + item(`"id":"b5","rating":0`) + `]}`, 409, "feedback_exists", "id"},
		{"empty batch", `{"items":[]}`, 400, "invalid_value", "items"},
		{"nothing said", item(`"id":"n"`), 400, "missing_field", ""},
		{"thumb sideways", item(`"rating":"sideways"`), 400, "invalid_value", "rating"},
		{"rating a list", item(`"rating":[1]`), 400, "wrong_type", "rating"},
		{"id with a space", item(`"id":"a b","rating":1`), 400, "invalid_value", ""},
		{"unknown field", item(`"rating":1,"stars":5`), 400, "unknown_field", "stars"},
		{"no interaction", `{"rating":1}`, 400, "missing_field", "interaction"},
		{"token of another answer", fmt.Sprintf(`{"interaction":%q,"token":%q,"rating":1}`, a.Interaction, other.FeedbackToken), 403, "wrong_token", ""},
		{"token for another track", fmt.Sprintf(`{"interaction":%q,"token":%q,"rating":1}`, a.Interaction, strings.Replace(a.FeedbackToken, "support", "default", 1)), 403, "wrong_token", ""},
		{"no token at all", `{"interaction":"x","token":"x","rating":1}`, 403, "wrong_token", ""},
	} {
		r := h.post("/v1/feedback", c.body) // a browser has no key
		if r.status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, r.status, c.status, r.body)
		} else if c.code != "" {
			if code, param, _ := r.problem(t); code != c.code || param != c.param {
				t.Errorf("%s: code %q, param %q, want %q, %q", c.name, code, param, c.code, c.param)
			}
		}
	}
	if r := h.post("/v1/feedback", `{"interaction":"none-such","rating":1}`, bearer("all")...); r.status != 404 {
		t.Errorf("unknown interaction: status %d, %s", r.status, r.body)
	}
	if r := h.post("/v1/feedback", `{"interaction":"../../etc","rating":1}`, bearer("all")...); r.status != 404 {
		t.Errorf("interaction that is no id: status %d, %s", r.status, r.body)
	}
	if r := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"rating":1}`, a.Interaction), bearer("all")...); r.status != 202 {
		t.Errorf("by role: status %d, %s", r.status, r.body)
	}
	kept := map[string]*replaystore.Feedback{}
	events, _, err := h.store.Scan(context.Background(), "support", "", 100)
	must(t, err)
	for _, e := range events {
		if e.Feedback != nil {
			kept[e.Feedback.ID] = e.Feedback
		}
	}
	if len(kept) != 6 {
		t.Errorf("%d items of feedback are kept, want f1, f2, b1, b2 and two without an id", len(kept))
	}
	if f := kept["f2"]; f == nil || f.Correction == nil || strings.Contains(*f.Correction, "ann@") || len(f.Redacted) != 1 || f.Redacted[0].Rule != "email" ||
		(*f.Correction)[f.Redacted[0].Start:f.Redacted[0].End] != "[EMAIL]" {
		t.Errorf("the correction is kept as %+v", f)
	}
	r := h.get("/v1/tracks/support", bearer("all")...).json(t)
	if r["feedback"] != 6.0 || r["interactions"] != 1.0 {
		t.Errorf("the track counts %v feedback and %v interactions, want 6 and 1", r["feedback"], r["interactions"])
	}
}

// TestFeedbackRace gives one id two contents from many clients at once: all that are accepted must agree.
func TestFeedbackRace(t *testing.T) {
	h := open(t, options{})
	a := h.ask("default", "hi").Nightshift
	var wg sync.WaitGroup
	statuses := make([]int, 16)
	for i := range statuses {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rating := []string{"up", "down"}[i%2]
			statuses[i] = h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"id":"one","rating":%q}`, a.Interaction, rating)).status
		}()
	}
	wg.Wait()
	accepted := map[int]int{}
	for i, s := range statuses {
		switch s {
		case 202:
			accepted[i%2]++
		case 409:
		default:
			t.Errorf("status %d", s)
		}
	}
	if len(accepted) != 1 {
		t.Errorf("accepted %v: want one of the two contents", accepted)
	}
}

// TestRecord wants what was served to be in the store, without what must not be there.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	h := open(t, options{dir: dir})
	ask := func(text string) *origin {
		r := h.post("/v1/chat/completions", `{"model":"default","user":"ann","seed":11,"temperature":0.5,"max_tokens":5,"messages":[{"role":"user","content":`+text+`}]}`)
		var a answer
		must(t, json.Unmarshal(r.body, &a))
		if a.Nightshift == nil || !a.Nightshift.Logged {
			t.Fatalf("not logged: %s", r.body)
		}
		return a.Nightshift
	}
	read := func(o *origin) replaystore.Interaction { return h.interaction("default", o.Interaction) }
	plain, private := read(ask(`"how long?"`)), read(ask(`"I am bob@example.com"`))
	if plain.Subject == "" || strings.Contains(plain.Subject, "ann") || plain.Subject != private.Subject {
		t.Errorf("subjects %q and %q: want one keyed hash", plain.Subject, private.Subject)
	}
	if len(plain.AnswerTokens) == 0 || len(plain.LogProbs) != len(plain.AnswerTokens) || len(plain.PromptTokens) == 0 ||
		plain.Sampling.Seed != 11 || plain.TemplateHash == "" || !plain.Replayable() || plain.Messages[0].Content != "how long?" {
		t.Errorf("the record is not whole: %+v", plain)
	}
	if private.Messages[0].Content != "I am [EMAIL]" || len(private.PromptTokens)+len(private.AnswerTokens)+len(private.LogProbs) != 0 || private.Replayable() {
		t.Errorf("the record of a private text: %+v", private)
	}
	must(t, h.stop())
	again := open(t, options{dir: dir})
	if _, ok, err := again.store.Interaction(context.Background(), "default", plain.ID); !ok || err != nil {
		t.Errorf("after a restart the interaction is there: %v, %v", ok, err)
	}
}

// TestFeedbackLimits holds what one interaction takes to what a night can learn from.
func TestFeedbackLimits(t *testing.T) {
	h := open(t, options{})
	a, other := h.ask("default", "hi").Nightshift, h.ask("default", "ho").Nightshift
	const maxBytes = 4 << 10 // for the tiny model, whose context is smaller
	for _, c := range []struct {
		name, field, param string
		bytes, status      int
	}{
		{"longest correction", "correction", "", maxBytes, 202},
		{"correction", "correction", "correction", maxBytes + 1, 400},
		{"longest comment", "comment", "", 4 << 10, 202},
		{"comment", "comment", "comment", 4<<10 + 1, 400},
	} {
		r := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"id":%q,%q:%q}`, a.Interaction, strings.ReplaceAll(c.name, " ", "-"), c.field, strings.Repeat("x", c.bytes)))
		if r.status != c.status {
			t.Errorf("%s of %d bytes: status %d, want %d: %s", c.name, c.bytes, r.status, c.status, r.body)
		} else if c.param != "" {
			if code, param, message := r.problem(t); code != "invalid_value" || param != c.param || !strings.Contains(message, "4096") {
				t.Errorf("%s of %d bytes: %s", c.name, c.bytes, r.body)
			}
		}
	}
	rate := func(interaction string, n int) reply {
		return h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"id":"r%d","rating":1}`, interaction, n))
	}
	const left = 32 - 2
	for n := range left {
		if r := rate(a.Interaction, n); r.status != 202 {
			t.Fatalf("item %d: status %d: %s", n, r.status, r.body)
		}
	}
	r := rate(a.Interaction, left)
	if code, param, message := r.problem(t); r.status != 409 || code != "too_much_feedback" || param != "interaction" || !strings.Contains(message, "32") {
		t.Errorf("one too many: status %d: %s", r.status, r.body)
	}
	if r := rate(a.Interaction, 7); r.status != 202 {
		t.Errorf("an item again: status %d: %s", r.status, r.body)
	}
	var items []string
	for n := range 33 {
		items = append(items, fmt.Sprintf(`{"interaction":%q,"id":"b%d","rating":1}`, other.Interaction, n))
	}
	if r := h.post("/v1/feedback", `{"items":[`+strings.Join(items, ",")+`]}`); r.status != 409 {
		t.Errorf("a batch of one too many: status %d: %s", r.status, r.body)
	}
	if r := h.post("/v1/feedback", `{"items":[`+strings.Join(items[:32], ",")+`]}`); r.status != 202 {
		t.Errorf("what the refused batch noted is still noted: status %d: %s", r.status, r.body)
	}
	must(t, h.stop())
}

// TestFeedbackSubject lets nobody who only holds an answer's token say whose opinion it is.
func TestFeedbackSubject(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("shop", nil, "generate", "feedback"), key("writer", nil, "generate")}
	}})
	anonymous := h.ask("default", "hi", bearer("writer")...).Nightshift
	for _, c := range []struct {
		id, token string
		headers   []string
		named     bool
	}{
		{"token", anonymous.FeedbackToken, nil, false},
		{"token-and-another-role", anonymous.FeedbackToken, bearer("writer"), false},
		{"token-and-role", anonymous.FeedbackToken, bearer("shop"), true},
		{"role", "", bearer("shop"), true},
	} {
		body, err := json.Marshal(map[string]any{"interaction": anonymous.Interaction, "token": c.token, "id": c.id, "rating": 1, "user": "mallory"})
		must(t, err)
		if c.token == "" {
			body = []byte(strings.Replace(string(body), `"token":"",`, "", 1))
		}
		if r := h.post("/v1/feedback", string(body), c.headers...); r.status != 202 {
			t.Fatalf("%s: status %d: %s", c.id, r.status, r.body)
		}
		events, _, err := h.store.Scan(context.Background(), "default", "", 100)
		must(t, err)
		if f := events[len(events)-1].Feedback; f == nil || f.ID != c.id || (f.Subject != "") != c.named {
			t.Errorf("%s: kept %+v; is the person named: want %v", c.id, f, c.named)
		}
	}
}

// TestEditorsFeedback: the flag is kept where its sender has the role for the track, and refused by name from everybody else.
func TestEditorsFeedback(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.Tracks = []string{"support"}
		c.API.Keys = []api.Key{key("chief", nil, "admin"), key("rater", nil, "feedback", "generate"), key("desk", []string{"support"}, "editor"), key("elsewhere", []string{"default"}, "editor")}
	}})
	a := h.ask("support", "hi", bearer("rater")...).Nightshift
	body := func(id, extra string) string {
		return fmt.Sprintf(`{"interaction":%q,"id":%q,"correction":"x","editor":true%s}`, a.Interaction, id, extra)
	}
	token := fmt.Sprintf(`,"token":%q`, a.FeedbackToken)
	for _, c := range []struct {
		who, body   string
		status      int
		code, param string
	}{
		{"", body("1", token), 403, "role_missing", "editor"},
		{"rater", body("2", ""), 403, "role_missing", "editor"},
		{"rater", body("3", token), 403, "role_missing", "editor"},
		{"elsewhere", body("4", token), 403, "role_missing", "editor"},
		{"rater", `{"items":[` + strings.Replace(body("5", ""), "true", "false", 1) + `,` + body("6", "") + `]}`, 403, "role_missing", "items[1].editor"},
		{"rater", strings.Replace(body("7", ""), "true", `"yes"`, 1), 400, "wrong_type", "editor"},
		{"desk", body("desk", `,"user":"ed"`), 202, "", ""},
		{"desk", body("desk-token", token), 202, "", ""},
		{"chief", body("chief", ""), 202, "", ""},
		{"rater", strings.Replace(body("plain", ""), "true", "false", 1), 202, "", ""},
		{"desk", strings.Replace(body("desk", `,"user":"ed"`), "true", "false", 1), 409, "feedback_exists", "id"},
	} {
		var headers []string
		if c.who != "" {
			headers = bearer(c.who)
		}
		r := h.post("/v1/feedback", c.body, headers...)
		if r.status != c.status {
			t.Errorf("%s as %q: status %d, want %d: %s", c.body, c.who, r.status, c.status, r.body)
		} else if c.code != "" {
			if code, param, _ := r.problem(t); code != c.code || param != c.param {
				t.Errorf("%s as %q: code %q, param %q, want %q, %q", c.body, c.who, code, param, c.code, c.param)
			}
		}
	}
	events, _, err := h.store.Scan(context.Background(), "support", "", 100)
	must(t, err)
	kept := map[string]bool{}
	for _, e := range events {
		if f := e.Feedback; f != nil {
			kept[f.ID] = f.Editor
			if f.ID == "desk" && f.Subject == "" {
				t.Error("the editor's own name is lost")
			}
		}
	}
	if want := map[string]bool{"desk": true, "desk-token": true, "chief": true, "plain": false}; !maps.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
}

// TestEditorWithoutKeys: a server that only its own machine can reach takes everybody's word.
func TestEditorWithoutKeys(t *testing.T) {
	h := open(t, options{})
	a := h.ask("default", "hi").Nightshift
	if r := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"token":%q,"correction":"x","editor":true}`, a.Interaction, a.FeedbackToken)); r.status != 202 {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	if r := h.get("/v1/status"); !strings.Contains(string(r.body), `"roles":["admin"]`) {
		t.Errorf("status: %s", r.body)
	}
}
