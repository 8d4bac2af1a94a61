package tokenizer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is wanted was read off special_tokens_map of transformers 5.24, with a config.json of GPT-2 in each directory.
func TestTokensByName(t *testing.T) {
	const gpt2 = "bos_token:<|endoftext|> eos_token:<|endoftext|> unk_token:<|endoftext|>"
	for name, c := range map[string]struct{ config, special, want string }{
		"nothing":                  {"", "", gpt2},
		"an empty configuration":   {`{}`, "", gpt2},
		"GPT2Tokenizer":            {`{"tokenizer_class":"GPT2Tokenizer","model_max_length":1024}`, "", gpt2},
		"GPT2TokenizerFast":        {`{"tokenizer_class":"GPT2TokenizerFast"}`, "", gpt2},
		"no class by null":         {`{"tokenizer_class":null}`, "", gpt2},
		"PreTrainedTokenizerFast":  {`{"tokenizer_class":"PreTrainedTokenizerFast"}`, "", ""},
		"another class":            {`{"tokenizer_class":"FooTokenizer"}`, "", ""},
		"Qwen2Tokenizer":           {`{"tokenizer_class":"Qwen2Tokenizer"}`, "", "eos_token:<|endoftext|> pad_token:<|endoftext|> unk_token:<|endoftext|>"},
		"BertTokenizer":            {`{"tokenizer_class":"BertTokenizer"}`, "", "cls_token:[CLS] mask_token:[MASK] pad_token:[PAD] sep_token:[SEP] unk_token:[UNK]"},
		"null":                     {`{"eos_token":null}`, "", "bos_token:<|endoftext|> unk_token:<|endoftext|>"},
		"an empty string":          {`{"eos_token":""}`, "", "bos_token:<|endoftext|> eos_token: unk_token:<|endoftext|>"},
		"an object":                {`{"eos_token":{"__type":"AddedToken","content":"<e>"}}`, "", "bos_token:<|endoftext|> eos_token:<e> unk_token:<|endoftext|>"},
		"the map alone":            {"", `{"eos_token":"<e>","pad_token":{"content":"<p>","lstrip":false}}`, "bos_token:<|endoftext|> eos_token:<e> pad_token:<p> unk_token:<|endoftext|>"},
		"the map wins":             {`{"eos_token":"<c>"}`, `{"eos_token":"<m>"}`, "bos_token:<|endoftext|> eos_token:<m> unk_token:<|endoftext|>"},
		"the map wins over null":   {`{"eos_token":null}`, `{"eos_token":"<m>"}`, "bos_token:<|endoftext|> eos_token:<m> unk_token:<|endoftext|>"},
		"the map does not count":   {`{"eos_token":"<c>","added_tokens_decoder":{}}`, `{"eos_token":"<m>","pad_token":"<p>"}`, "bos_token:<|endoftext|> eos_token:<c> unk_token:<|endoftext|>"},
		"other names":              {`{"image_token":"<i>","add_bos_token":true}`, "", "bos_token:<|endoftext|> eos_token:<|endoftext|> image_token:<i> unk_token:<|endoftext|>"},
		"extra special tokens":     {`{"extra_special_tokens":{"image_token":"<i>"}}`, "", "bos_token:<|endoftext|> eos_token:<|endoftext|> image_token:<i> unk_token:<|endoftext|>"},
		"a list of special tokens": {`{"additional_special_tokens":["<a>"],"extra_special_tokens":["<b>"]}`, "", gpt2},
		"a list as a token":        {`{"bos_token":["a"]}`, "", "error: bos_token is neither"},
		"an object without":        {`{"bos_token":{"a":1}}`, "", "error: bos_token is an object"},
		"a broken file":            {`{`, "", "error: read tokenizer_config.json"},
		"a broken map":             {"", `[]`, "error: read special_tokens_map.json"},
		"a class that is none":     {`{"tokenizer_class":7}`, "", "error: read tokenizer_config.json: json: cannot unmarshal number into Go struct field tokenizerSettings.tokenizer_class"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"tokenizer_config.json": c.config, "special_tokens_map.json": c.special} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tokens, err := NamedTokens(dir)
		if want, fails := strings.CutPrefix(c.want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
			continue
		}
		got := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(tokens), "map["), "]")
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}
