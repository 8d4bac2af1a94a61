package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// pattern is GPT-2's splitter. next is this expression written by hand: Go's regexp has no look-ahead, and its \s is
// ASCII only where this one is Unicode's White_Space.
const pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// class is what the splitter needs to know of a character.
type class uint8

const (
	other  class = iota // neither of the others; every byte that is not UTF-8 too
	space               // White_Space
	letter              // L
	number              // N
)

func classOf(r rune) class {
	switch {
	case unicode.IsSpace(r):
		return space
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	}
	return other
}

// plane holds the classes of the characters below U+10000.
var plane = sync.OnceValue(func() *[1 << 16]class {
	table := new([1 << 16]class)
	for r := range table {
		table[r] = classOf(rune(r))
	}
	return table
})

// splitter cuts text into the pieces inside which merges happen.
type splitter struct{ plane *[1 << 16]class }

// at returns the class and the width of the character at s[i]. An invalid byte is one character of class other.
func (p splitter) at(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return p.plane[c], 1
	}
	r, width := utf8.DecodeRuneInString(s[i:])
	if r < 1<<16 {
		return p.plane[r], width
	}
	return classOf(r), width
}

// next returns the end of the piece that starts at s[i], i < len(s).
func (p splitter) next(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	kind, width := p.at(s, i)
	end := i + width
	if kind != space {
		return p.run(s, end, kind)
	}
	if s[i] == ' ' && end < len(s) {
		if after, w := p.at(s, end); after != space {
			return p.run(s, end+w, after)
		}
	}
	return p.spaces(s, end, i)
}

// run returns the end of the characters of one class from s[i] on.
func (p splitter) run(s string, i int, kind class) int {
	for i < len(s) {
		k, width := p.at(s, i)
		if k != kind {
			break
		}
		i += width
	}
	return i
}

// spaces returns the end of a piece of white space whose first character s[start:i] has been read: everything to the end
// of the text, or all but the last character, which belongs to what follows.
func (p splitter) spaces(s string, i, start int) int {
	last := start
	for i < len(s) {
		k, width := p.at(s, i)
		if k != space {
			if last == start {
				return i
			}
			return last
		}
		last = i
		i += width
	}
	return i
}

// contraction returns the length of the English ending that s starts with, 0 if none.
func contraction(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case 's', 't', 'm', 'd':
		return 1
	case 'r', 'v':
		if len(s) > 1 && s[1] == 'e' {
			return 2
		}
	case 'l':
		if len(s) > 1 && s[1] == 'l' {
			return 2
		}
	}
	return 0
}
