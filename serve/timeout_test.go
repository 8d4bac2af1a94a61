package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/serve"
)

// TestTimeout asks for an answer with more and more time until it is whole: what comes before ends with the reason timeout and is
// the beginning of it, and is recorded as that.
func TestTimeout(t *testing.T) {
	h := open(t, options{})
	body := func(more string) string {
		return `{"model":"default","prompt":"a","max_tokens":240,"temperature":0,"ignore_eos":true,"logprobs":0` + more + `}`
	}
	tokens := func(logprobs json.RawMessage) []string {
		var v textLogprobs
		must(t, json.Unmarshal(logprobs, &v))
		return v.Tokens
	}
	whole := h.generate(textPath, body(`,"timeout":3600`)).Choices[0]
	if whole.Finish != "length" {
		t.Fatalf("with an hour: %s", whole.Finish)
	}
	want := tokens(whole.Logprobs)
	cut := map[int]string{} // tokens: interaction
	for seconds := 0.001; ; seconds *= 1.2 {
		r := h.post(textPath, body(fmt.Sprintf(`,"timeout":%v`, seconds)))
		if r.status == 429 { // the time was up before its turn came
			continue
		}
		var v reading
		must(t, json.Unmarshal(r.body, &v))
		if r.status != 200 || len(v.Choices) != 1 {
			t.Fatalf("%v seconds: status %d, %s", seconds, r.status, r.body)
		}
		got := tokens(v.Choices[0].Logprobs)
		if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || v.Usage.Completion != len(got) {
			t.Fatalf("%v seconds: tokens %q (%d) do not begin %q", seconds, got, v.Usage.Completion, want)
		}
		if finish := v.Choices[0].Finish; finish == "length" && len(got) == 240 {
			break
		} else if finish != "timeout" || len(got) >= 240 {
			t.Fatalf("%v seconds: %d tokens, %s", seconds, len(got), finish)
		}
		if len(got) > 0 {
			cut[len(got)] = v.Nightshift.Interaction
		}
	}
	if len(cut) == 0 {
		t.Fatal("no answer was cut off")
	}
	for n, id := range cut {
		in, ok, err := h.store.Interaction(context.Background(), "default", id)
		if err != nil || !ok || in.Finish != "timeout" || len(in.AnswerTokens) != n {
			t.Errorf("recorded: %d tokens, %s, %v; want %d", len(in.AnswerTokens), in.Finish, err, n)
		}
	}
}

// TestTimeoutInTheQueue lets a request wait for a slot for longer than it may take.
func TestTimeoutInTheQueue(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1}, cfg: func(c *serve.Config) { c.API.MaxWait = 0 }})
	first := make(chan reply, 1)
	go func() {
		first <- h.post(textPath, `{"model":"default","prompt":"a","max_tokens":240,"ignore_eos":true,"n":8}`)
	}()
	h.await("the slot is taken", func() bool { return h.engine.Stats().Waiting > 3 })
	r := h.post(textPath, `{"model":"default","prompt":"a","max_tokens":250,"timeout":0.001}`)
	if code, _, message := r.problem(t); r.status != 429 || code != "queue_full" || !strings.Contains(message, "not started within") || r.header.Get("Retry-After") == "" {
		t.Errorf("status %d, %s", r.status, r.body)
	}
	if r := <-first; r.status != 200 {
		t.Errorf("what took the slot: %d, %s", r.status, r.body)
	}
}
