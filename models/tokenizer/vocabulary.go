package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Write writes tokenizer.json and tokenizer_config.json in Hugging Face's layout: a byte-level BPE with GPT-2's settings.
// The same vocabulary gives the same bytes.
func (v *Vocabulary) Write(dir string) error {
	tokenizer, config, err := v.files()
	if err != nil {
		return fmt.Errorf("write vocabulary to %s: %w", dir, err)
	}
	for name, data := range map[string][]byte{"tokenizer.json": tokenizer, "tokenizer_config.json": config} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("write vocabulary: %w", err)
		}
	}
	return nil
}

// ordered is a JSON object whose keys keep their order.
type ordered []member

type member struct {
	key   string
	value any
}

func (o ordered) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, m := range o {
		key, err := encodeJSON(m.key)
		if err != nil {
			return nil, err
		}
		value, err := encodeJSON(m.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.Write(bytes.TrimSpace(key))
		out.WriteByte(':')
		out.Write(bytes.TrimSpace(value))
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// encodeJSON is json.Marshal that leaves <, > and & as they are.
func encodeJSON(value any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return out.Bytes(), err
}

// indented is encodeJSON for people.
func indented(value any) ([]byte, error) {
	data, err := encodeJSON(value)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(data), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// files returns the contents of tokenizer.json and tokenizer_config.json.
func (v *Vocabulary) files() (tokenizer, config []byte, err error) {
	var vocab, decoder ordered
	added := []ordered{}
	for id, raw := range v.tokens {
		vocab = append(vocab, member{spell(raw), id})
	}
	for i, text := range v.special {
		id := len(v.tokens) + i
		vocab = append(vocab, member{text, id})
		entry := ordered{{"content", text}, {"single_word", false}, {"lstrip", false}, {"rstrip", false}, {"normalized", false}, {"special", true}}
		added = append(added, append(ordered{{"id", id}}, entry...))
		decoder = append(decoder, member{fmt.Sprint(id), entry})
	}
	merges := make([]string, len(v.merges))
	for i, m := range v.merges {
		merges[i] = spell(v.tokens[m[0]]) + " " + spell(v.tokens[m[1]])
	}
	byteLevel := ordered{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}
	tokenizer, err = indented(ordered{
		{"version", "1.0"}, {"truncation", nil}, {"padding", nil}, {"added_tokens", added}, {"normalizer", nil},
		{"pre_tokenizer", byteLevel}, {"post_processor", byteLevel}, {"decoder", byteLevel},
		{"model", ordered{
			{"type", "BPE"}, {"dropout", nil}, {"unk_token", nil}, {"continuing_subword_prefix", nil},
			{"end_of_word_suffix", nil}, {"fuse_unk", false}, {"byte_fallback", false}, {"ignore_merges", false},
			{"vocab", vocab}, {"merges", merges},
		}},
	})
	if err != nil {
		return nil, nil, err
	}
	settings := ordered{{"add_prefix_space", false}, {"clean_up_tokenization_spaces", false}, {"tokenizer_class", "PreTrainedTokenizerFast"}}
	if len(v.special) > 0 {
		eos := v.special[0]
		settings = append(settings, member{"bos_token", eos}, member{"eos_token", eos}, member{"unk_token", eos}, member{"pad_token", eos},
			member{"added_tokens_decoder", decoder})
	}
	if len(v.special) > 1 {
		settings = append(settings, member{"additional_special_tokens", v.special[1:]})
	}
	config, err = indented(settings)
	return tokenizer, config, err
}
