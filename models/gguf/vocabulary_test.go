package gguf

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/models/tokenizer"
)

func TestVocabulary(t *testing.T) {
	f := newTiny("llama").set("tokenizer.ggml.add_bos_token", true).set("tokenizer.ggml.add_space_prefix", false).
		set("tokenizer.ggml.eot_token_id", uint32(7)).set("tokenizer.ggml.eom_token_id", uint32(3)).set("tokenizer.ggml.unknown_token_id", uint32(0)).
		set("tokenizer.ggml.padding_token_id", uint32(math.MaxUint32)).set("tokenizer.chat_template", "{{ messages }}").
		set("tokenizer.ggml.scores", slices.Repeat([]float32{-1.5}, 40)).parse(t)
	v, err := f.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Tokens) != 40 || v.Tokens[1] != "t1" || len(v.Types) != 40 || v.Types[38] != tokenizer.GGUFControl || len(v.Scores) != 40 || v.Scores[3] != -1.5 {
		t.Errorf("lists: %v %v %v", v.Tokens, v.Types, v.Scores)
	}
	v.Tokens, v.Types, v.Scores = nil, nil, nil
	yes, no := true, false
	want := &Vocabulary{GGUF: tokenizer.GGUF{Model: "gpt2", Pre: "smollm", Merges: []string{"t 0"}, BOS: 4, EOS: 3, Unknown: 0, Padding: -1, AddBOS: &yes, AddSpacePrefix: &no},
		Ends: []int{3, 7, 38}, ChatTemplate: "{{ messages }}"}
	if !reflect.DeepEqual(v, want) {
		t.Errorf("got  %+v\nwant %+v", v, want)
	}
}

func TestVocabularyOfLittle(t *testing.T) {
	f, err := Parse(newTiny("").unset("tokenizer.ggml.pre").unset("tokenizer.ggml.token_type").unset("tokenizer.ggml.merges").unset("tokenizer.ggml.eos_token_id").encode(t))
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Vocabulary()
	if err != nil || v.EOS != -1 || v.Unknown != -1 || v.Ends != nil || v.Types != nil || v.Scores != nil || v.Merges != nil || v.AddBOS != nil {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestVocabularyRefuses(t *testing.T) {
	for want, m := range map[string]*tiny{
		"tokenizer.ggml.tokens: the file has no such key":                  newTiny("llama").unset("tokenizer.ggml.tokens"),
		"tokenizer.ggml.tokens is empty":                                   newTiny("llama").set("tokenizer.ggml.tokens", []string{}),
		"tokenizer.ggml.tokens: \"\\xff\" at index 0 is not UTF-8":         newTiny("llama").set("tokenizer.ggml.tokens", []string{"\xff"}),
		"tokenizer.ggml.token_type has 2 elements for 40 tokens":           newTiny("llama").set("tokenizer.ggml.token_type", []int32{1, 1}),
		"tokenizer.ggml.token_type: it is an array of float32":             newTiny("llama").set("tokenizer.ggml.token_type", []float32{1, 1}),
		"tokenizer.ggml.token_type at index 0: type 7 is not known":        newTiny("llama").set("tokenizer.ggml.token_type", slices.Repeat([]int32{7}, 40)),
		"tokenizer.ggml.scores at index 0: it is no number":                newTiny("llama").set("tokenizer.ggml.scores", slices.Repeat([]float32{float32(math.NaN())}, 40)),
		"tokenizer.ggml.merges: it is an array of int32":                   newTiny("llama").set("tokenizer.ggml.merges", []int32{1}),
		"tokenizer.ggml.eos_token_id is 40, the vocabulary has 40 tokens":  newTiny("llama").set("tokenizer.ggml.eos_token_id", uint32(40)),
		"tokenizer.ggml.eot_token_id: it is a string":                      newTiny("llama").set("tokenizer.ggml.eot_token_id", "x"),
		"tokenizer.ggml.unknown_token_id is -2":                            newTiny("llama").set("tokenizer.ggml.unknown_token_id", int32(-2)),
		"tokenizer.ggml.add_bos_token: it is a uint8, want a bool":         newTiny("llama").set("tokenizer.ggml.add_bos_token", uint8(1)),
		"tokenizer.chat_template: it is an array of string, want a string": newTiny("llama").set("tokenizer.chat_template", []string{"x"}),
	} {
		if _, err := m.parse(t).Vocabulary(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
