package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/model/bpe"
	"github.com/sugarme/tokenizer/pretrained"
)

const maxFile = 64 << 20 // bytes of a tokenizer file

// Load reads the tokenizer of a model directory in Hugging Face's layout: tokenizer.json, or vocab.json with merges.txt,
// or vocab.txt (BertTokenizer); and beside them, if they are there, tokenizer_config.json, special_tokens_map.json and
// added_tokens.json.
func Load(dir string) (*Tokenizer, error) {
	t, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer %s: %w", dir, err)
	}
	return t, nil
}

func load(dir string) (*Tokenizer, error) {
	names, err := readNames(dir)
	if err != nil {
		return nil, err
	}
	var src source
	switch {
	case exists(dir, "tokenizer.json"):
		src, err = fromJSON(filepath.Join(dir, "tokenizer.json"))
	case exists(dir, "vocab.json") && exists(dir, "merges.txt"):
		src, err = fromPair(dir, names)
	case exists(dir, "vocab.txt"):
		src, err = fromWords(dir, names)
	default:
		err = errors.New("none of tokenizer.json, vocab.json with merges.txt, vocab.txt is there; copy them from the checkpoint")
	}
	if err != nil {
		return nil, err
	}
	if src.pipe == nil {
		if err := names.check(); err != nil {
			return nil, err
		}
	}
	src.eos = names.eos()
	return build(src)
}

func exists(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, name))
	return err == nil && !info.IsDir()
}

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("read %s: %d bytes, the limit is %d", filepath.Base(path), info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// fromJSON reads tokenizer.json. Sugarme makes the model out of it; what it drops or cannot do is checked here.
func fromJSON(path string) (source, error) {
	data, err := read(path)
	if err != nil {
		return source{}, err
	}
	var set settings
	if err := json.Unmarshal(data, &set); err != nil {
		return source{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	var config tokenizer.Config
	if err := json.Unmarshal(data, &config); err != nil {
		return source{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	if config.Model["type"] == nil && config.Model["merges"] != nil {
		config.Model["type"] = "BPE" // files written before tokenizers 0.9 do not name it
	}
	if !set.byteLevel() {
		return fromPipeline(&config, set.AddedTokens)
	}
	if err := set.check(); err != nil {
		return source{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	model, err := guarded(func() (tokenizer.Model, error) { return pretrained.CreateModel(&config) })
	if err != nil {
		return source{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	made, ok := model.(*bpe.BPE)
	if !ok {
		return source{}, fmt.Errorf("read tokenizer.json: a byte-level splitter with a %T", model)
	}
	merges, err := ranked(*made.Merges, len(set.Model.Merges))
	return source{vocab: *made.Vocab, merges: merges, added: set.AddedTokens}, err
}

// fromPair reads vocab.json and merges.txt.
func fromPair(dir string, names names) (source, error) {
	vocab, merges := filepath.Join(dir, "vocab.json"), filepath.Join(dir, "merges.txt")
	lines, err := read(merges)
	if err != nil {
		return source{}, err
	}
	if _, err := read(vocab); err != nil {
		return source{}, err
	}
	model, err := guarded(func() (*bpe.BPE, error) { return bpe.NewBpeFromFiles(vocab, merges) })
	if err != nil {
		return source{}, fmt.Errorf("read vocab.json and merges.txt: %w", err)
	}
	count := 0
	for line := range bytes.Lines(lines) {
		if !bytes.HasPrefix(line, []byte("#version")) {
			count++
		}
	}
	src := source{vocab: *model.Vocab}
	if src.merges, err = ranked(*model.Merges, count); err != nil {
		return source{}, err
	}
	src.added, err = names.tokens(src.vocab, "<|endoftext|>")
	return src, err
}

// ranked puts sugarme's merges in order. It drops merges of unknown tokens and repeated ones: want is how many the file
// has.
func ranked(table bpe.Merges, want int) ([]merge, error) {
	if len(table) != want {
		return nil, fmt.Errorf("read merges: %d of %d are repeated or join tokens that the vocabulary does not have", want-len(table), want)
	}
	type entry struct {
		merge
		rank int
	}
	entries := make([]entry, 0, want)
	for pair, made := range table {
		entries = append(entries, entry{merge{pair.C1, pair.C2, made.NewId}, made.Rank})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.rank - b.rank })
	out := make([]merge, want)
	for i, e := range entries {
		out[i] = e.merge
	}
	return out, nil
}

// guarded turns a panic of the library into an error.
func guarded[T any](f func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is not as expected: %v", p)
		}
	}()
	return f()
}

// names is what the files beside the vocabulary say of special tokens.
type names struct {
	config  tokenizerConfig
	special map[string]json.RawMessage // special_tokens_map.json
	added   map[string]int             // added_tokens.json
}

// tokenizerConfig is what is read of tokenizer_config.json.
type tokenizerConfig struct {
	EOS       json.RawMessage       `json:"eos_token"`
	BOS       json.RawMessage       `json:"bos_token"`
	Unknown   json.RawMessage       `json:"unk_token"`
	Separator json.RawMessage       `json:"sep_token"`
	Pad       json.RawMessage       `json:"pad_token"`
	Class     json.RawMessage       `json:"cls_token"`
	Mask      json.RawMessage       `json:"mask_token"`
	Prefix    bool                  `json:"add_prefix_space"`
	AddBOS    bool                  `json:"add_bos_token"`
	AddEOS    bool                  `json:"add_eos_token"`
	Lower     *bool                 `json:"do_lower_case"`
	Chinese   *bool                 `json:"tokenize_chinese_chars"`
	Strip     *bool                 `json:"strip_accents"`
	Added     map[string]addedToken `json:"added_tokens_decoder"`
}

func readNames(dir string) (n names, err error) {
	for name, into := range map[string]any{"tokenizer_config.json": &n.config, "special_tokens_map.json": &n.special, "added_tokens.json": &n.added} {
		data, err := read(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			return n, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return n, nil
}

// check refuses settings that would change ids.
func (n names) check() error {
	switch {
	case n.config.Prefix:
		return errors.New("read tokenizer_config.json: add_prefix_space is not implemented; set it to false if the model was trained so")
	case n.config.AddBOS || n.config.AddEOS:
		return errors.New("read tokenizer_config.json: add_bos_token and add_eos_token are not implemented; put the tokens into the chat template and set them to false")
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

func (n names) eos() string {
	for _, raw := range []json.RawMessage{n.config.EOS, n.special["eos_token"]} {
		if s := text(raw); s != "" {
			return s
		}
	}
	return "<|endoftext|>"
}

// tokens lists the added tokens of a vocabulary without tokenizer.json; usual are special if the vocabulary has them.
func (n names) tokens(vocab map[string]int, usual ...string) ([]addedToken, error) {
	byText := map[string]addedToken{}
	for content, id := range n.added {
		byText[content] = addedToken{ID: id, Content: content}
	}
	for key, a := range n.config.Added {
		if _, err := fmt.Sscan(key, &a.ID); err != nil {
			return nil, fmt.Errorf("read tokenizer_config.json: added_tokens_decoder: id %q", key)
		}
		byText[a.Content] = a
	}
	c := n.config
	special := usual
	for _, raw := range []json.RawMessage{c.EOS, c.BOS, c.Unknown, c.Separator, c.Pad, c.Class, c.Mask} {
		special = append(special, text(raw))
	}
	for _, raw := range n.special {
		special = append(special, text(raw))
	}
	var more []json.RawMessage
	if json.Unmarshal(n.special["additional_special_tokens"], &more) == nil {
		for _, raw := range more {
			special = append(special, text(raw))
		}
	}
	for _, content := range special {
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
