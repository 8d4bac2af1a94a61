package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nightshift/internal/teach"
	"nightshift/replaystore"
	"nightshift/serve/api/wire"
)

// teaching is a request that teaches items.
func teaching(more string, items ...string) string {
	return fmt.Sprintf(`{"track":"default","batch":"b1",%s"items":[%s]}`, more, strings.Join(items, ","))
}

// item is one question with its answer.
func item(question, answer string) string {
	return fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"answer":%q,"source":"file:a.md#3"}`, question, answer)
}

// TestTeach looks at questions with their answers, and then teaches them: what nobody said and what changes something is kept as an editor's
// correction of what the model says.
func TestTeach(t *testing.T) {
	h := open(t, nil)
	key := func(q string) string { return teach.Key([]replaystore.Message{{Role: "user", Content: q}}) }
	h.recorder.known = map[string]Said{
		key("changed"): {Answer: "old", Source: "file:old.csv#9", Time: time.Now()}, key("by a user"): {Answer: "old"}, key("by an editor"): {Answer: "old", Editor: true},
		key("waits"): {Answer: "the  same", Editor: true}, key("learned"): {Answer: "the same", Learned: true}}
	items := []string{item("new", " answer "), item("changed", "now"), item("by a user", "now"), item("by an editor", "now"), item("waits", "the same"), item("learned", "the same"),
		item("long", strings.Repeat("word ", 5000)), item("private", "write to ann@example.com")}
	states := func(r wire.Taught) string {
		var list []string
		for _, it := range r.Items {
			list = append(list, fmt.Sprintf("%s/%t/%s/%s", it.State, it.Taught, it.By, strings.Join(it.Rules, "+")))
		}
		return strings.Join(list, " ")
	}
	look := into[wire.Taught](t, h.post("/v1/teach", teaching(`"dry_run":true,`, items...)), 200)
	const want = "new/false// changes/false/file:old.csv#9/ changes/false/a user/ changes/false/an editor/ said/false// learned/false// too_long/false// redacted/false//email"
	if got := states(look); got != want || look.Taught != 0 || look.Subject != "teach:b1" || look.Items[1].Before != "old" || look.Items[0].Tokens == 0 || look.Context == 0 {
		t.Errorf("looked at: %s\nwant %s\n%+v", got, want, look)
	}
	if len(h.recorder.interactions)+len(h.recorder.feedback) != 0 {
		t.Error("looking kept something")
	}
	taught := into[wire.Taught](t, h.post("/v1/teach", teaching("", items...)), 200)
	if taught.Taught != 4 || len(h.recorder.interactions) != 4 || len(h.recorder.feedback) != 4 || strings.Count(states(taught), "/true/") != 4 {
		t.Fatalf("taught %s; %d interactions, %d corrections", states(taught), len(h.recorder.interactions), len(h.recorder.feedback))
	}
	for i, f := range h.recorder.feedback {
		in := h.recorder.interactions[f.Interaction]
		if !f.Editor || f.Source != "file:a.md#3" || f.Subject != "hash-of-teach:b1" || in.Subject != f.Subject || in.Answer != "Hello <there>." || in.Sampling.Temperature != 0 || in.Sampling.MinTokens != 1 ||
			f.Interaction != taught.Items[i].Interaction || taught.Items[i].Answered != in.Answer || !f.Time.Equal(h.recorder.feedback[0].Time) {
			t.Errorf("kept %+v of %+v", f, in)
		}
	}
	if *h.recorder.feedback[0].Correction != "answer" {
		t.Errorf("the answer is kept as %q", *h.recorder.feedback[0].Correction)
	}
	if again := into[wire.Taught](t, h.post("/v1/teach", teaching(`"again":true,`, items[4:]...)), 200); again.Taught != 2 {
		t.Errorf("again: %s", states(again))
	}
	if none := into[wire.Taught](t, h.post("/v1/teach", teaching("", items[4:]...)), 200); none.Taught != 0 {
		t.Errorf("what is known: %s", states(none))
	}
}

// TestTeachRefused: what is wrong is refused by its name, and nothing of it is kept.
func TestTeachRefused(t *testing.T) {
	h := open(t, nil)
	many := make([]string, maxTeach+1)
	for i := range many {
		many[i] = item(fmt.Sprint("question ", i), "a")
	}
	for _, c := range []struct{ body, code, param string }{
		{teaching(""), "missing_field", "items"},
		{teaching("", many...), "invalid_value", "items"},
		{strings.Replace(teaching("", item("q", "a")), "b1", "b 1", 1), "invalid_value", "batch"},
		{strings.Replace(teaching("", item("q", "a")), "b1", strings.Repeat("b", maxBatch+1), 1), "invalid_value", "batch"},
		{strings.Replace(teaching("", item("q", "a")), `"track":"default",`, "", 1), "missing_field", "track"},
		{teaching("", item("q", " ")), "invalid_value", "items[0].answer"},
		{teaching("", item("a", "a"), item("Q", "a"), item("q!", "b")), "invalid_value", "items[2]"},
		{teaching("", strings.Replace(item("q", "a"), "file:a.md#3", "", 1)), "missing_field", "items[0].source"},
		{teaching("", strings.Replace(item("q", "a"), "file:a.md#3", strings.Repeat("x", 257), 1)), "invalid_value", "items[0].source"},
		{teaching("", strings.Replace(item("q", "a"), "user", "assistant", 1)), "invalid_value", "items[0].messages"},
		{teaching("", `{"messages":[],"answer":"a","source":"s"}`), "invalid_value", "messages"},
		{teaching(`"x":1,`, item("q", "a")), "unknown_field", "x"},
	} {
		e := h.post("/v1/teach", c.body).refused(t, 400, c.code)
		if e.Param == nil || *e.Param != c.param {
			t.Errorf("%.120s: about %v, want %s", c.body, e.Param, c.param)
		}
	}
	h.post("/v1/teach", strings.Replace(teaching("", item("q", "a")), "default", "nowhere", 1)).refused(t, 404, "model_not_found")
	h.recorder.err = errors.New("the disk is full")
	h.post("/v1/teach", teaching("", item("q", "a"))).refused(t, 500, "internal_error")
	if len(h.recorder.feedback) != 0 {
		t.Errorf("kept %+v", h.recorder.feedback)
	}
}

// TestTeachNeedsAnEditor: no other role may teach, nor an editor of another track.
func TestTeachNeedsAnEditor(t *testing.T) {
	h := open(t, func(c *Config) {
		c.Keys = []Key{{Name: "editor", Key: "an editor's key 1", Roles: []string{roleEditor}, Tracks: []string{"default"}}, {Name: "client", Key: "a client's key 01", Roles: []string{roleGenerate, roleFeedback}}}
	})
	body := teaching("", item("q", "a"))
	h.post("/v1/teach", body).refused(t, 401, "missing_api_key")
	h.post("/v1/teach", body, "Authorization", "Bearer a client's key 01").refused(t, 403, "role_missing")
	h.post("/v1/teach", strings.Replace(body, "default", "support", 1), "Authorization", "Bearer an editor's key 1").refused(t, 403, "track_not_allowed")
	if got := into[wire.Taught](t, h.post("/v1/teach", body, "Authorization", "Bearer an editor's key 1"), 200); got.Taught != 1 {
		t.Errorf("an editor teaches %+v", got)
	}
}
