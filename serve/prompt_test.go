package serve_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/models/demo"
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

// TestSpecialTokensAreRefused wants no special token in a prompt, at any place.
func TestSpecialTokensAreRefused(t *testing.T) {
	h := open(t, options{})
	for _, special := range demo.Specials() {
		id, ok := h.engine.Model().Tokenizer.ID(special)
		if !ok {
			t.Fatalf("the model has no %s", special)
		}
		for format, at := range map[string]string{`[%d]`: "prompt[0]", `[65,66,%d,67]`: "prompt[2]", `[[65,%d]]`: "prompt[0][1]"} {
			r := h.post(textPath, `{"model":"default","max_tokens":2,"prompt":`+fmt.Sprintf(format, id)+`}`)
			if code, param, message := r.problem(t); r.status != 400 || code != "special_token" || param != at || !strings.Contains(message, at) {
				t.Errorf("%s at %s: status %d, %s, %s: %s", special, at, r.status, code, param, message)
			}
		}
	}
	if n := h.engine.Stats().Requests; n != 0 {
		t.Errorf("%d requests came to the engine", n)
	}
}
