package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

type bodyKey struct{}

func withBody(ctx context.Context, body map[string]any) context.Context {
	return context.WithValue(ctx, bodyKey{}, body)
}

const digest17 = "sha256:9f2c41d07be64b1f8c1de3a5d0aa0f8f6f4d1fd5ad2f5be0e7c9a1b2c3d4e5f6"

func (f *fixture) status(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	auth, store := "none", map[string]any{"kind": "local", "degraded": false}
	if f.key != "" {
		auth = "keys"
	}
	if f.degraded {
		store = map[string]any{"kind": "redis", "degraded": true, "detail": "spooling to the journal"}
	}
	roles := []string{"admin"}
	if f.public {
		roles = []string{"generate", "feedback"}
	}
	send(w, 200, map[string]any{
		"roles": roles, "version": "0.1.0", "model": "demo-4x192", "uptime_seconds": 4210, "store": store, "auth": auth,
		"updater": "in-process", "schedule": "daily at 03:00 Europe/Berlin",
	})
}

func (f *fixture) models(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	send(w, 200, map[string]any{"object": "list", "data": []any{
		map[string]any{"id": "support", "object": "model", "created": 1, "owned_by": "nightshift", "champion": name(f.champion)},
		map[string]any{"id": "default", "object": "model", "created": 1, "owned_by": "nightshift", "champion": "default@base"},
	}})
}

func name(version any) string {
	if version == nil {
		return "support@base"
	}
	return fmt.Sprintf("support@%v", version)
}

func (f *fixture) tracks(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	digest := digest17
	if f.champion == nil {
		digest = ""
	}
	var hold any
	if f.held {
		hold = map[string]any{"reason": hostile, "since": "2026-03-02T09:00:00Z"}
	}
	send(w, 200, map[string]any{"data": []any{
		map[string]any{"track": "support", "versions": 17, "interactions": 48210, "feedback": 1934, "champion": map[string]any{
			"version": f.champion, "digest": digest, "activation": f.number, "since": "2026-03-02T03:14:00Z", "hold": hold,
		}},
		map[string]any{"track": "default", "versions": 0, "interactions": 12, "feedback": 0, "champion": map[string]any{"version": nil, "digest": "", "activation": 0}},
	}})
}

func (f *fixture) adapters(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("track") != "support" {
		send(w, 200, map[string]any{"data": []any{}})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	row := func(version float64, digest, state, gate string, examples int) map[string]any {
		if f.champion == version {
			state = "champion"
		} else if state == "champion" {
			state = "previous"
		}
		return map[string]any{
			"track": "support", "version": version, "digest": "sha256:" + digest, "created": fmt.Sprintf("2026-03-%02.0fT03:14:00Z", version-15),
			"night": fmt.Sprintf("n-%.0f", version), "parent": "", "state": state, "examples": examples, "gate": gate, "self_test": "pass",
		}
	}
	send(w, 200, map[string]any{"data": []any{
		row(16, "51d09c7be2aa41b8", "previous", "pass", 208),
		row(17, digest17[7:], "champion", "pass", 246),
		row(18, "c0ffee5ab1e0d15c", "rejected", "reject", 97),
	}})
}

func (f *fixture) nights(w http.ResponseWriter, r *http.Request) {
	send(w, 200, map[string]any{"data": []any{night("n-18", "rejected"), night("n-17", "published")}})
}

func (f *fixture) night(w http.ResponseWriter, r *http.Request) {
	switch id := r.PathValue("id"); id {
	case "n-live":
		send(w, 200, map[string]any{
			"id": id, "track": "support", "state": "queued", "started": "2026-03-03T03:00:00Z", "finished": nil, "candidate": nil,
			"progress": map[string]any{"phase": "queued"}, "selection": nil, "curve": nil, "verdict": nil, "log": nil,
		})
	case "n-17":
		send(w, 200, night(id, "published"))
	case "n-18":
		send(w, 200, night(id, "rejected"))
	default:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(404)
		_, _ = fmt.Fprint(w, `{"error":{"message":"There is no night nope.","type":"not_found_error","param":null,"code":"night_not_found"}}`)
	}
}

// night is a finished night with everything in it.
func night(id, state string) map[string]any {
	pass := state == "published"
	var curve []any
	for step := 1; step <= 120; step++ {
		loss := 0.42 + 2.1/(1+float64(step)/14) + 0.05*float64(step*step%7)/7
		curve = append(curve, map[string]any{"step": step, "loss": loss, "lr": 2e-4, "grad_norm": 0.7})
	}
	check := func(name string, pass bool, value, low, high, limit any, detail string) map[string]any {
		return map[string]any{"name": name, "pass": pass, "value": value, "low": low, "high": high, "limit": limit, "detail": detail}
	}
	retention := check("retention", true, 0.004, -0.002, 0.011, 0.03, "anchor set shop, 160 questions")
	reason := ""
	if !pass {
		retention = check("retention", false, 0.071, 0.048, 0.094, 0.03, hostile)
		reason = "retention did not pass"
	}
	return map[string]any{
		"id": id, "track": "support", "state": state, "reason": reason, "started": "2026-03-02T03:00:00Z", "finished": "2026-03-02T03:04:12Z",
		"progress":  map[string]any{"phase": "gating", "step": 1, "steps": 1, "eta_seconds": 0},
		"selection": map[string]any{"examples": 246, "new": 123, "rehearsal": 123, "held_out": 31, "anchors": 160, "subjects": 24},
		"curve":     curve,
		"verdict": map[string]any{"pass": pass, "checks": []any{
			check("gain", true, 0.412, 0.305, 0.521, 0, ""), check("taught", true, 0.93, 0.87, 0.97, 0.75, ""), retention,
			check("drift", true, 0.038, nil, nil, 0.1, ""), check("behaviour", true, 1.04, nil, nil, nil, "length ratio 1.04"),
			check("evidence", true, 123, nil, nil, 20, "24 people"),
		}},
		"candidate": map[string]any{"version": 17, "digest": digest17},
		"log":       []any{"selected 246 examples", "trained 120 steps", map[string]any{"time": "2026-03-02T03:04:00Z", "message": hostile}},
	}
}

// chat streams one answer in parts. The text of the question decides what goes wrong.
func (f *fixture) chat(w http.ResponseWriter, r *http.Request) {
	body, _ := r.Context().Value(bodyKey{}).(map[string]any)
	messages, _ := body["messages"].([]any)
	question := ""
	if len(messages) > 0 {
		question, _ = messages[len(messages)-1].(map[string]any)["content"].(string)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Nightshift-Adapter", "support@17")
	write := func(data string) { _, _ = fmt.Fprintf(w, "data: %s\n\n", data); w.(http.Flusher).Flush() }
	delta := func(text string) {
		encoded, _ := json.Marshal(text)
		write(`{"object":"chat.completion.chunk","model":"support@17","choices":[{"index":0,"delta":{"content":` + string(encoded) + `},"finish_reason":null}]}`)
	}
	next := func() bool {
		select {
		case <-f.step:
			return true
		case <-r.Context().Done():
			f.gone <- struct{}{}
			return false
		}
	}
	write(`{"object":"chat.completion.chunk","model":"support@17","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`)
	answer := []string{"You can return goods within ", "30 days", ". The grüne Karte comes along 🌙."}
	if question == "hostile" {
		answer = []string{hostile}
	}
	for i, part := range answer {
		if i > 0 && !next() {
			return
		}
		delta(part)
		if question == "break" {
			write(`{"error":{"message":"The engine ran out of slots.","type":"server_error","param":null,"code":"overloaded"}}`)
			return
		}
	}
	write(`{"object":"chat.completion.chunk","model":"support@17","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"nightshift":{"interaction":"01J8","track":"support","version":17,` +
		`"digest":"` + digest17 + `","feedback_token":"tok-9","logged":true},"timings":{"queue_ms":0.2,"prefill_ms":8,"decode_ms":70,"first_token_ms":8.4,"tokens_per_second":182.4}}`)
	write(`{"object":"chat.completion.chunk","model":"support@17","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":14,"total_tokens":23}}`)
	write("[DONE]")
}

// events sends what the test puts into f.event, one SSE event each.
func (f *fixture) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	for {
		select {
		case text := <-f.event:
			if text == "" {
				return // the connection ends
			}
			_, _ = fmt.Fprint(w, text)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// tell hands one event to the night's stream that is open.
func (f *fixture) tell(event string, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		f.t.Fatalf("encode event: %v", err)
	}
	select {
	case f.event <- fmt.Sprintf("event: %s\ndata: %s\n\n", event, encoded):
	case <-time.After(10 * time.Minute):
		f.t.Fatal("no page listens to the night's events")
	}
}

func (f *fixture) change(w http.ResponseWriter, r *http.Request) {
	body, _ := r.Context().Value(bodyKey{}).(map[string]any)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch action := r.PathValue("action"); {
	case r.Method == http.MethodDelete:
		f.held = false
		send(w, 200, map[string]any{"hold": false})
		return
	case action == "hold":
		f.held = true
		send(w, 200, map[string]any{"hold": true})
		return
	case action == "rollback":
		f.champion, f.held = 16.0, true
	case action == "activate":
		f.champion = body["version"]
		if f.champion == "base" {
			f.champion = nil
		}
	}
	f.number++
	send(w, 200, map[string]any{"activation": f.number, "version": f.champion, "serving": true, "swap_ms": 3.18})
}

// waiting is the plan of a night that needs more.
func waiting() map[string]any {
	need := func(name string, have, need float64) map[string]any {
		return map[string]any{"name": name, "have": have, "need": need, "met": have >= need, "text": fmt.Sprintf("%g of %g %s", have, need, name)}
	}
	return map[string]any{"track": "support", "time": "2026-03-02T09:00:00Z", "ready": false, "new": 12, "held_out": 0, "by_editors": 0, "too_young": 3, "usable": "2026-03-02T09:40:00Z",
		"unconfirmed": 20, "not_used": 2, "needs": []any{need("examples", 12, 20), need("people", 1, 3), need("held_out_corrections", 6, 6)},
		"sentences": []string{"The next night waits for more: 12 of 20 examples, 1 of 3 people.", "3 pieces of feedback wait for the minimum age of 60 minutes; the oldest can be used in 40 minutes.", "20 examples wait until more people say the same."},
		"help":      []string{"A correction by an editor needs none of this and is learned by the next night.", "More people who say the same help; an editor's correction settles it at once."}}
}

func (f *fixture) track(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.public {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"error":{"message":"This key may not see it.","type":"permission_error","param":null,"code":"role_missing"},"status":403}`)
		return
	}
	send(w, 200, map[string]any{"track": r.PathValue("track"), "next_night": f.plan})
}
