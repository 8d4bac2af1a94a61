package serve_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
)

// TestPromptOfTokens gives a prompt as text and as its tokens: the answers, the echo and the records are the same.
func TestPromptOfTokens(t *testing.T) {
	h := open(t, options{})
	const prompt = "the quick brøwn fox <|user|> 🏕"
	words := h.engine.Model().Tokenizer
	ids := words.Encode(nil, prompt)
	list, err := json.Marshal(ids)
	must(t, err)
	post := func(prompt string) reading {
		return h.generate(textPath, fmt.Sprintf(`{"model":"default","prompt":%s,"max_tokens":9,"temperature":0,"ignore_eos":true,"echo":true,"logprobs":1}`, prompt))
	}
	want := post(fmt.Sprintf("%q", prompt))
	for _, given := range []string{fmt.Sprintf("[%q]", prompt), string(list), "[" + string(list) + "]"} {
		got := post(given)
		if got.texts()[0] != want.texts()[0] || string(got.Choices[0].Logprobs) != string(want.Choices[0].Logprobs) || *got.Usage != *want.Usage {
			t.Errorf("prompt %s: %q, %s; want %q, %s", given, got.texts(), got.Choices[0].Logprobs, want.texts(), want.Choices[0].Logprobs)
		}
		kept, found, err := h.store.Interaction(t.Context(), "default", got.Nightshift.Interaction)
		if err != nil || !found || kept.Messages[0].Content != prompt || !slices.Equal(kept.PromptTokens, ids) {
			t.Errorf("prompt %s is kept as %+v, %v, %v", given, kept, found, err)
		}
	}
	tent, tree := words.Encode(nil, "🏕"), words.Encode(nil, "a")
	broken, err := json.Marshal(append(tree, tent[0])) // ends within a character
	must(t, err)
	a := post(string(broken))
	kept, found, err := h.store.Interaction(t.Context(), "default", a.Nightshift.Interaction)
	if err != nil || !found || kept.Messages[0].Content != "a\ufffd" || len(kept.PromptTokens) != 2 || !strings.HasPrefix(a.texts()[0], "a\ufffd") {
		t.Errorf("half a character is kept as %+v, %v, %v and answered with %q", kept, found, err, a.texts())
	}
}

// TestPrompts sends several prompts at once: each is answered as it would be alone, with indices counted through, records and
// feedback tokens of their own, and the usage of all; streamed, too.
func TestPrompts(t *testing.T) {
	h := open(t, options{})
	tent, err := json.Marshal(h.engine.Model().Tokenizer.Encode(nil, "return a tent"))
	must(t, err)
	const format = `{"model":"default","prompt":%s,"max_tokens":7,"temperature":1,"seed":5,"logprobs":1,"echo":true%s}`
	alone := []string{`"the quick"`, `"how long may"`, string(tent)}
	spelled := []string{"the quick", "how long may", "return a tent"}
	for _, more := range []string{"", `,"n":3`, `,"n":2,"best_of":4`} {
		var want reading
		prompts, completions := 0, 0
		for _, p := range alone {
			one := h.generate(textPath, fmt.Sprintf(format, p, more))
			want.Choices = append(want.Choices, one.Choices...)
			prompts, completions = prompts+one.Usage.Prompt, completions+one.Usage.Completion
		}
		each := len(want.Choices) / len(alone)
		together := fmt.Sprintf(format, "["+strings.Join(alone, ",")+"]", more)
		got := h.generate(textPath, together)
		if u := got.Usage; len(got.Choices) != len(want.Choices) || u.Prompt != prompts || u.Completion != completions || u.Total != prompts+completions {
			t.Fatalf("%s: %d choices, %+v; want %d, %d and %d tokens", more, len(got.Choices), u, len(want.Choices), prompts, completions)
		}
		for i, c := range got.Choices {
			if c.Index != i || c.Text != want.Choices[i].Text || string(c.Logprobs) != string(want.Choices[i].Logprobs) || c.Finish != want.Choices[i].Finish {
				t.Errorf("%s: choice %d is %+v, alone %+v", more, i, c, want.Choices[i])
			}
			kept, found, err := h.store.Interaction(t.Context(), "default", c.From.Interaction)
			if err != nil || !found || kept.Messages[0].Content != spelled[i/each] || spelled[i/each]+kept.Answer != c.Text {
				t.Errorf("%s: the record of choice %d: %+v, %v, %v", more, i, kept, found, err)
			}
			if rated := h.post("/v1/feedback", fmt.Sprintf(`{"interaction":%q,"token":%q,"rating":"up"}`, c.From.Interaction, c.From.FeedbackToken)); rated.status != 202 {
				t.Errorf("%s: rating choice %d: %s", more, i, rated.body)
			}
		}
		if strings.Contains(more, "best_of") {
			continue
		}
		streamed, _, _ := h.streamed(textPath, together)
		if !slices.Equal(streamed.texts(), got.texts()) || *streamed.Usage != *got.Usage {
			t.Errorf("%s: streamed %q, %+v; whole %q, %+v", more, streamed.texts(), streamed.Usage, got.texts(), got.Usage)
		}
	}
}

// TestPromptsOfOneVersion wants one version for all prompts of a request, however often the champion changes meanwhile.
func TestPromptsOfOneVersion(t *testing.T) {
	h := open(t, options{})
	h.put("default", 1, nil)
	h.put("default", 2, nil)
	stop, changing := make(chan struct{}), make(chan struct{})
	defer func() {
		close(stop)
		<-changing
	}()
	go func() {
		defer close(changing)
		for number := 1; ; number = 3 - number {
			select {
			case <-stop:
				return
			default:
				h.post("/v1/tracks/default/activate", fmt.Sprintf(`{"version":%d}`, number))
			}
		}
	}()
	body := `{"model":"default","prompt":["a"` + strings.Repeat(`,"a"`, 127) + `],"max_tokens":4,"temperature":0,"ignore_eos":true}`
	said := func(version string) string {
		return h.generate(textPath, `{"model":"default@`+version+`","prompt":"a","max_tokens":4,"temperature":0,"ignore_eos":true}`).texts()[0]
	}
	want := map[int]string{1: said("1"), 2: said("2")}
	if want[1] == want[2] {
		t.Fatalf("both versions say %q", want[1])
	}
	changes, last := 0, 0
	h.await("the version has changed between many answers", func() bool {
		a := h.generate(textPath, body)
		if a.Nightshift.Version == nil {
			return false // the first activation is in progress
		}
		version := *a.Nightshift.Version
		for _, text := range a.texts() {
			if text != want[version] {
				t.Fatalf("an answer of version %d holds %q, it says %q", version, text, want[version])
			}
		}
		if version != last {
			changes, last = changes+1, version
		}
		return changes == 12
	})
}

// TestPromptsTogetherAreRefused has a queue without room for all prompts: none is answered, and what had begun ends.
func TestPromptsTogetherAreRefused(t *testing.T) {
	h := open(t, options{engine: engine.Config{Slots: 1, Queue: 2}})
	for _, stream := range []string{"false", "true"} {
		r := h.post(textPath, `{"model":"default","prompt":["a"`+strings.Repeat(`,"a"`, 40)+`],"max_tokens":200,"ignore_eos":true,"stream":`+stream+`}`)
		if code, _, _ := r.problem(t); r.status != 429 || code != "queue_full" || r.header.Get("Retry-After") == "" {
			t.Errorf("stream %s: status %d, %s, %v", stream, r.status, r.body, r.header)
		}
		h.await("nothing is left of it", func() bool { s := h.engine.Stats(); return s.Active == 0 && s.Waiting == 0 })
	}
}
