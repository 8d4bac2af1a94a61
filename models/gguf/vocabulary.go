package gguf

import (
	"fmt"
	"math"
	"slices"

	"nightshift/models/tokenizer"
)

// Vocabulary is what a file says of its tokenizer.
type Vocabulary struct {
	tokenizer.GGUF
	Ends         []int  // all ids that end a turn, ascending
	ChatTemplate string // Jinja, "" where the file has none
}

// endTokens are control tokens that end a turn by their name, whatever else the file calls its end: early files of Llama 3 and Qwen 2
// name one of their two only. llama.cpp goes by such names too.
var endTokens = []string{"<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"}

// Vocabulary reads the tokenizer's keys. Lists whose lengths differ and ids outside the vocabulary are errors that name the key.
func (f *File) Vocabulary() (*Vocabulary, error) {
	s := &settings{f: f}
	v := &Vocabulary{ChatTemplate: s.text("tokenizer.chat_template")}
	v.Model, v.Pre = s.needText("tokenizer.ggml.model"), s.text("tokenizer.ggml.pre")
	for key, to := range map[string]**bool{"tokenizer.ggml.add_bos_token": &v.AddBOS, "tokenizer.ggml.add_space_prefix": &v.AddSpacePrefix} {
		if set, ok := s.flag(key); ok {
			*to = &set
		}
	}
	if s.err != nil {
		return nil, fmt.Errorf("read vocabulary: %w", s.err)
	}
	if err := v.readLists(f); err != nil {
		return nil, fmt.Errorf("read vocabulary: %w", err)
	}
	if err := v.readIDs(f); err != nil {
		return nil, fmt.Errorf("read vocabulary: %w", err)
	}
	return v, nil
}

func (v *Vocabulary) readLists(f *File) error {
	var err error
	if v.Tokens, err = f.Strings("tokenizer.ggml.tokens"); err != nil {
		return err
	}
	if len(v.Tokens) == 0 {
		return fmt.Errorf("tokenizer.ggml.tokens is empty")
	}
	if v.Types, err = perToken[int32](f, "tokenizer.ggml.token_type", len(v.Tokens), f.Ints, checkType); err != nil {
		return err
	}
	if v.Scores, err = perToken[float32](f, "tokenizer.ggml.scores", len(v.Tokens), f.Floats, checkScore); err != nil {
		return err
	}
	if f.Has("tokenizer.ggml.merges") {
		v.Merges, err = f.Strings("tokenizer.ggml.merges")
	}
	return err
}

// perToken reads a list that has one element a token, where the file has it.
func perToken[T int32 | float32, S int64 | float64](f *File, key string, tokens int, read func(string) ([]S, error), check func(S) error) ([]T, error) {
	if !f.Has(key) {
		return nil, nil
	}
	list, err := read(key)
	if err != nil {
		return nil, err
	}
	if len(list) != tokens {
		return nil, fmt.Errorf("%s has %d elements for %d tokens", key, len(list), tokens)
	}
	result := make([]T, tokens)
	for i, x := range list {
		if err := check(x); err != nil {
			return nil, fmt.Errorf("%s at index %d: %w", key, i, err)
		}
		result[i] = T(x)
	}
	return result, nil
}

func checkType(t int64) error {
	if t < tokenizer.GGUFNormal || t > tokenizer.GGUFByte {
		return fmt.Errorf("type %d is not known", t)
	}
	return nil
}

// checkScore lets infinities pass: tokens that were added late have the lowest score.
func checkScore(x float64) error {
	if math.IsNaN(x) {
		return fmt.Errorf("it is no number")
	}
	return nil
}

func (v *Vocabulary) readIDs(f *File) error {
	var ends [3]int
	for _, id := range []struct {
		name string
		to   *int
	}{
		{"bos", &v.BOS}, {"eos", &v.EOS}, {"unknown", &v.Unknown}, {"padding", &v.Padding},
		{"eot", &ends[1]}, {"eom", &ends[2]},
	} {
		key := "tokenizer.ggml." + id.name + "_token_id"
		*id.to = -1
		if !f.Has(key) {
			continue
		}
		n, err := f.Int(key)
		if err != nil {
			return err
		}
		if n == -1 || n == math.MaxUint32 { // llama.cpp's −1 as a uint32
			continue
		}
		if n < 0 || n >= int64(len(v.Tokens)) {
			return fmt.Errorf("%s is %d, the vocabulary has %d tokens", key, n, len(v.Tokens))
		}
		*id.to = int(n)
	}
	ends[0] = v.EOS
	for _, id := range ends {
		if id >= 0 {
			v.Ends = append(v.Ends, id)
		}
	}
	for id, t := range v.Types {
		if t == tokenizer.GGUFControl && slices.Contains(endTokens, v.Tokens[id]) {
			v.Ends = append(v.Ends, id)
		}
	}
	slices.Sort(v.Ends)
	v.Ends = slices.Compact(v.Ends)
	return nil
}
