package tokenizer

import "unicode/utf8"

// characters are the symbols of a vocabulary that is not byte-level: one token a character, the tokens of its bytes where it has none,
// and the unknown token where a byte has none either.
type characters struct {
	low     [1 << 16]int32 // tokens of characters below U+10000, −1 for none
	high    map[rune]int32 // of the others
	unknown int32          // −1: what is unknown is left out
	fuse    bool           // unknown characters in a row are one token
}

func newCharacters(unknown int32, fuse bool) *characters {
	c := &characters{high: map[rune]int32{}, unknown: unknown, fuse: fuse}
	for i := range c.low {
		c.low[i] = -1
	}
	return c
}

// add enters a token if it is a single character.
func (c *characters) add(token string, id int32) {
	switch r, width := utf8.DecodeRuneInString(token); {
	case width != len(token) || r == utf8.RuneError && width < 3:
	case int(r) < len(c.low):
		c.low[r] = id
	default:
		c.high[r] = id
	}
}

// token returns the token of the character that text begins with, −1 for none, and its width. A byte that is not UTF-8 is a character
// without a token.
func (c *characters) token(text string) (id int32, width int) {
	r, width := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && width == 1 {
		return -1, 1
	}
	if int(r) < len(c.low) {
		return c.low[r], width
	}
	if id, ok := c.high[r]; ok {
		return id, width
	}
	return -1, width
}

// symbols appends the tokens of the characters of word. An unknown token stands where the next character with a token of its own
// begins, or at the end: behind the bytes between, as the reference implementation has it.
func (c *characters) symbols(dst []int32, word string, bytes *[256]int32) []int32 {
	unknown := false
	for i := 0; i < len(word); {
		id, width := c.token(word[i:])
		char := word[i : i+width]
		i += width
		if id >= 0 {
			if unknown {
				dst, unknown = append(dst, c.unknown), false
			}
			dst = append(dst, id)
			continue
		}
		before := len(dst)
		for j := range len(char) {
			if id = bytes[char[j]]; id < 0 {
				break
			}
			dst = append(dst, id)
		}
		if id >= 0 || c.unknown < 0 {
			continue
		}
		if dst = dst[:before]; unknown && !c.fuse {
			dst = append(dst, c.unknown)
		}
		unknown = true
	}
	if unknown {
		dst = append(dst, c.unknown)
	}
	return dst
}
