package tokenizer

import "strings"

// metaspaceRune is how SentencePiece writes a space: U+2581.
const metaspaceRune = "▁"

// metaspace cuts text whose spaces are ▁ into the pieces inside which merges happen.
type metaspace struct {
	replace bool   // spaces become ▁ here; else the normalizer saw to it
	prefix  prefix // the ▁ before text
	each    bool   // every ▁ begins a piece
	joined  bool   // merges reach from other characters over a ▁: the text is one piece
}

// prefix says which texts a ▁ is put before if they do not begin with one.
type prefix uint8

const (
	prefixNever  prefix = iota
	prefixFirst         // the beginning of a text
	prefixAlways        // also what follows an added token
)

// prepare writes spaces as ▁ and puts one before the text.
func (m *metaspace) prepare(text string, where place) string {
	if !m.replace {
		return text
	}
	text = strings.ReplaceAll(text, " ", metaspaceRune)
	wanted := m.prefix == prefixAlways && where != goesOn || m.prefix == prefixFirst && where == begins
	if wanted && !strings.HasPrefix(text, metaspaceRune) {
		text = metaspaceRune + text
	}
	return text
}

// next returns the end of the piece that starts at s[i], i < len(s). Where no merge makes a token with a ▁ behind another character,
// text that ends before such a ▁ is merged on its own with the same result.
func (m *metaspace) next(s string, i int) int {
	if m.joined && !m.each {
		return len(s)
	}
	for ; strings.HasPrefix(s[i:], metaspaceRune); i += len(metaspaceRune) {
		if m.each && strings.HasPrefix(s[i+len(metaspaceRune):], metaspaceRune) {
			return i + len(metaspaceRune)
		}
	}
	if at := strings.Index(s[i:], metaspaceRune); at >= 0 {
		return i + at
	}
	return len(s)
}
