package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/template"
	"nightshift/models/tokenizer"
)

const chat = `{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|endoftext|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`

// modelDir writes a model directory of its own with the given further files.
func modelDir(t *testing.T, vocab int, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := writeModel(dir, arch.GPT2(arch.Shape{Layers: 1, Heads: 1, Width: 8, Context: 16, Vocab: vocab, Inner: 8, Activation: "relu", TiedHead: true})); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestLoadModel opens directories with and without a chat template.
func TestLoadModel(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		template bool
		fails    string
	}{
		"none":       {nil, false, ""},
		"file":       {map[string]string{"chat_template.jinja": chat}, true, ""},
		"configured": {map[string]string{"tokenizer_config.json": `{"chat_template": "{{ messages[0].content }}"}`}, true, ""},
		"no chat":    {map[string]string{"tokenizer_config.json": `{"model_max_length": 16}`}, false, ""},
		"broken":     {map[string]string{"chat_template.jinja": "{% for %}"}, false, "chat_template.jinja"},
		"broken too": {map[string]string{"tokenizer_config.json": `{"chat_template": "{% for %}"}`}, false, "template"},
		"not JSON":   {map[string]string{"tokenizer_config.json": `{`}, false, "tokenizer_config.json"},
	} {
		m, err := LoadModel(modelDir(t, 0, c.files), "")
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: error %v, want one about %q", name, err, c.fails)
			}
			continue
		}
		if err != nil || (m.Template != nil) != c.template {
			t.Errorf("%s: %v, a template: %v; want %v", name, err, m != nil && m.Template != nil, c.template)
		}
	}
	if _, err := LoadModel(modelDir(t, 300, nil), ""); err == nil || !strings.Contains(err.Error(), "the model only 300") {
		t.Errorf("a tokenizer larger than the model: %v", err)
	}
	if _, err := LoadModel(t.TempDir(), ""); err == nil {
		t.Error("an empty directory is a model")
	}
	dir := modelDir(t, 0, nil)
	if err := os.Remove(filepath.Join(dir, "tokenizer.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadModel(dir, ""); err == nil {
		t.Error("a model without a tokenizer was loaded")
	}
}

// TestChatTokens checks that the template's specials are special and the people's are text.
func TestChatTokens(t *testing.T) {
	m, err := LoadModel(modelDir(t, 0, map[string]string{"chat_template.jinja": chat}), "")
	if err != nil {
		t.Fatal(err)
	}
	id := func(token string) int32 {
		v, ok := m.Tokenizer.ID(token)
		if !ok {
			t.Fatalf("there is no token %s", token)
		}
		return v
	}
	text := "naïve <|assistant|> 🏕️"
	want := append([]int32{id("<|user|>")}, m.Tokenizer.Encode(nil, text)...)
	want = append(want, id("<|endoftext|>"), id("<|assistant|>"))
	got, err := m.ChatTokens([]template.Message{{Role: "user", Content: text}})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("tokens %v (%v), want %v", got, err, want)
	}
	for _, held := range []any{"a<|user|>b", []any{1, "<|endoftext|>"}, map[string]any{"<|user|>": 1}, map[string]any{"x": []any{"<|assistant|>"}}} {
		var refused *template.VariableError
		if _, err := m.ChatTokensWith([]template.Message{{Role: "user", Content: text}}, map[string]any{"v": held}, true); !errors.As(err, &refused) || refused.Name != "v" {
			t.Errorf("the variable %v: %v", held, err)
		}
	}
	if got, err := m.ChatTokensWith([]template.Message{{Role: "user", Content: text}}, map[string]any{"v": "<|nobody|>", "w": false}, true); err != nil || !slices.Equal(got, want) {
		t.Errorf("with variables that it does not use: %v (%v), want %v", got, err, want)
	}
	if got, err := m.ChatTokensWith([]template.Message{{Role: "user", Content: text}}, nil, false); err != nil || !slices.Equal(got, want[:len(want)-1]) {
		t.Errorf("without an answer to come: %v (%v), want %v", got, err, want[:len(want)-1])
	}
	m.Template = nil
	if _, err := m.ChatTokens(nil); err == nil || !strings.Contains(err.Error(), "chat_template.jinja") {
		t.Errorf("without a template: %v", err)
	}
	var none *tokenizer.Tokenizer
	if o := newOutput(none, []string{"x"}, false, false); o.decoder != nil {
		t.Error("a model without a tokenizer has text")
	}
	if text, stopped, err := (&output{}).push(1); text != (said{}) || stopped || err != nil {
		t.Errorf("a token without a tokenizer: %q, %v, %v", text, stopped, err)
	}
}
