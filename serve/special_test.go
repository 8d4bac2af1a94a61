package serve_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/models/demo"
	"nightshift/replaystore"
	"nightshift/serve"
	"nightshift/serve/api"
)

// TestSpecialTokensAreRefused wants no special token in a prompt, at any place, but of keys that may.
func TestSpecialTokensAreRefused(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("writer", nil, "generate"), key("harness", nil, "generate", "special_tokens"), key("chief", nil, "admin")}
	}})
	refused := func(body, at string) {
		t.Helper()
		r := h.post(textPath, body, bearer("writer")...)
		if code, param, message := r.problem(t); r.status != 400 || code != "special_token" || param != at || !strings.Contains(message, at) || !strings.Contains(message, "role special_tokens") {
			t.Errorf("%s: status %d, %s, %s: %s", body, r.status, code, param, message)
		}
	}
	asked := h.engine.Stats().Requests
	var bodies []string
	for _, special := range demo.Specials() {
		id, ok := h.engine.Model().Tokenizer.ID(special)
		if !ok {
			t.Fatalf("the model has no %s", special)
		}
		for format, at := range map[string]string{`[%d]`: "prompt[0]", `[65,66,%d,67]`: "prompt[2]", `[[65,%d]]`: "prompt[0][1]"} {
			bodies = append(bodies, `{"model":"default","max_tokens":2,"prompt":`+fmt.Sprintf(format, id)+`}`)
			refused(bodies[len(bodies)-1], at)
		}
	}
	for _, prompt := range []string{`"the"`, `""`, `["the","tent"]`} {
		bodies = append(bodies, `{"model":"default","max_tokens":2,"add_special_tokens":true,"prompt":`+prompt+`}`)
		refused(bodies[len(bodies)-1], "add_special_tokens")
	}
	if n := h.engine.Stats().Requests - asked; n != 0 {
		t.Errorf("%d requests came to the engine", n)
	}
	for _, who := range []string{"harness", "chief"} {
		for _, body := range bodies {
			if r := h.post(textPath, body, bearer(who)...); r.status != 200 {
				t.Errorf("%s: %s: status %d, %s", who, body, r.status, r.body)
			}
		}
	}
}

// kept is the record of an answer.
func (h *house) kept(v reading) replaystore.Interaction {
	h.t.Helper()
	i, found, err := h.store.Interaction(h.t.Context(), "default", v.Nightshift.Interaction)
	if err != nil || !found {
		h.t.Fatalf("the record: %v, %v", found, err)
	}
	return i
}

// TestPromptsThatBegin puts the token that texts begin with before a prompt, by its id and by name: the answers are the same, it has
// no text unless it is asked for, and the record says that it was there.
func TestPromptsThatBegin(t *testing.T) {
	h := open(t, options{})
	m := h.engine.Model()
	words := m.Tokenizer.Encode(nil, "the tent")
	list, err := json.Marshal(append([]int32{m.Begin()}, words...))
	must(t, err)
	post := func(prompt, more string) reading {
		return h.generate(textPath, fmt.Sprintf(`{"model":"default","prompt":%s,"max_tokens":6,"temperature":0,"ignore_eos":true,"echo":true,"logprobs":1%s}`, prompt, more))
	}
	named, byID := post(`"the tent"`, `,"add_special_tokens":true`), post(string(list), "")
	for name, v := range map[string]reading{"named": named, "by its id": byID} {
		if v.texts()[0] != byID.texts()[0] || !strings.HasPrefix(v.texts()[0], "the tent") || v.Usage.Prompt != 1+len(words) {
			t.Errorf("%s: %q, %+v", name, v.texts(), v.Usage)
		}
		i := h.kept(v)
		if !i.SpecialPrompt || i.Messages[0].Content != "the tent" || !slices.Equal(i.PromptTokens, append([]int32{m.Begin()}, words...)) {
			t.Errorf("%s is kept as %+v", name, i)
		}
		var l struct {
			Tokens []string
			Offset []int `json:"text_offset"`
		}
		must(t, json.Unmarshal(v.Choices[0].Logprobs, &l))
		if l.Tokens[0] != "<|endoftext|>" || l.Offset[0] != 0 || l.Offset[1] != 0 || l.Offset[1+len(words)] != len("the tent") {
			t.Errorf("%s: tokens %q at %d", name, l.Tokens, l.Offset)
		}
	}
	if shown := post(string(list), `,"skip_special_tokens":false`); shown.texts()[0] != "<|endoftext|>"+h.shownAnswer(byID, "the tent") || h.kept(shown).Messages[0].Content != "the tent" {
		t.Errorf("shown: %q", shown.texts())
	}
	var counted struct{ Tokens []int32 }
	must(t, json.Unmarshal(h.post("/tokenize", `{"prompt":"the tent","add_special_tokens":true}`).body, &counted))
	if !slices.Equal(counted.Tokens, append([]int32{m.Begin()}, words...)) {
		t.Errorf("/tokenize: %d", counted.Tokens)
	}
	if empty := post(`""`, `,"add_special_tokens":true`); empty.Usage.Prompt != 1 {
		t.Errorf("nothing but the beginning: %+v", empty.Usage)
	}
	if several := post(`["the","the tent"]`, `,"add_special_tokens":true`); several.texts()[1] != byID.texts()[0] {
		t.Errorf("several: %q", several.texts())
	}
	plain := post(`"the tent"`, `,"add_special_tokens":false`)
	if i := h.kept(plain); i.SpecialPrompt || plain.Usage.Prompt != len(words) {
		t.Errorf("without: %+v", i)
	}
}

// shownAnswer is an echoed answer whose tokens are all shown, special ones too.
func (h *house) shownAnswer(v reading, prompt string) string {
	i := h.kept(v)
	answer, err := h.engine.Model().Tokenizer.Decode(nil, i.AnswerTokens...)
	must(h.t, err)
	return prompt + strings.ToValidUTF8(string(answer), "\ufffd")
}

// TestSpecialTokensInAnswers forces them into answers: they have no text and are not recorded as text, and log-probabilities have
// them; asked for, the text shows them, and the record does not.
func TestSpecialTokensInAnswers(t *testing.T) {
	h := open(t, options{})
	m := h.engine.Model()
	user, _ := m.Tokenizer.ID("<|user|>")
	fox, _ := m.Tokenizer.ID("f")
	body := func(more string) string {
		return fmt.Sprintf(`{"model":"default","messages":[{"role":"user","content":"hi"}],"max_tokens":12,"temperature":1,"seed":4,"logprobs":true,"logit_bias":{"%d":60,"%d":60}%s}`, user, fox, more)
	}
	hidden, shown := h.generate(chatPath, body("")), h.generate(chatPath, body(`,"skip_special_tokens":false`))
	i, j := h.kept(hidden), h.kept(shown)
	if !slices.Equal(i.AnswerTokens, j.AnswerTokens) || !slices.Contains(i.AnswerTokens, user) || !slices.Contains(i.AnswerTokens, fox) {
		t.Fatalf("tokens %d and %d", i.AnswerTokens, j.AnswerTokens)
	}
	var want, plain strings.Builder
	for _, id := range i.AnswerTokens {
		if id == user {
			want.WriteString("<|user|>")
		} else {
			want.WriteString("f")
			plain.WriteString("f")
		}
	}
	if hidden.texts()[0] != plain.String() || shown.texts()[0] != want.String() || i.Answer != plain.String() || j.Answer != plain.String() || !j.Sampling.ShowSpecial {
		t.Errorf("hidden %q kept as %q, shown %q kept as %q; want %q and %q", hidden.texts(), i.Answer, shown.texts(), j.Answer, plain.String(), want.String())
	}
	for name, v := range map[string]reading{"hidden": hidden, "shown": shown} {
		var l struct {
			Content []struct {
				Token string
				Bytes []int
			}
		}
		must(t, json.Unmarshal(v.Choices[0].Logprobs, &l))
		var tokens, bytes strings.Builder
		for _, c := range l.Content {
			tokens.WriteString(c.Token)
			for _, b := range c.Bytes {
				bytes.WriteByte(byte(b))
			}
		}
		if tokens.String() != want.String() || bytes.String() != v.texts()[0] {
			t.Errorf("%s: log-probabilities of %q, bytes %q", name, tokens.String(), bytes.String())
		}
	}
	for more, text := range map[string]string{"": plain.String(), `,"skip_special_tokens":false`: want.String(), `,"skip_special_tokens":true`: plain.String()} {
		if v, _, _ := h.streamed(chatPath, body(more)); v.texts()[0] != text {
			t.Errorf("streamed%s: %q, want %q", more, v.texts(), text)
		}
	}
	stopped := h.generate(chatPath, body(`,"skip_special_tokens":false,"stop":["r|>f"]`))
	if cut, _, found := strings.Cut(want.String(), "r|>f"); !found || stopped.texts()[0] != cut || stopped.Choices[0].Finish != "stop" || strings.Contains(h.kept(stopped).Answer, "<") {
		t.Errorf("stopped: %q, kept as %q", stopped.texts(), h.kept(stopped).Answer)
	}
}
