package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// trained writes a small vocabulary and returns its directory.
func trained(t *testing.T) string {
	t.Helper()
	v, err := Train(shop, 300, []string{"<|endoftext|>", "<|user|>"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := v.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

var theText = map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}}

// template is a post-processor with a token <x>.
func template(single []any, id int) map[string]any {
	return map[string]any{"type": "TemplateProcessing", "single": single, "special_tokens": map[string]any{"<x>": map[string]any{"id": "<x>", "ids": []any{id}}}}
}

// split is a pre-tokenizer with an expression.
func split(pattern string) map[string]any {
	return map[string]any{"type": "Split", "behavior": "Isolated", "invert": false, "pattern": map[string]any{"Regex": pattern}}
}

// A setting that would change ids is refused, and the error says which.
func TestLoadRefusesByName(t *testing.T) {
	dir := trained(t)
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(file, model map[string]any){
		"add_prefix_space":     func(f, m map[string]any) { f["pre_tokenizer"].(map[string]any)["add_prefix_space"] = true },
		"use_regex":            func(f, m map[string]any) { f["pre_tokenizer"].(map[string]any)["use_regex"] = false },
		"normalizer Lowercase": func(f, m map[string]any) { f["normalizer"] = map[string]any{"type": "Lowercase"} },
		"normalizer Replace": func(f, m map[string]any) {
			f["normalizer"] = map[string]any{"type": "Replace", "pattern": map[string]any{"Regex": "a"}, "content": "b"}
		},
		"Digits": func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{map[string]any{"type": "Digits"}, f["pre_tokenizer"]}}
		},
		"Split with pattern": func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{map[string]any{"type": "Split", "behavior": "Isolated", "pattern": map[string]any{"Regex": "x"}}, f["pre_tokenizer"]}}
		},
		"TemplateProcessing": func(f, m map[string]any) {
			f["post_processor"] = map[string]any{"type": "TemplateProcessing", "single": []any{1, 2}}
		},
		"dropout":            func(f, m map[string]any) { m["dropout"] = 0.1 },
		"byte_fallback":      func(f, m map[string]any) { m["byte_fallback"] = true },
		"end_of_word_suffix": func(f, m map[string]any) { m["end_of_word_suffix"] = "</w>" },
		"continuing_subword": func(f, m map[string]any) { m["continuing_subword_prefix"] = "##" },
		"special and normalized": func(f, m map[string]any) {
			f["normalizer"] = map[string]any{"type": "Prepend", "prepend": "_"}
			f["added_tokens"].([]any)[0].(map[string]any)["normalized"] = true
		},
		"puts token 9999": func(f, m map[string]any) {
			f["post_processor"] = template([]any{map[string]any{"SpecialToken": map[string]any{"id": "<x>"}}, theText}, 9999)
		},
		"behind every text": func(f, m map[string]any) {
			f["post_processor"] = template([]any{theText, map[string]any{"SpecialToken": map[string]any{"id": "<x>"}}}, 0)
		},
		"special_tokens has no": func(f, m map[string]any) {
			f["post_processor"] = template([]any{map[string]any{"SpecialToken": map[string]any{"id": "<y>"}}, theText}, 0)
		},
		"single has no text": func(f, m map[string]any) { f["post_processor"] = template([]any{}, 0) },
		"single has {":       func(f, m map[string]any) { f["post_processor"] = template([]any{theText, theText}, 0) },
		"BertProcessing":     func(f, m map[string]any) { f["post_processor"] = map[string]any{"type": "BertProcessing"} },
		"Split after ByteLevel": func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{f["pre_tokenizer"], split(patternGPT2)}}
		},
		"two different expressions": func(f, m map[string]any) {
			f["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{split(patternLlama3), f["pre_tokenizer"]}}
		},
		"is the vocabulary's":     func(f, m map[string]any) { f["added_tokens"].([]any)[0].(map[string]any)["id"] = 7 },
		"beyond the limit":        func(f, m map[string]any) { f["added_tokens"].([]any)[0].(map[string]any)["id"] = 1 << 30 },
		"negative or given twice": func(f, m map[string]any) { m["vocab"].(map[string]any)["a"] = 3 },
		"byte 0x61":               func(f, m map[string]any) { delete(m["vocab"].(map[string]any), "a"); m["merges"] = []any{} },
		"repeated or join tokens": func(f, m map[string]any) { m["merges"] = append(m["merges"].([]any), "Ġqq qq") },
		"not found":               func(f, m map[string]any) { m["merges"] = append(m["merges"].([]any), "q q") },
		"the file is not as":      func(f, m map[string]any) { m["vocab"] = []any{"a"} },
	} {
		var file map[string]any
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		change(file, file["model"].(map[string]any))
		changed, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Load(writeFiles(t, map[string][]byte{"tokenizer.json": changed})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, files := range map[string]map[string][]byte{
		"none of tokenizer.json": {},
		"tokenizer.json":         {"tokenizer.json": []byte("{")},
		"add_bos_token":          {"tokenizer.json": data, "tokenizer_config.json": []byte(`{"add_bos_token":true}`)},
		"add_prefix_space":       {"tokenizer.json": data, "tokenizer_config.json": []byte(`{"add_prefix_space":true}`)},
		"special_tokens_map":     {"tokenizer.json": data, "special_tokens_map.json": []byte(`7`)},
	} {
		if _, err := Load(writeFiles(t, files)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// The same splitter written out in a Split is accepted and gives the same ids.
func TestLoadAcceptsTheExpressionInASplit(t *testing.T) {
	dir := trained(t)
	want, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	file["pre_tokenizer"].(map[string]any)["use_regex"] = false
	file["pre_tokenizer"] = map[string]any{"type": "Sequence", "pretokenizers": []any{
		map[string]any{"type": "Split", "behavior": "Isolated", "invert": false, "pattern": map[string]any{"Regex": patternGPT2}}, file["pre_tokenizer"]}}
	pairs := []any{}
	for _, m := range file["model"].(map[string]any)["merges"].([]any) {
		left, right, _ := strings.Cut(m.(string), " ")
		pairs = append(pairs, []string{left, right}) // as newer files have them
	}
	file["model"].(map[string]any)["merges"] = pairs
	changed, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": changed}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != want.Digest() || !slices.Equal(got.Encode(nil, shop[0]), want.Encode(nil, shop[0])) {
		t.Error("another tokenizer")
	}
}

func TestEncodePieces(t *testing.T) {
	tk, err := Load(trained(t))
	if err != nil {
		t.Fatal(err)
	}
	type piece struct {
		Text    string
		Special bool
	}
	end := tk.EOS()
	for i, test := range []struct {
		pieces []piece
		want   []int32
	}{
		{nil, nil},
		{[]piece{{"<|user|>", true}, {"<|user|>", false}, {"<|endoftext|>", true}}, slices.Concat([]int32{end + 1}, tk.Encode(nil, "<|user|>"), []int32{end})},
		{[]piece{{"<|us", true}, {"er|>", false}}, tk.Encode(nil, "<|user|>")},
		{[]piece{{"<|us", true}, {"er|>", true}}, tk.Encode(nil, "<|user|>")},
		{[]piece{{" ", true}, {"return", false}, {" ", true}, {"the", false}}, tk.Encode(nil, " return the")},
		{[]piece{{"a<|user|>b", true}, {"c", false}}, slices.Concat(tk.Encode(nil, "a"), []int32{end + 1}, tk.Encode(nil, "bc"))},
	} {
		if got, err := EncodePieces(tk, nil, test.pieces); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%d: %d, %v; want %d", i, got, err, test.want)
		}
	}
}

func TestAddedTokensThatAreNotSpecial(t *testing.T) {
	dir := trained(t)
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	tk, err := Load(writeFiles(t, map[string][]byte{"tokenizer.json": []byte(strings.Replace(string(data), `"special": true`, `"special": false`, 1))}))
	if err != nil {
		t.Fatal(err)
	}
	if got := tk.Encode(nil, "<|endoftext|>"); !slices.Equal(got, []int32{tk.EOS()}) || tk.IsSpecial(tk.EOS()) {
		t.Errorf("an added token that is not special is %d", got)
	}
}
