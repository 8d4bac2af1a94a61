package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/sampling"
	"nightshift/models/checkpoint"
	"nightshift/models/demo"
	"nightshift/models/template"
	"nightshift/onnx/ort"
)

// variant is the model that ships in a folder of its own, changed by a test.
type variant struct {
	t   *testing.T
	dir string
}

func newVariant(t *testing.T) variant {
	t.Helper()
	v := variant{t, t.TempDir()}
	names, err := fs.Glob(demo.FS(), "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(demo.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		v.write(name, string(data))
	}
	return v
}

func (v variant) write(name, content string) {
	v.t.Helper()
	if err := os.WriteFile(filepath.Join(v.dir, name), []byte(content), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// change sets members of a JSON file; nil removes one.
func (v variant) change(name string, members map[string]any) {
	v.t.Helper()
	data, err := os.ReadFile(filepath.Join(v.dir, name))
	if err != nil {
		v.t.Fatal(err)
	}
	object := map[string]any{}
	if err := json.Unmarshal(data, &object); err != nil {
		v.t.Fatal(err)
	}
	maps.Copy(object, members)
	maps.DeleteFunc(object, func(_ string, value any) bool { return value == nil })
	if data, err = json.Marshal(object); err != nil {
		v.t.Fatal(err)
	}
	v.write(name, string(data))
}

// pad adds rows to the embedding: the mean of the others, as resizing for a multiple of 64 does, or times a factor that makes them
// likelier than any token.
func (v variant) pad(rows int, factor float32) {
	v.t.Helper()
	c, err := checkpoint.Open(v.dir, "")
	if err != nil {
		v.t.Fatal(err)
	}
	cfg, weights := c.Shape(), map[string][]float32{}
	for _, name := range c.Names() {
		if weights[name], err = c.Floats(name); err != nil {
			v.t.Fatal(err)
		}
	}
	table := weights["wte.weight"]
	row := make([]float32, cfg.Width)
	for i, x := range table {
		row[i%cfg.Width] += factor * x / float32(cfg.Vocab)
	}
	for range rows {
		table = append(table, row...)
	}
	weights["wte.weight"] = table
	cfg.Vocab += rows
	if err := checkpoint.Write(v.dir, cfg, weights); err != nil {
		v.t.Fatal(err)
	}
}

func (v variant) load() *Model {
	v.t.Helper()
	m, err := LoadModel(v.dir, "")
	if err != nil {
		v.t.Fatal(err)
	}
	return m
}

// question is a chat of one question.
func question(t *testing.T, m *Model, text string) []int32 {
	t.Helper()
	ids, err := m.ChatTokens([]template.Message{{Role: "user", Content: text}})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestPaddedVocabulary serves a model with more rows than tokens, bit for bit as the one without.
func TestPaddedVocabulary(t *testing.T) {
	ort.ForTest(t)
	plain, v := newVariant(t).load(), newVariant(t)
	v.pad(64, 1)
	m := v.load()
	if m.Config.Vocab != plain.Config.Vocab || m.Padding != 64 || plain.Padding != 0 || len(m.Gaps) > 0 || m.End != plain.End {
		t.Fatalf("vocabulary %d, padding %d, gaps %d, end %d", m.Config.Vocab, m.Padding, m.Gaps, m.End)
	}
	if m.Checkpoint.Digest() == plain.Checkpoint.Digest() {
		t.Error("the padded checkpoint has the digest of the one without padding")
	}
	a, b := runEngine(t, plain, Config{}), runEngine(t, m, Config{})
	for i, text := range []string{"How long can I return an item?", "Do you ship abroad?", "hi"} {
		r := Request{Prompt: question(t, m, text), MaxTokens: 40, TopLogProbs: 5, Sampling: sampling.Params{Temperature: float32(i), Seed: 5}}
		want, got := ask(t, a, r), ask(t, b, r)
		if !slices.Equal(got.tokens, want.tokens) || !slices.Equal(got.logProbs, want.logProbs) || got.text != want.text {
			t.Errorf("%s: %q, without padding %q", text, got.text, want.text)
		}
	}
	refused := func(r Request, want string) {
		t.Helper()
		r.Pin, r.MaxTokens = pinned(t, b, ""), 4
		_, err := b.Submit(t.Context(), r)
		var prompt *PromptError
		if !errors.As(err, &prompt) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	refused(Request{Prompt: []int32{5, 2100}}, "token 1 of the prompt is 2100, the vocabulary has 2048")
	refused(Request{Prompt: []int32{5}, Adjustment: sampling.Adjustment{Bias: []sampling.Bias{{Token: 2100, Value: 1}}}}, "token 2100: the vocabulary has 2048")
	score, err := b.Score(t.Context(), pinned(t, b, ""), question(t, m, "hi"), 1)
	want, err2 := a.Score(t.Context(), pinned(t, a, ""), question(t, plain, "hi"), 1)
	if err != nil || err2 != nil || !slices.Equal(score.LogProbs, want.LogProbs) {
		t.Errorf("scored %v, without padding %v (%v, %v)", score, want, err, err2)
	}
}

// TestGapsAreNeverSampled has ids inside the vocabulary that no token has and whose rows would win at every step.
func TestGapsAreNeverSampled(t *testing.T) {
	ort.ForTest(t)
	v := newVariant(t)
	v.pad(64, -40)
	data, err := os.ReadFile(filepath.Join(v.dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Added []any `json:"added_tokens"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	v.change("tokenizer.json", map[string]any{"added_tokens": append(file.Added, map[string]any{"id": 2080, "content": "<|far|>", "special": true})})
	m := v.load()
	if m.Config.Vocab != 2081 || len(m.Gaps) != 32 || m.Gaps[0] != 2048 || m.Padding != 31 {
		t.Fatalf("vocabulary %d, gaps %d, padding %d", m.Config.Vocab, m.Gaps, m.Padding)
	}
	bias := []sampling.Bias{{Token: 2080, Value: -100}} // the token that is there has the same row
	for _, gap := range m.Gaps {
		bias = append(bias, sampling.Bias{Token: gap, Value: 100})
	}
	unmasked := *m
	unmasked.Gaps, unmasked.Tokenizer = nil, nil
	for name, c := range map[string]struct {
		model *Model
		cfg   Config
	}{"served": {m, Config{}}, "with drafts": {m, Config{Lookup: 4}}, "not masked": {&unmasked, Config{}}} {
		e := runEngine(t, c.model, c.cfg)
		gaps := 0
		isGap := func(id int32) bool { return slices.Contains(m.Gaps, id) }
		for seed := range uint64(6) {
			r := Request{Prompt: question(t, m, "Do you ship abroad?"), MaxTokens: 20, TopLogProbs: 20, PromptLogProbs: seed == 1, IgnoreEOS: true,
				Sampling: sampling.Params{Temperature: float32(seed), Seed: seed}, Adjustment: sampling.Adjustment{Bias: bias}}
			s := submit(t, e, t.Context(), r)
			a := read(t, s)
			if a.result.Err != nil {
				t.Fatalf("%s: %v", name, a.result.Err)
			}
			for i, id := range a.tokens {
				for _, likely := range a.top[i] {
					if isGap(likely.ID) {
						gaps++
					}
				}
				if isGap(id) {
					gaps++
				}
			}
			for _, p := range s.Prompt() {
				if slices.ContainsFunc(p.Top, func(c sampling.Choice) bool { return isGap(c.ID) }) {
					gaps++
				}
			}
		}
		if name == "not masked" && gaps == 0 {
			t.Error("without the mask nothing goes wrong: the test shows nothing")
		}
		if name != "not masked" && gaps > 0 {
			t.Errorf("%s: %d gaps among the tokens and the likeliest ones", name, gaps)
		}
	}
}

// TestEndsOfAnAnswer names ends in all the files that may, and lets each of them end an answer.
func TestEndsOfAnAnswer(t *testing.T) {
	ort.ForTest(t)
	const config, generation, tokens = "config.json", "generation_config.json", "tokenizer_config.json"
	for name, c := range map[string]struct {
		change func(variant)
		ends   []int32
		end    int32
	}{
		"as it ships": {func(variant) {}, []int32{2044}, 2044},
		"list":        {func(v variant) { v.change(config, map[string]any{"eos_token_id": []int{2045, 2044}}) }, []int32{2044, 2045}, 2044},
		"generation": {func(v variant) {
			v.change(generation, map[string]any{"eos_token_id": []int{2047, 2044}})
			v.change(tokens, map[string]any{"eos_token": "<|system|>"})
		}, []int32{2044, 2047}, 2044},
		"template says another": {func(v variant) {
			v.change(tokens, map[string]any{"eos_token": "<|system|>"})
			v.write("chat_template.jinja", strings.ReplaceAll(demo.ChatTemplate, "<|endoftext|>", "<|system|>"))
		}, []int32{2044, 2047}, 2047},
		"no template": {func(v variant) {
			v.change(tokens, map[string]any{"eos_token": "<|system|>"})
			if err := os.Remove(filepath.Join(v.dir, "chat_template.jinja")); err != nil {
				t.Fatal(err)
			}
		}, []int32{2044, 2047}, 2047},
		"tokenizer alone": {func(v variant) {
			v.change(config, map[string]any{"eos_token_id": nil})
			v.change(generation, map[string]any{"eos_token_id": nil})
		}, []int32{2044}, 2044},
		"configuration alone": {func(v variant) {
			v.change(config, map[string]any{"eos_token_id": []int{2046, 2045}})
			v.change(generation, map[string]any{"eos_token_id": nil})
			v.change(tokens, map[string]any{"eos_token": nil})
		}, []int32{2045, 2046}, 2046},
		"none": {func(v variant) {
			v.change(config, map[string]any{"eos_token_id": []int{}})
			v.change(generation, map[string]any{"eos_token_id": 50256})
			v.change(tokens, map[string]any{"eos_token": nil})
		}, nil, -1},
		"an ordinary token too": {func(v variant) { v.change(generation, map[string]any{"eos_token_id": []int{10, 2044}}) }, []int32{10, 2044}, 2044},
	} {
		v := newVariant(t)
		c.change(v)
		m := v.load()
		if !slices.Equal(m.Ends, c.ends) || m.End != c.end {
			t.Errorf("%s: ends %d, taught %d; want %d, %d", name, m.Ends, m.End, c.ends, c.end)
			continue
		}
		if got := m.WithEnd([]int32{7}); c.end < 0 && len(got) != 1 || c.end >= 0 && !slices.Equal(got, []int32{7, c.end}) {
			t.Errorf("%s: an answer is taught as %d", name, got)
		}
		e := runEngine(t, m, Config{})
		for _, end := range append(slices.Clone(c.ends), 11) {
			certain := sampling.Adjustment{Bias: []sampling.Bias{{Token: end, Value: 100}}}
			a := ask(t, e, Request{Prompt: []int32{7, 8}, MaxTokens: 4, Adjustment: certain})
			if ends := end != 11; ends != (a.result.Finish == FinishStop) || ends != (len(a.tokens) == 1) || ends && a.text != "" {
				t.Errorf("%s: end %d: %d, %q, %s", name, end, a.tokens, a.text, a.result.Finish)
			}
			certain.MinTokens = 3
			a = ask(t, e, Request{Prompt: []int32{7, 8}, MaxTokens: 8, Adjustment: certain})
			if slices.ContainsFunc(a.tokens[:3], m.IsEnd) || end != 11 && (len(a.tokens) != 4 || a.tokens[3] != end) {
				t.Errorf("%s: end %d after 3 tokens at least: %d", name, end, a.tokens)
			}
			a = ask(t, e, Request{Prompt: []int32{7, 8}, MaxTokens: 3, Adjustment: certain, IgnoreEOS: true})
			if a.result.Finish != FinishLength {
				t.Errorf("%s: end %d ignored: %d, %s", name, end, a.tokens, a.result.Finish)
			}
		}
		e.Close()
	}
}

// TestHiddenTokens answers with special tokens that end nothing.
func TestHiddenTokens(t *testing.T) {
	ort.ForTest(t)
	m := newVariant(t).load()
	e := runEngine(t, m, Config{})
	r := Request{Prompt: []int32{7}, MaxTokens: 3, TopLogProbs: 1, Adjustment: sampling.Adjustment{Bias: []sampling.Bias{{Token: 2045, Value: 100}}}}
	if a := ask(t, e, r); a.text != "" || !slices.Equal(a.tokens, []int32{2045, 2045, 2045}) || len(a.logProbs) != 3 || a.result.Finish != FinishLength {
		t.Errorf("%q, %d, %s", a.text, a.tokens, a.result.Finish)
	}
	r.ShowSpecial = true
	if a := ask(t, e, r); a.text != "<|user|><|user|><|user|>" {
		t.Errorf("shown: %q", a.text)
	}
	r.Stop = []string{"|><|"}
	if a := ask(t, e, r); a.text != "<|user" || a.result.Finish != FinishStop || len(a.tokens) != 2 {
		t.Errorf("stopped within one: %q, %d, %s", a.text, a.tokens, a.result.Finish)
	}
}

func TestTokenizerLargerThanTheModel(t *testing.T) {
	v := newVariant(t)
	v.change("tokenizer.json", map[string]any{"added_tokens": []any{map[string]any{"id": 2048, "content": "[PAD]", "special": true}}})
	_, err := LoadModel(v.dir, "")
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the tokenizer has 2049 tokens, the last of them %q, and the model only 2048", "[PAD]")) {
		t.Errorf("%v", err)
	}
}
