package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
		if err == nil {
			src.added = names.special(src)
		}
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
	src.eos, src.bos = names.tokens["eos_token"], names.tokens["bos_token"]
	if src.pipe == nil {
		if err := names.check(src); err != nil {
			return nil, err
		}
	}
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
	data, err := os.ReadFile(path)
	if err == nil && bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, fmt.Errorf("read %s: it begins with a byte order mark, which would become part of its first line; save it as UTF-8 without one", filepath.Base(path))
	}
	return data, err
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
	if !set.byteLevel() && !set.sentencePiece() {
		return fromPipeline(&config, set.AddedTokens)
	}
	src := source{added: set.AddedTokens}
	if err := set.into(&src); err != nil {
		return source{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	model, err := guarded(func() (tokenizer.Model, error) { return pretrained.CreateModel(&config) })
	if err != nil {
		return source{}, fmt.Errorf("read tokenizer.json: %w", err)
	}
	made, ok := model.(*bpe.BPE)
	if !ok {
		return source{}, fmt.Errorf("read tokenizer.json: a BPE expected, it is a %T", model)
	}
	src.vocab = *made.Vocab
	src.merges, err = ranked(*made.Merges, len(set.Model.Merges))
	return src, err
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
	src := source{vocab: *model.Vocab, rule: ruleGPT2}
	if src.merges, err = ranked(*model.Merges, count); err != nil {
		return source{}, err
	}
	if bos, ok := src.vocab[names.tokens["bos_token"]]; ok && names.set.AddBOS {
		src.prefix = []int32{int32(bos)}
	}
	src.added, err = names.addedTo(src.vocab, "<|endoftext|>")
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
