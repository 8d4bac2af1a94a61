package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"unicode/utf8"
)

// names is what the files beside the vocabulary say of special tokens.
type names struct {
	config map[string]json.RawMessage // tokenizer_config.json
	set    tokenizerSettings          // of it
	mapped map[string]json.RawMessage // special_tokens_map.json
	added  map[string]int             // added_tokens.json
	tokens map[string]string          // the special tokens by name; see NamedTokens
}

// tokenizerSettings is what is read of tokenizer_config.json beside the names of tokens.
type tokenizerSettings struct {
	Class   *string               `json:"tokenizer_class"`
	Prefix  *bool                 `json:"add_prefix_space"`
	AddBOS  bool                  `json:"add_bos_token"`
	AddEOS  bool                  `json:"add_eos_token"`
	Lower   *bool                 `json:"do_lower_case"`
	Chinese *bool                 `json:"tokenize_chinese_chars"`
	Strip   *bool                 `json:"strip_accents"`
	Added   map[string]addedToken `json:"added_tokens_decoder"`
}

func readNames(dir string) (n names, err error) {
	for _, f := range []struct {
		name string
		into []any
	}{
		{"tokenizer_config.json", []any{&n.config, &n.set}}, {"special_tokens_map.json", []any{&n.mapped}}, {"added_tokens.json", []any{&n.added}},
	} {
		data, err := read(filepath.Join(dir, f.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for _, into := range f.into {
			if err == nil {
				err = json.Unmarshal(data, into)
			}
		}
		if err != nil {
			return n, fmt.Errorf("read %s: %w", f.name, err)
		}
	}
	n.tokens, err = n.named()
	return n, err
}

// check refuses settings that would change ids, where they say something else than the other files.
func (n names) check(src source) error {
	switch prefixed := src.prefixes(); {
	case n.set.Prefix != nil && *n.set.Prefix && src.meta == nil:
		return errors.New("read tokenizer_config.json: add_prefix_space is not implemented; set it to false if the model was trained so")
	case n.set.Prefix != nil && *n.set.Prefix != prefixed && src.meta != nil:
		return fmt.Errorf("read tokenizer_config.json: add_prefix_space is %t, tokenizer.json has it %t; make them agree", *n.set.Prefix, prefixed)
	case n.set.AddBOS && len(src.prefix) == 0:
		return errors.New("read tokenizer_config.json: add_bos_token is true, and no post_processor of tokenizer.json adds that token; make them agree")
	case n.set.AddEOS:
		return errors.New("read tokenizer_config.json: add_eos_token is not implemented, a model cannot go on behind the end of a text; set it to false")
	}
	return nil
}

// text returns a token given as a string or as an object with its content.
func text(raw json.RawMessage) string {
	var s string
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if json.Unmarshal(raw, &object) == nil {
		return object.Content
	}
	return ""
}

// all lists the texts of every named token, some of them more than once.
func (n names) all() []string {
	list := slices.Sorted(maps.Values(n.tokens))
	for _, file := range []map[string]json.RawMessage{n.config, n.mapped} {
		for _, key := range []string{"additional_special_tokens", "extra_special_tokens"} {
			var more []json.RawMessage
			if json.Unmarshal(file[key], &more) == nil {
				for _, raw := range more {
					list = append(list, text(raw))
				}
			}
		}
	}
	return list
}

// special adds to the added tokens of tokenizer.json, which are as it says, the named tokens that are in its vocabulary alone:
// they are special, as they are in transformers. A token that ordinary text becomes stays one, whatever it is named: a model
// padded with "!" still says it.
func (n names) special(src source) []addedToken {
	known := map[string]bool{"": true}
	for _, a := range src.added {
		known[a.Content] = true
	}
	merged := map[int]bool{}
	for _, m := range src.merges {
		merged[m.product] = true
	}
	added := src.added
	for _, content := range n.all() {
		id, ok := src.vocab[content]
		if !ok || known[content] || merged[id] || src.pipe == nil && utf8.RuneCountInString(content) == 1 {
			continue
		}
		known[content] = true
		added = append(added, addedToken{ID: id, Content: content, Special: true})
	}
	return added
}

// addedTo lists the added tokens of a vocabulary without tokenizer.json; usual are special if the vocabulary has them.
func (n names) addedTo(vocab map[string]int, usual ...string) ([]addedToken, error) {
	byText := map[string]addedToken{}
	for content, id := range n.added {
		byText[content] = addedToken{ID: id, Content: content}
	}
	for key, a := range n.set.Added {
		if _, err := fmt.Sscan(key, &a.ID); err != nil {
			return nil, fmt.Errorf("read tokenizer_config.json: added_tokens_decoder: id %q", key)
		}
		byText[a.Content] = a
	}
	for _, content := range append(usual, n.all()...) {
		a, known := byText[content]
		if id, ok := vocab[content]; ok && !known {
			a, known = addedToken{ID: id, Content: content}, true
		}
		if a.Special = true; known {
			byText[content] = a
		}
	}
	out := make([]addedToken, 0, len(byText))
	for _, a := range byText {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b addedToken) int { return a.ID - b.ID })
	return out, nil
}
