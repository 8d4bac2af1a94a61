package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// loadGGUF converts and loads.
func loadGGUF(t testing.TB, g GGUF) *Tokenizer {
	t.Helper()
	tokenizer, config, err := FromGGUF(g)
	if err != nil {
		t.Fatal(err)
	}
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": tokenizer, "tokenizer_config.json": config}))
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

// ofFamily is the GGUF of a tokenizer.json of the goldens.
func ofFamily(t testing.TB, name string) (g GGUF, merges []string) {
	t.Helper()
	var file struct {
		Model struct {
			Vocab  map[string]int
			Merges []json.RawMessage
		}
		Added []addedToken `json:"added_tokens"`
	}
	if err := json.Unmarshal([]byte(goldenLines(t, name+".family.gz")[0]), &file); err != nil {
		t.Fatal(err)
	}
	g = GGUF{BOS: -1, EOS: -1, Unknown: -1, Padding: -1}
	for _, a := range file.Added {
		file.Model.Vocab[a.Content] = a.ID
	}
	g.Tokens, g.Types = make([]string, len(file.Model.Vocab)), make([]int32, len(file.Model.Vocab))
	for token, id := range file.Model.Vocab {
		if g.Tokens[id], g.Types[id] = token, GGUFNormal; len(token) == 6 && strings.HasPrefix(token, "<0x") {
			g.Types[id] = GGUFByte
		}
	}
	for _, a := range file.Added {
		if g.Types[a.ID] = GGUFControl; a.Content == "<unk>" {
			g.Types[a.ID] = GGUFUnknown
		}
	}
	for _, raw := range file.Model.Merges {
		var pair [2]string
		if err := json.Unmarshal(raw, &pair); err != nil {
			t.Fatal(err)
		}
		merges = append(merges, pair[0]+" "+pair[1])
	}
	return g, merges
}

// A SentencePiece vocabulary with scores gets the merges that transformers gives it, and is the same tokenizer.
func TestGGUFOfScores(t *testing.T) {
	g, merges := ofFamily(t, "scores")
	g.Model, g.Pre, g.BOS, g.EOS, g.Unknown = "llama", "default", 1, 2, 0
	for id := range g.Tokens {
		g.Scores = append(g.Scores, -float32(id/2))
	}
	if got := g.mergesOfScores(); !slices.Equal(got, merges) {
		for i := range got {
			if i >= len(merges) || got[i] != merges[i] {
				t.Fatalf("%d merges, want %d; merge %d is %q", len(got), len(merges), i, got[i])
			}
		}
		t.Fatalf("%d merges, want %d", len(got), len(merges))
	}
	tk := loadGGUF(t, g)
	want, prefix, lines := loadFamily(t, "scores")
	if tk.Digest() != want.Digest() || tk.BOS() != 1 || tk.EOS() != 2 {
		t.Errorf("another tokenizer: BOS %d, EOS %d", tk.BOS(), tk.EOS())
	}
	compareFamily(t, tk, prefix, lines)
	no := false
	g.AddBOS, g.AddSpacePrefix = &no, &no
	if tk := loadGGUF(t, g); len(tk.Prefix()) != 0 || !slices.Equal(tk.Encode(nil, "x"), tk.EncodeMore(nil, "x")) {
		t.Errorf("prefix %d, x is %d", tk.Prefix(), tk.Encode(nil, "x"))
	}
}

// The names of splitters stand for those of tokenizer.json.
func TestGGUFOfByteLevel(t *testing.T) {
	for name, pre := range map[string]string{"smollm2": "smollm", "llama3": "llama-bpe", "qwen2": "qwen2"} {
		g, merges := ofFamily(t, name)
		g.Model, g.Pre, g.Merges = "gpt2", pre, merges
		if name == "llama3" {
			g.BOS = slices.Index(g.Tokens, "<|begin_of_text|>")
		}
		tk := loadGGUF(t, g)
		_, prefix, lines := loadFamily(t, name)
		compareFamily(t, tk, prefix, lines)
	}
}

// What fills a vocabulary up is left out; what users defined is found in any text.
func TestGGUFTokens(t *testing.T) {
	g, merges := ofFamily(t, "qwen2")
	n := len(g.Tokens)
	g.Model, g.Pre, g.Merges, g.EOS = "gpt2", "qwen2", merges, n-1
	g.Tokens = append(g.Tokens, "<tool_call>", fmt.Sprintf("[PAD%d]", n+1), fmt.Sprintf("[PAD%d]", n+2))
	g.Types = append(g.Types, GGUFUserDefined, GGUFUnused, GGUFUnused)
	tk := loadGGUF(t, g)
	if tk.Size() != n+1 || tk.IsSpecial(int32(n)) || !slices.Equal(tk.Encode(nil, "<tool_call>"), []int32{int32(n)}) || !tk.IsSpecial(tk.EOS()) {
		t.Errorf("size %d, <tool_call> is %d", tk.Size(), tk.Encode(nil, "<tool_call>"))
	}
}

func TestGGUFRefuses(t *testing.T) {
	good := func() GGUF {
		return GGUF{Model: "gpt2", Pre: "gpt-2", Tokens: []string{"a", "b", "ab"}, Merges: []string{"a b"}, BOS: -1, EOS: -1, Unknown: -1, Padding: -1}
	}
	for want, change := range map[string]func(*GGUF){
		`tokenizer.ggml.model "t5"`:         func(g *GGUF) { g.Model = "t5" },
		`tokenizer.ggml.pre "tekken"`:       func(g *GGUF) { g.Pre = "tekken" },
		`tokenizer.ggml.pre "default"`:      func(g *GGUF) { g.Pre = "default" },
		"tokenizer.ggml.merges is empty":    func(g *GGUF) { g.Merges = nil },
		"neither tokenizer.ggml.scores":     func(g *GGUF) { g.Model, g.Merges = "llama", nil },
		"token_type has 1 elements":         func(g *GGUF) { g.Types = []int32{1} },
		"scores has 1 elements":             func(g *GGUF) { g.Scores = []float32{1} },
		"is empty or also token 0":          func(g *GGUF) { g.Tokens[1] = "a" },
		"is not UTF-8":                      func(g *GGUF) { g.Tokens[1] = "\xff" },
		"tokenizer.ggml.eos_token_id is 77": func(g *GGUF) { g.EOS = 77 },
	} {
		g := good()
		change(&g)
		if _, _, err := FromGGUF(g); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, _, err := FromGGUF(good()); err != nil {
		t.Error(err)
	}
}
