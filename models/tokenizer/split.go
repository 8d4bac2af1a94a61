package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is what a splitter needs to know of a character.
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

// splitter cuts text into the pieces inside which merges happen, as one of the expressions in rules does.
type splitter struct {
	plane *[1 << 16]class
	rule  rule
}

// at returns the class and the width of the character at s[i]. An invalid byte is one character of class other.
func (p *splitter) at(s string, i int) (class, int) {
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
func (p *splitter) next(s string, i int) int {
	if p.rule.lines {
		return p.nextOfLines(s, i)
	}
	return p.nextOfGPT2(s, i)
}

// run returns the end of the characters of one class from s[i] on.
func (p *splitter) run(s string, i int, kind class) int {
	for i < len(s) {
		k, width := p.at(s, i)
		if k != kind {
			break
		}
		i += width
	}
	return i
}

// numbers returns the end of a piece of numbers whose first character ends at s[i].
func (p *splitter) numbers(s string, i int) int {
	if p.rule.digits == 0 {
		return p.run(s, i, number)
	}
	for n := 1; n < p.rule.digits && i < len(s); n++ {
		k, width := p.at(s, i)
		if k != number {
			break
		}
		i += width
	}
	return i
}
