package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/sugarme/tokenizer"
	"github.com/sugarme/tokenizer/pretrained"
)

// What a pipeline accepts: the library's BPE takes time with the square of a word.
const (
	maxText = 256 << 10 // bytes of one text
	maxWord = 2 << 10   // bytes between white space, for BPE
)

// pipeline runs sugarme's normalizer, pre-tokenizer and model. The library is not told of any added token: it deletes
// them from text. Its caches are not safe for concurrent use, so that one text is encoded at a time.
type pipeline struct {
	mu      sync.Mutex
	run     *tokenizer.Tokenizer
	family  string // WordPiece, WordLevel, Unigram, BPE
	unknown int32  // −1: the vocabulary has none
}

// fromPipeline builds a pipeline from the configuration of tokenizer.json.
func fromPipeline(config *tokenizer.Config, added []addedToken) (source, error) {
	family, _ := config.Model["type"].(string)
	if prefix, ok := config.Model["continuing_subword_prefix"].(string); ok && family == "WordPiece" && prefix != "##" {
		return source{}, fmt.Errorf("read tokenizer: model.continuing_subword_prefix %q is not implemented", prefix)
	}
	config.AddedTokens, config.PostProcessor, config.Decoder, config.Truncation, config.Padding = nil, nil, nil, nil, nil
	if n := config.Normalizer; n["type"] == "BertNormalizer" && n["strip_accents"] == nil {
		n["strip_accents"] = n["lowercase"] // what null means
	}
	data, err := json.Marshal(config)
	if err != nil {
		return source{}, fmt.Errorf("read tokenizer: %w", err)
	}
	run, err := guarded(func() (*tokenizer.Tokenizer, error) { return pretrained.FromReader(bytes.NewReader(data)) })
	if err != nil {
		return source{}, fmt.Errorf("read tokenizer: %s: %w", family, err)
	}
	p := &pipeline{run: run, family: family, unknown: -1}
	vocab := run.GetVocab(false)
	if id, ok := config.Model["unk_id"].(float64); ok {
		p.unknown = int32(id)
	} else if token, ok := config.Model["unk_token"].(string); ok {
		if id, ok := vocab[token]; ok {
			p.unknown = int32(id)
		}
	}
	return source{vocab: vocab, added: added, pipe: p}, nil
}

// fromWords reads vocab.txt, one token a line: BertTokenizer, as Chinese GPT-2 checkpoints use it.
func fromWords(dir string, names names) (source, error) {
	data, err := read(filepath.Join(dir, "vocab.txt"))
	if err != nil {
		return source{}, err
	}
	vocab := map[string]any{}
	ids := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		token := strings.TrimRight(lines.Text(), "\r")
		if _, ok := vocab[token]; ok || token == "" {
			return source{}, fmt.Errorf("read vocab.txt: line %d: %q is empty or given twice", len(vocab)+1, token)
		}
		ids[token], vocab[token] = len(vocab), float64(len(vocab))
	}
	if err := lines.Err(); err != nil {
		return source{}, fmt.Errorf("read vocab.txt: %w", err)
	}
	added, err := names.addedTo(ids, "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
	if err != nil {
		return source{}, err
	}
	set := func(value *bool, otherwise bool) bool {
		if value != nil {
			return *value
		}
		return otherwise
	}
	lower := set(names.set.Lower, true)
	return fromPipeline(&tokenizer.Config{
		Normalizer: map[string]any{"type": "BertNormalizer", "clean_text": true, "lowercase": lower,
			"handle_chinese_chars": set(names.set.Chinese, true), "strip_accents": set(names.set.Strip, lower)},
		PreTokenizer: map[string]any{"type": "BertPreTokenizer"},
		Model:        map[string]any{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100.0, "vocab": vocab},
	}, added)
}

// encode appends the ids of text. Invalid bytes become U+FFFD, the library cannot have them.
func (p *pipeline) encode(dst []int32, text string) ([]int32, error) {
	if text == "" {
		return dst, nil
	}
	if len(text) > maxText {
		return dst, fmt.Errorf("encode text of %d bytes: %s takes at most %d", len(text), p.family, maxText)
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if p.family == "BPE" {
		for word := range strings.FieldsSeq(text) {
			if len(word) > maxWord {
				return dst, fmt.Errorf("encode word of %d bytes: %s takes at most %d", len(word), p.family, maxWord)
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	encoding, err := guarded(func() (*tokenizer.Encoding, error) { return p.run.EncodeSingle(text, false) })
	if err != nil {
		return dst, fmt.Errorf("encode text of %d bytes with %s: %w", len(text), p.family, err)
	}
	for _, id := range encoding.GetIds() {
		dst = append(dst, int32(id))
	}
	return dst, nil
}

// surface rewrites tokens into the text that each adds to what stands before it. WordPiece has lost where spaces were:
// words are put apart by one, except before Chinese characters and closing punctuation.
func (p *pipeline) surface(tokens []string, special []bool) {
	for id, token := range tokens {
		if token == "" || special[id] {
			continue
		}
		tokens[id] = p.spoken(token)
	}
}

func (p *pipeline) spoken(token string) string {
	if p.family == "WordPiece" || p.family == "WordLevel" {
		if rest, ok := strings.CutPrefix(token, "##"); ok && rest != "" && p.family == "WordPiece" {
			return rest
		}
		first, _ := utf8.DecodeRuneInString(token)
		if unicode.Is(unicode.Han, first) || strings.ContainsRune(".,!?;:)]}%，。！？；：、）】》", first) {
			return token
		}
		return " " + token
	}
	if len(token) == 6 && strings.HasPrefix(token, "<0x") && token[5] == '>' {
		if b, err := strconv.ParseUint(token[3:5], 16, 8); err == nil {
			return string([]byte{byte(b)})
		}
	}
	return strings.ReplaceAll(token, "▁", " ")
}
