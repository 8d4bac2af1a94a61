package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// source is what the files say, before it is checked.
type source struct {
	vocab  map[string]int
	merges []merge // in order of rank
	added  []addedToken
	eos    string // text of eos_token, "" for none
	bos    string // of bos_token
	pipe   *pipeline

	normal       normalizer
	prefix       []int32
	wholeWords   bool       // a piece that is in the vocabulary is that token
	rule         rule       // of a byte-level vocabulary
	meta         *metaspace // of a SentencePiece vocabulary
	decoding     decoding   // of the same
	byteFallback bool
	fuse         bool   // unknown characters in a row are one token
	unknown      string // "" for none
}

type merge struct{ left, right, product int }

// prefixes reports whether a SentencePiece vocabulary puts a ▁ before texts.
func (src *source) prefixes() bool {
	return src.meta != nil && (src.meta.prefix != prefixNever || slices.ContainsFunc(src.normal, func(s normalStep) bool { return s.name == "Prepend" }))
}

const maxTokens = 1 << 22

func build(src source) (*Tokenizer, error) {
	t := &Tokenizer{names: make(map[string]int32, len(src.vocab)), pipeline: src.pipe, normal: src.normal, meta: src.meta,
		prefix: src.prefix, eos: -1, bos: -1, unknown: -1}
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
		if !ok || src.pipe != nil || src.meta != nil {
			raw = name
		}
		t.tokens[id], spelled[id], t.names[name] = raw, name, int32(id)
	}
	if err := t.register(src, spelled); err != nil {
		return nil, err
	}
	if src.pipe != nil {
		t.pipeline.surface(t.tokens, t.special)
		t.unknown, t.strip = t.pipeline.unknown, 1
	} else if err := t.learn(src, spelled); err != nil {
		return nil, err
	}
	for _, id := range src.prefix {
		if !t.Has(id) {
			return nil, fmt.Errorf("read tokenizer.json: post_processor puts token %d before texts, and the vocabulary does not have it", id)
		}
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

// register enters the added tokens. Special ones are looked for in text as it is, whatever normalized says: a normalizer that leaves
// their spelling alone makes no difference, another is refused.
func (t *Tokenizer) register(src source, spelled []string) error {
	for _, a := range src.added {
		switch {
		case a.Content == "" || a.ID < 0:
			return fmt.Errorf("read added token %q: no text or a negative id", a.Content)
		case spelled[a.ID] != "" && spelled[a.ID] != a.Content:
			return fmt.Errorf("read added token %q: its id %d is the vocabulary's %q", a.Content, a.ID, spelled[a.ID])
		case (a.SingleWord || a.LStrip || a.RStrip) && src.pipe != nil:
			return fmt.Errorf("read added token %q: single_word, lstrip and rstrip are implemented for BPE only; set them to false", a.Content)
		}
		if id, ok := t.names[a.Content]; ok && int(id) != a.ID {
			return fmt.Errorf("read added token %q: its id is %d here and %d in the vocabulary", a.Content, a.ID, id)
		}
		normal := a.Content
		if a.Normalized {
			normal = src.normal.apply(a.Content, begins)
		}
		if a.Special && normal != a.Content {
			return fmt.Errorf("read added token %q: it is special and normalized, and the normalizer makes it %q; set normalized to false", a.Content, normal)
		}
		t.tokens[a.ID], spelled[a.ID], t.names[a.Content] = normal, a.Content, int32(a.ID)
		t.special[a.ID] = a.Special
		switch {
		case a.Normalized && !a.Special && src.pipe == nil:
			t.late.add(normal, a)
			continue
		case !a.Special:
			t.plain.add(a.Content, a)
		}
		t.all.add(a.Content, a)
	}
	return nil
}

// learn builds the BPE.
func (t *Tokenizer) learn(src source, spelled []string) error {
	m := &merger{pairs: newPairs(len(src.merges)), words: make(map[string]int32, len(t.tokens))}
	symbols := t.learnBytes
	if src.meta != nil {
		symbols = t.learnCharacters
	}
	if err := symbols(m, src); err != nil {
		return err
	}
	for _, e := range src.merges {
		if t.special[e.product] {
			continue // no text becomes a special token
		}
		if !m.pairs.add(int32(e.left), int32(e.right), int32(e.product)) {
			return fmt.Errorf("read merges: %q and %q merge twice", spelled[e.left], spelled[e.right])
		}
		if t.meta != nil && strings.Contains(strings.TrimLeft(spelled[e.product], metaspaceRune), metaspaceRune) {
			t.meta.joined = true
		}
	}
	if t.meta != nil {
		t.meta.joined = t.meta.joined || src.wholeWords
	}
	t.learnWords(m, src)
	if t.bpe = m; src.meta == nil {
		t.split = &splitter{plane(), src.rule}
		return nil
	}
	t.strip = src.decoding.strip
	for id, name := range t.tokens {
		if !t.special[id] {
			t.tokens[id] = src.decoding.text(name)
		}
	}
	return nil
}

// learnBytes enters the symbols of a byte-level vocabulary. One that was trained without an alphabet lacks bytes that its texts did not
// have; the reference implementation leaves them out of text, and so does this one. Bytes of ordinary text may not lack.
func (t *Tokenizer) learnBytes(m *merger, src source) error {
	for b := range m.bytes {
		id, ok := src.vocab[spell(string([]byte{byte(b)}))]
		if m.bytes[b] = int32(id); ok {
			continue
		}
		if !rareByte(byte(b)) {
			return fmt.Errorf("read vocabulary: no token for byte 0x%02X: this is not a byte-level vocabulary", b)
		}
		m.bytes[b] = -1
	}
	return nil
}

// rareByte reports whether a byte is a control character that does not lay out text, begins characters of planes that are empty, or
// is not in UTF-8.
func rareByte(b byte) bool {
	switch {
	case b == '\t' || b == '\n' || b == '\r':
		return false
	case b < ' ' || b == 0x7F || b == 0xC0 || b == 0xC1:
		return true
	}
	return b > 0xF0 && b != 0xF3 && b != 0xF4
}

// learnCharacters enters the symbols of a SentencePiece vocabulary.
func (t *Tokenizer) learnCharacters(m *merger, src source) error {
	missing := -1
	for b := range m.bytes {
		id, ok := src.vocab[fmt.Sprintf("<0x%02X>", b)]
		if m.bytes[b] = int32(id); !ok || !src.byteFallback {
			m.bytes[b], missing = -1, b
		}
	}
	unknown := int32(-1)
	if id, ok := src.vocab[src.unknown]; ok {
		unknown = int32(id)
	}
	if missing >= 0 {
		if t.unknown = unknown; unknown < 0 {
			return fmt.Errorf("read vocabulary: text would be lost: there is neither a token for byte 0x%02X (model.byte_fallback) nor one for what is unknown (model.unk_token)", missing)
		}
	}
	m.chars = newCharacters(unknown, src.fuse)
	for name, id := range src.vocab {
		m.chars.add(name, int32(id))
	}
	return nil
}

// learnWords enters the words that are one token: those that merges make of them, or with ignore_merges all but special ones.
func (t *Tokenizer) learnWords(m *merger, src source) {
	var ids []int32
	for name, id := range src.vocab {
		word := name
		if src.meta == nil {
			raw, ok := unspell(name)
			if word = raw; !ok {
				continue
			}
		}
		if src.wholeWords && !t.special[id] {
			m.words[word] = int32(id)
		} else if ids = m.merge(ids[:0], word); len(ids) == 1 && int(ids[0]) == id {
			m.words[word] = ids[0]
		}
	}
	for word := range m.words {
		m.long = max(m.long, len(word))
	}
}

// text is what a token adds to a text.
func (d *decoding) text(token string) string {
	for i := 0; i < len(d.replace); i += 2 {
		token = strings.ReplaceAll(token, d.replace[i], d.replace[i+1])
	}
	if d.bytes && len(token) == 6 && strings.HasPrefix(token, "<0x") && token[5] == '>' {
		if b, err := strconv.ParseUint(token[3:5], 16, 8); err == nil {
			return string([]byte{byte(b)})
		}
	}
	return token
}

// digest hashes one line a token, a merge, an added token and a setting, each text by its length so that no two files are alike.
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
		if a.SingleWord || a.LStrip || a.RStrip {
			fmt.Fprintf(h, "around %d %t %t %t\n", a.ID, a.SingleWord, a.LStrip, a.RStrip)
		}
	}
	digestSettings(h, &src)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// digestSettings hashes what differs from GPT-2's settings.
func digestSettings(h io.Writer, src *source) {
	for _, s := range src.normal {
		fmt.Fprintf(h, "normalizer %s %q %q %q\n", s.name, s.before, s.from, s.to)
	}
	if src.rule.name != "" {
		fmt.Fprintf(h, "splitter %s\n", src.rule.name)
	}
	if src.wholeWords {
		fmt.Fprintf(h, "ignore_merges\n")
	}
	if src.meta != nil {
		fmt.Fprintf(h, "metaspace %t %d %t\n", src.meta.replace, src.meta.prefix, src.meta.each)
		fmt.Fprintf(h, "unknown %q %t %t\n", src.unknown, src.fuse, src.byteFallback)
		fmt.Fprintf(h, "decoder %q %t %d\n", src.decoding.replace, src.decoding.bytes, src.decoding.strip)
	}
	if len(src.prefix) > 0 {
		fmt.Fprintf(h, "prefix %d\n", src.prefix)
	}
}
