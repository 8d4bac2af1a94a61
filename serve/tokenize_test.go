package serve_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/serve"
	"nightshift/serve/api"
)

type tokenized struct {
	Count   int
	Context int `json:"max_model_len"`
	Tokens  []int32
	Strs    []string `json:"token_strs"`
}

// tokenize asks for tokens.
func (h *house) tokenize(body string) (got tokenized) {
	h.t.Helper()
	r := h.post("/tokenize", body)
	if r.status != 200 {
		h.t.Fatalf("%s: status %d, %s", body, r.status, r.body)
	}
	must(h.t, json.Unmarshal(r.body, &got))
	if got.Count != len(got.Tokens) || got.Context != modelContext || got.Tokens == nil {
		h.t.Errorf("%s: %s", body, r.body)
	}
	return got
}

func TestTokenize(t *testing.T) {
	h := open(t, options{})
	m := h.engine.Model()
	const text = "naïve <|assistant|> 🏕"
	plain := h.tokenize(fmt.Sprintf(`{"prompt":%q,"return_token_strs":true}`, text))
	if !slices.Equal(plain.Tokens, m.Tokenizer.Encode(nil, text)) || len(plain.Strs) != plain.Count || plain.Strs[0] != "n" {
		t.Errorf("a prompt: %+v", plain)
	}
	if got := h.tokenize(`{"prompt":""}`); got.Count != 0 || got.Strs != nil {
		t.Errorf("an empty prompt: %+v", got)
	}
	chat := fmt.Sprintf(`{"model":"default","messages":[{"role":"user","content":%q}],"return_token_strs":true`, text)
	whole, closed := h.tokenize(chat+"}"), h.tokenize(chat+`,"add_generation_prompt":false,"add_special_tokens":false}`)
	if want := append(slices.Clone(closed.Tokens), whole.Tokens[closed.Count:]...); closed.Count >= whole.Count || !slices.Equal(whole.Tokens, want) ||
		whole.Strs[whole.Count-1] != "<|assistant|>" {
		t.Errorf("a conversation: %+v, without the prompt for an answer %+v", whole, closed)
	}
	var a answer
	must(t, json.Unmarshal(h.post("/v1/chat/completions", strings.Replace(chat, `"return_token_strs":true`, `"max_tokens":1}`, 1)).body, &a))
	if kept := h.interaction("default", a.Nightshift.Interaction); !slices.Equal(kept.PromptTokens, whole.Tokens) {
		t.Errorf("the model saw %v, /tokenize says %v", kept.PromptTokens, whole.Tokens)
	}
	for _, ids := range [][]int32{plain.Tokens, whole.Tokens, {}} {
		body, err := json.Marshal(map[string]any{"tokens": ids, "model": "default"})
		must(t, err)
		want, err := m.Tokenizer.Decode(nil, ids...)
		must(t, err)
		if r := h.post("/detokenize", string(body)); r.status != 200 || r.json(t)["prompt"] != string(want) {
			t.Errorf("the text of %v: status %d, %s; want %q", ids, r.status, r.body, want)
		}
	}
	for path, bodies := range map[string]map[string]string{
		"/tokenize": {
			`{}`: "missing_field", `{"prompt":"x","messages":[{"role":"user","content":"x"}]}`: "invalid_value", `{"prompt":["x"]}`: "wrong_type",
			`{"messages":[]}`: "invalid_value", `{"prompt":"x","model":"nope"}`: "model_not_found", `{"content":"x","prompt":"x"}`: "unknown_field",
		},
		"/detokenize": {`{}`: "missing_field", `{"tokens":"x"}`: "wrong_type", `{"tokens":[1,99999]}`: "invalid_value", `{"tokens":[-1]}`: "invalid_value"},
	} {
		for body, want := range bodies {
			r := h.post(path, body)
			if code, _, _ := r.problem(t); code != want || r.status < 400 || r.status >= 500 {
				t.Errorf("%s %s: status %d, %s; want %s", path, body, r.status, r.body, want)
			}
		}
	}
}

// TestHealth wants what other servers have where they have it: without a key, and a hint where /v1 stands before it.
func TestHealth(t *testing.T) {
	h := open(t, options{cfg: func(c *serve.Config) {
		c.API.Keys = []api.Key{key("writer", []string{"default"}, "generate"), key("rater", nil, "feedback")}
	}})
	for path, want := range map[string]string{"/health": `"status":"ok"`, "/version": `"version":"`} {
		if r := h.get(path); r.status != 200 || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: status %d, %s", path, r.status, r.body)
		}
	}
	if r := h.post("/v1/tokenize", `{"prompt":"x"}`); r.status != 404 || !strings.Contains(string(r.body), "/tokenize is an address") {
		t.Errorf("/v1/tokenize: status %d, %s", r.status, r.body)
	}
	for path, body := range map[string]string{"/tokenize": `{"prompt":"x"}`, "/detokenize": `{"tokens":[1]}`} {
		for _, c := range []struct {
			headers []string
			status  int
		}{{nil, 401}, {bearer("rater"), 403}, {bearer("writer"), 200}} {
			if r := h.post(path, body, c.headers...); r.status != c.status {
				t.Errorf("%s with %v: status %d, want %d: %s", path, c.headers, r.status, c.status, r.body)
			}
		}
	}
	if r := h.post("/tokenize", `{"prompt":"x","model":"support"}`, bearer("writer")...); r.status != 403 {
		t.Errorf("a model of another track: status %d, %s", r.status, r.body)
	}
}
