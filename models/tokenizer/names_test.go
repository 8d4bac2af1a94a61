package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// beside returns the files of a small vocabulary with others beside it; "" removes one.
func beside(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := trained(t)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if content == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const endOfText = "<|endoftext|>" // eos_token, bos_token and unk_token of GPT2Tokenizer where no file says otherwise

// The end and the beginning of a text are what the files name, in the order in which transformers looks.
func TestNamedTokens(t *testing.T) {
	const config, special = "tokenizer_config.json", "special_tokens_map.json"
	for name, c := range map[string]struct {
		files    map[string]string
		eos, bos string
	}{
		"no other file":     {map[string]string{config: ""}, endOfText, endOfText},
		"class":             {map[string]string{config: `{"tokenizer_class": "GPT2Tokenizer"}`}, endOfText, endOfText},
		"fast class":        {map[string]string{config: `{"tokenizer_class": "GPT2TokenizerFast"}`}, endOfText, endOfText},
		"class without one": {map[string]string{config: `{"tokenizer_class": "PreTrainedTokenizerFast"}`}, "", ""},
		"named":             {map[string]string{config: `{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|user|>"}`}, "<|user|>", ""},
		"object":            {map[string]string{config: `{"eos_token": {"content": "<|user|>", "lstrip": false}}`}, "<|user|>", endOfText},
		"null":              {map[string]string{config: `{"tokenizer_class": "GPT2Tokenizer", "eos_token": null}`}, "", endOfText},
		"map":               {map[string]string{config: `{}`, special: `{"eos_token": "<|user|>", "bos_token": {"content": "<|user|>"}}`}, "<|user|>", "<|user|>"},
		"both":              {map[string]string{config: `{"eos_token": "<|endoftext|>"}`, special: `{"eos_token": "<|user|>"}`}, "<|user|>", endOfText},
		"not in vocabulary": {map[string]string{config: `{"eos_token": "<|im_end|>"}`}, "", endOfText},
		"an ordinary token": {map[string]string{config: `{"eos_token": "!"}`}, "!", endOfText},
	} {
		tk, err := Load(beside(t, c.files))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, got := range map[string]int32{c.eos: tk.EOS(), c.bos: tk.BOS()} {
			want := int32(-1)
			if key != "" {
				want, _ = tk.ID(key)
			}
			if got != want {
				t.Errorf("%s: %q is %d, want %d", name, key, got, want)
			}
		}
	}
}

func TestNamedTokensAreRefused(t *testing.T) {
	_, err := Load(beside(t, map[string]string{"tokenizer_config.json": `{"eos_token": 7}`}))
	if err == nil || !strings.Contains(err.Error(), "eos_token is neither a string") {
		t.Errorf("a number for a token: %v", err)
	}
}

// A token that is only in the vocabulary becomes special where a file names it, unless text becomes it.
func TestNamedTokensAreSpecial(t *testing.T) {
	dir := trained(t)
	var file map[string]any
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	file["added_tokens"] = []any{}
	changed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": changed,
		"tokenizer_config.json": []byte(`{"tokenizer_class":"GPT2Tokenizer","pad_token":"!","additional_special_tokens":[{"content":"<|user|>"}]}`)}))
	if err != nil {
		t.Fatal(err)
	}
	user, _ := tk.ID("<|user|>")
	mark, _ := tk.ID("!")
	if !tk.IsSpecial(tk.EOS()) || !tk.IsSpecial(user) || !tk.Reserved(user) || tk.IsSpecial(mark) {
		t.Errorf("special: end %t, <|user|> %t, ! %t", tk.IsSpecial(tk.EOS()), tk.IsSpecial(user), tk.IsSpecial(mark))
	}
	if ids := tk.Encode(nil, "<|user|>"); slices.Contains(ids, user) {
		t.Errorf("a text became the special token: %d", ids)
	}
	if ids := tk.EncodeSpecial(nil, "<|user|>"); !slices.Equal(ids, []int32{user}) {
		t.Errorf("a template's <|user|> is %d", ids)
	}
}

// An added token far behind the vocabulary leaves ids without a token.
func TestGaps(t *testing.T) {
	dir := trained(t)
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	file["added_tokens"] = append(file["added_tokens"].([]any), map[string]any{"id": 303, "content": "<|far|>", "special": true})
	changed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": changed}))
	if err != nil {
		t.Fatal(err)
	}
	if got := tk.Gaps(); tk.Size() != 304 || !slices.Equal(got, []int32{300, 301, 302}) || tk.Has(301) || !tk.Has(303) || tk.Has(304) || tk.Has(-1) {
		t.Errorf("size %d, gaps %d", tk.Size(), got)
	}
}

func TestByteOrderMark(t *testing.T) {
	_, files := loadGPT2(t)
	mark := "\xef\xbb\xbf"
	for name, set := range map[string]map[string][]byte{
		"merges.txt":            {"vocab.json": files.vocab, "merges.txt": []byte(mark + string(files.merges))},
		"vocab.json":            {"vocab.json": []byte(mark + string(files.vocab)), "merges.txt": files.merges},
		"tokenizer_config.json": {"vocab.json": files.vocab, "merges.txt": files.merges, "tokenizer_config.json": []byte(mark + "{}")},
	} {
		if _, err := Load(writeFiles(t, set)); err == nil || !strings.Contains(err.Error(), "read "+name) || !strings.Contains(err.Error(), "byte order mark") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
