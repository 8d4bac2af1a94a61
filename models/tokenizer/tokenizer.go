// Package tokenizer turns text into the token ids of a GPT-2-family model and back.
//
// Files are loaded by sugarme/tokenizer. Byte-level BPE with GPT-2's splitter, the family of GPT-2 and of the model that
// ships, is encoded here: the ids are exactly those of GPT-2's own tokenizer, in O(n log n) for any text, without locks,
// without a cache and without allocation in the steady state. Other families (WordPiece, Unigram, SentencePiece BPE) run
// through sugarme's pipeline as it is, behind recover and an input limit; Exact reports which of the two it is.
//
// Invariants: Encode never makes a special token, whatever the text says; only EncodeSpecial does. Bytes that are not
// UTF-8 are kept: decoding what byte-level BPE encoded returns the same bytes. A setting that would change ids and is not
// implemented is refused by name when the files are loaded. A Tokenizer is read-only and may be used by any number of
// goroutines at once; a Decoder belongs to one stream.
//
// The Unicode tables are those of Go's package unicode: a letter that a later version of Unicode adds is split as a
// symbol.
package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Tokenizer is a loaded vocabulary with its merges and its registered tokens.
type Tokenizer struct {
	tokens   []string         // by id, the bytes it stands for; "" is an id that does not exist
	names    map[string]int32 // as spelled in the files
	special  []bool           // by id
	plain    matcher          // added tokens that are not special: part of the vocabulary of any text
	all      matcher          // added tokens, special ones included
	split    splitter
	bpe      *byteBPE  // nil for the other families
	pipeline *pipeline // nil for byte-level BPE
	eos, bos int32
	digest   string
}

// Encode appends the ids of text to dst. Text that spells a special token stays text. Text that the pipeline of another
// family cannot encode becomes one unknown token; TryEncode reports it.
func (t *Tokenizer) Encode(dst []int32, text string) []int32 {
	return t.orUnknown(t.encode(dst, text, &t.plain))
}

// EncodeSpecial is Encode for text that the caller vouches for, a template's own: registered special tokens become their
// ids, the leftmost first and of those the longest.
func (t *Tokenizer) EncodeSpecial(dst []int32, text string) []int32 {
	return t.orUnknown(t.encode(dst, text, &t.all))
}

// TryEncode is Encode, or EncodeSpecial where special is set, that says why a text cannot be encoded; dst is then
// returned with what came before. Byte-level BPE encodes every text.
func (t *Tokenizer) TryEncode(dst []int32, text string, special bool) ([]int32, error) {
	if special {
		return t.encode(dst, text, &t.all)
	}
	return t.encode(dst, text, &t.plain)
}

func (t *Tokenizer) orUnknown(dst []int32, err error) []int32 {
	if err != nil && t.pipeline.unknown >= 0 {
		dst = append(dst, t.pipeline.unknown)
	}
	return dst
}

func (t *Tokenizer) encode(dst []int32, text string, tokens *matcher) ([]int32, error) {
	for text != "" {
		start, end, id := tokens.find(text)
		if t.bpe != nil {
			dst = t.encodeBytes(dst, text[:start])
		} else {
			var err error
			if dst, err = t.pipeline.encode(dst, text[:start]); err != nil {
				return dst, err
			}
		}
		if end > start {
			dst = append(dst, id)
		}
		text = text[end:]
	}
	return dst, nil
}

func (t *Tokenizer) encodeBytes(dst []int32, text string) []int32 {
	for i := 0; i < len(text); {
		end := t.split.next(text, i)
		dst = t.bpe.encode(dst, text[i:end])
		i = end
	}
	return dst
}

// Size is one more than the highest id.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Has reports whether there is a token of that id. Ids below Size may be gaps.
func (t *Tokenizer) Has(id int32) bool {
	return id >= 0 && int(id) < len(t.tokens) && t.tokens[id] != ""
}

// Gaps lists the ids below Size that no token has, ascending.
func (t *Tokenizer) Gaps() (gaps []int32) {
	for id := range t.tokens {
		if t.tokens[id] == "" {
			gaps = append(gaps, int32(id))
		}
	}
	return gaps
}

// EOS is the id of eos_token, the end-of-text token of the tokenizer's files; −1 if they name none.
func (t *Tokenizer) EOS() int32 { return t.eos }

// BOS is the id of bos_token, the one that texts begin with; −1 if the files name none.
func (t *Tokenizer) BOS() int32 { return t.bos }

// Exact reports whether ids are those of the reference implementation by construction: byte-level BPE.
func (t *Tokenizer) Exact() bool { return t.bpe != nil }

// ID returns the id of a token as the files spell it: "<|endoftext|>", "Ġthe".
func (t *Tokenizer) ID(token string) (int32, bool) {
	id, ok := t.names[token]
	return id, ok
}

// IsSpecial reports whether id is a registered special token.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.special) && t.special[id]
}

// Reserved reports whether id is a special token that no text becomes. The unknown token of other families is special, too, but
// stands for text.
func (t *Tokenizer) Reserved(id int32) bool {
	return t.IsSpecial(id) && (t.pipeline == nil || id != t.pipeline.unknown)
}

// Digest is "sha256:" and the hash of the vocabulary, the merges and the added tokens in a canonical form: the same for
// tokenizer.json and for vocab.json with merges.txt.
func (t *Tokenizer) Digest() string { return t.digest }

// source is what the files say, before it is checked.
type source struct {
	vocab  map[string]int
	merges []merge // in order of rank
	added  []addedToken
	eos    string // text of eos_token, "" for none
	bos    string // of bos_token
	pipe   *pipeline
}

type merge struct{ left, right, product int }

// addedToken is an entry of added_tokens in tokenizer.json.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

const maxTokens = 1 << 22

func build(src source) (*Tokenizer, error) {
	t := &Tokenizer{names: make(map[string]int32, len(src.vocab)), pipeline: src.pipe, eos: -1, bos: -1}
	size := 0
	for _, id := range src.vocab {
		size = max(size, id+1)
	}
	for _, a := range src.added {
		size = max(size, a.ID+1)
	}
	if size > maxTokens {
		return nil, fmt.Errorf("read vocabulary: id %d is beyond the limit of %d tokens", size-1, maxTokens)
	}
	t.tokens, t.special = make([]string, size), make([]bool, size)
	spelled := make([]string, size)
	for name, id := range src.vocab {
		if id < 0 || spelled[id] != "" || name == "" {
			return nil, fmt.Errorf("read vocabulary: id %d of %q is negative or given twice, or the token is empty", id, name)
		}
		raw, ok := unspell(name)
		if !ok || src.pipe != nil {
			raw = name
		}
		t.tokens[id], spelled[id], t.names[name] = raw, name, int32(id)
	}
	if err := t.register(src, spelled); err != nil {
		return nil, err
	}
	if src.pipe == nil {
		if err := t.learnMerges(src); err != nil {
			return nil, err
		}
	} else {
		t.pipeline.surface(t.tokens, t.special)
	}
	if id, ok := t.names[src.eos]; ok {
		t.eos = id
	}
	if id, ok := t.names[src.bos]; ok {
		t.bos = id
	}
	t.digest = digest(spelled, src)
	return t, nil
}

// register enters the added tokens.
func (t *Tokenizer) register(src source, spelled []string) error {
	for _, a := range src.added {
		switch {
		case a.Content == "" || a.ID < 0:
			return fmt.Errorf("read added token %q: no text or a negative id", a.Content)
		case spelled[a.ID] != "" && spelled[a.ID] != a.Content:
			return fmt.Errorf("read added token %q: its id %d is the vocabulary's %q", a.Content, a.ID, spelled[a.ID])
		case a.SingleWord || a.LStrip || a.RStrip:
			return fmt.Errorf("read added token %q: single_word, lstrip and rstrip are not implemented; set them to false", a.Content)
		}
		if id, ok := t.names[a.Content]; ok && int(id) != a.ID {
			return fmt.Errorf("read added token %q: its id is %d here and %d in the vocabulary", a.Content, a.ID, id)
		}
		t.tokens[a.ID], spelled[a.ID], t.names[a.Content] = a.Content, a.Content, int32(a.ID)
		t.special[a.ID] = a.Special
		t.all.add(a.Content, int32(a.ID))
		if !a.Special {
			t.plain.add(a.Content, int32(a.ID))
		}
	}
	return nil
}

// learnMerges builds the byte-level BPE.
func (t *Tokenizer) learnMerges(src source) error {
	m := &byteBPE{pairs: newPairs(len(src.merges)), words: make(map[string]int32, len(t.tokens))}
	for b := range m.bytes {
		id, ok := src.vocab[spell(string([]byte{byte(b)}))]
		if !ok {
			return fmt.Errorf("read vocabulary: no token for byte 0x%02X: this is not a byte-level vocabulary", b)
		}
		m.bytes[b] = int32(id)
	}
	for _, e := range src.merges {
		if !m.pairs.add(int32(e.left), int32(e.right), int32(e.product)) {
			return fmt.Errorf("read merges: %q and %q merge twice", t.tokens[e.left], t.tokens[e.right])
		}
	}
	var ids []int32
	for _, id := range src.vocab {
		raw := t.tokens[id]
		if ids = m.encode(ids[:0], raw); len(ids) == 1 && int(ids[0]) == id {
			m.words[raw] = ids[0]
		}
	}
	for word := range m.words {
		m.long = max(m.long, len(word))
	}
	t.bpe, t.split = m, splitter{plane()}
	return nil
}

// digest hashes one line a token, a merge and an added token, each text by its length so that no two files are alike.
func digest(spelled []string, src source) string {
	h := sha256.New()
	for id, name := range spelled {
		if name != "" {
			fmt.Fprintf(h, "token %d %d %s\n", id, len(name), name)
		}
	}
	for _, e := range src.merges {
		fmt.Fprintf(h, "merge %d %d %d\n", e.left, e.right, e.product)
	}
	added := slices.Clone(src.added)
	slices.SortFunc(added, func(a, b addedToken) int { return a.ID - b.ID })
	for _, a := range added {
		fmt.Fprintf(h, "added %d %d %s %t\n", a.ID, len(a.Content), a.Content, a.Special)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// matcher finds registered tokens in text.
type matcher struct {
	first  [256]bool // the bytes that tokens start with
	tokens []matched // longest first
}

type matched struct {
	text string
	id   int32
}

func (m *matcher) add(text string, id int32) {
	at, _ := slices.BinarySearchFunc(m.tokens, text, func(e matched, s string) int {
		if len(e.text) != len(s) {
			return len(s) - len(e.text)
		}
		return strings.Compare(e.text, s)
	})
	m.first[text[0]] = true
	m.tokens = slices.Insert(m.tokens, at, matched{text, id})
}

// find returns where the first registered token of text is, and which; start and end are len(text) if there is none.
func (m *matcher) find(text string) (start, end int, id int32) {
	if len(m.tokens) > 0 {
		for i := range len(text) {
			if !m.first[text[i]] {
				continue
			}
			for _, e := range m.tokens {
				if strings.HasPrefix(text[i:], e.text) {
					return i, i + len(e.text), e.id
				}
			}
		}
	}
	return len(text), len(text), 0
}
