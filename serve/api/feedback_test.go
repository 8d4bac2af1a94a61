package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/serve/api/wire"
)

// TestFeedbackIsIdempotent gives the same feedback twice, another under the same id, and a batch of which one is refused.
func TestFeedbackIsIdempotent(t *testing.T) {
	h := open(t, nil)
	r := h.post("/v1/chat/completions", `{"model":"default","user":"ann",`+hello+`}`)
	id := r.header.Get(wire.HeaderInteraction)
	up := fmt.Sprintf(`{"interaction":"chatcmpl-%s","id":"f1","rating":"up","user":"bob"}`, id)
	for range 2 {
		if r := h.post("/v1/feedback", up); r.status != 202 || r.body != `{"accepted":1,"ids":["f1"]}` {
			t.Errorf("status %d, %s", r.status, r.body)
		}
	}
	if e := h.post("/v1/feedback", strings.Replace(up, "up", "down", 1)).refused(t, 409, "feedback_exists"); *e.Param != "id" {
		t.Errorf("a conflict about %s", *e.Param)
	}
	if len(h.recorder.feedback) != 1 {
		t.Fatalf("kept %d items", len(h.recorder.feedback))
	}
	if f := h.recorder.feedback[0]; f.Interaction != id || f.Track != "default" || *f.Rating != 1 || f.Subject != "hash-of-bob" || f.Editor {
		t.Errorf("kept %+v", f)
	}
	batch := into[wire.FeedbackAccepted](t, h.post("/v1/feedback", fmt.Sprintf(`{"items":[{"interaction":%q,"rating":-0.5},{"interaction":%[1]q,"comment":"fine"}]}`, id)), 202)
	if batch.Accepted != 2 || len(slices.Compact(batch.IDs)) != 2 || len(h.recorder.feedback) != 3 {
		t.Errorf("a batch: %+v, %d kept", batch, len(h.recorder.feedback))
	}
	e := h.post("/v1/feedback", fmt.Sprintf(`{"items":[{"interaction":%q,"rating":1},{"interaction":"none","rating":1}]}`, id)).refused(t, 404, "interaction_not_found")
	if *e.Param != "items[1].interaction" || len(h.recorder.feedback) != 3 {
		t.Errorf("a batch with one that is unknown: about %s, %d kept", *e.Param, len(h.recorder.feedback))
	}
	h.recorder.err = errors.New("the disk is full")
	h.post("/v1/feedback", up).refused(t, 500, "internal_error")
}

// TestFeedbackSizes gives as much as the limits allow, and one more.
func TestFeedbackSizes(t *testing.T) {
	h := open(t, nil)
	id := h.post("/v1/chat/completions", `{"model":"default",`+hello+`}`).header.Get(wire.HeaderInteraction)
	longest := h.server.maxCorrection()
	give := func(field, value string) string { return fmt.Sprintf(`{"interaction":%q,%q:%s}`, id, field, value) }
	long := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }
	many := func(n int) string {
		return `{"items":[` + strings.TrimSuffix(strings.Repeat(give("rating", "1")+",", n), ",") + `]}`
	}
	for _, c := range []struct {
		within, beyond, param string
	}{
		{give("comment", long(maxComment)), give("comment", long(maxComment+1)), "comment"}, {give("correction", long(longest)), give("correction", long(longest+1)), "correction"},
		{give("rating", "-1"), give("rating", "-1.01"), "rating"}, {give("rating", `"down"`), give("rating", `"meh"`), "rating"}, {give("correction", `"x"`), give("correction", `""`), "correction"},
		{strings.Replace(give("rating", "1"), "{", `{"id":`+long(64)+",", 1), strings.Replace(give("rating", "1"), "{", `{"id":`+long(129)+",", 1), "id"}, {many(maxFeedback), many(maxFeedback + 1), "items"},
	} {
		if r := h.post("/v1/feedback", c.within); r.status != 202 {
			t.Errorf("%.60s: status %d, %s", c.within, r.status, r.body)
		}
		if e := h.post("/v1/feedback", c.beyond).refused(t, 400, "invalid_value"); e.Param == nil || *e.Param != c.param {
			t.Errorf("%.60s: %+v", c.beyond, e)
		}
	}
}

// TestWhoMayRate gives feedback with the answer's token, with keys, and with neither.
func TestWhoMayRate(t *testing.T) {
	h := open(t, func(c *Config) {
		c.Keys = []Key{apiKey("gen", nil, roleGenerate), apiKey("rate", nil, roleFeedback), apiKey("edit", []string{"default"}, roleEditor), apiKey("far", []string{"support"}, roleEditor)}
	})
	r := h.post("/v1/chat/completions", `{"model":"default","user":"ann",`+hello+`}`, bearer("gen")...)
	id, token := r.header.Get(wire.HeaderInteraction), r.header.Get(wire.HeaderFeedback)
	for _, c := range []struct {
		name, rest, key string
		status          int
		code, subject   string
	}{
		{"the token alone", `"token":"` + token + `","user":"eve"`, "", 202, "", ""},
		{"the token, and a key that may not rate", `"token":"` + token + `","user":"eve"`, "gen", 202, "", ""},
		{"the token, and a key that may", `"token":"` + token + `","user":"bob"`, "rate", 202, "", "hash-of-bob"},
		{"a key that may", `"user":"bob"`, "rate", 202, "", "hash-of-bob"},
		{"an editor", `"editor":true`, "edit", 202, "", ""},
		{"nothing", `"user":"bob"`, "", 401, "missing_token", ""},
		{"a key that may not", `"user":"bob"`, "gen", 403, "role_missing", ""},
		{"another's token", `"token":"default.AAAA"`, "rate", 403, "wrong_token", ""},
		{"no token at all", `"token":"x"`, "", 403, "wrong_token", ""},
		{"an editor by word only", `"editor":true`, "rate", 403, "role_missing", ""},
		{"an editor of another track", `"editor":true`, "far", 404, "interaction_not_found", ""},
		{"an editor of another track with the token", `"editor":true,"token":"` + token + `"`, "far", 403, "role_missing", ""},
	} {
		before := len(h.recorder.feedback)
		var headers []string
		if c.key != "" {
			headers = bearer(c.key)
		}
		r := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"rating":1,%s}`, id, c.rest), headers...)
		if c.status != 202 {
			r.refused(t, c.status, c.code)
			continue
		}
		if r.status != 202 || len(h.recorder.feedback) != before+1 {
			t.Errorf("%s: status %d, %s", c.name, r.status, r.body)
			continue
		}
		if f := h.recorder.feedback[before]; f.Subject != c.subject || f.Track != "default" || f.Editor != strings.Contains(c.rest, "editor") {
			t.Errorf("%s: kept %+v", c.name, f)
		}
	}
}
