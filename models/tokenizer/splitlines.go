package tokenizer

import "strings"

// nextOfLines is patternLlama3, or patternQwen2 by the limit of numbers, written by hand: a word takes one character before it with
// it, symbols take the line breaks after them, and white space ends behind its last line break.
func (p *splitter) nextOfLines(s string, i int) int {
	if s[i] == '\'' {
		if n := p.anyContraction(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	kind, width := p.at(s, i)
	end := i + width
	switch kind {
	case letter:
		return p.run(s, end, letter)
	case number:
		return p.numbers(s, end)
	}
	if end < len(s) && !lineBreak(s[i]) {
		after, w := p.at(s, end)
		if after == letter {
			return p.run(s, end+w, letter)
		}
		if s[i] == ' ' && after == other {
			return breaks(s, p.run(s, end+w, other))
		}
	}
	if kind == other {
		return breaks(s, p.run(s, end, other))
	}
	return p.blank(s, i)
}

func lineBreak(c byte) bool { return c == '\r' || c == '\n' }

// breaks returns the end of the line breaks from s[i] on.
func breaks(s string, i int) int {
	for i < len(s) && lineBreak(s[i]) {
		i++
	}
	return i
}

// blank returns the end of a piece of white space that starts at s[start]: behind its last line break; without one, the end of the
// text, or else all but the last character, which belongs to what follows.
func (p *splitter) blank(s string, start int) int {
	i, last, line := start, start, start
	for i < len(s) {
		k, width := p.at(s, i)
		if k != space {
			break
		}
		last = i
		if i += width; lineBreak(s[last]) {
			line = i
		}
	}
	switch {
	case line > start:
		return line
	case i == len(s) || last == start:
		return i
	}
	return last
}

// anyContraction is contraction in upper and lower case.
func (p *splitter) anyContraction(s string) int {
	if p.rule.longS && strings.HasPrefix(s, "ſ") {
		return len("ſ")
	}
	if len(s) == 0 {
		return 0
	}
	lower := [2]byte{s[0] | 0x20}
	if len(s) > 1 {
		lower[1] = s[1] | 0x20
	}
	switch {
	case strings.IndexByte("stmd", lower[0]) >= 0:
		return 1
	case lower == [2]byte{'r', 'e'}, lower == [2]byte{'v', 'e'}, lower == [2]byte{'l', 'l'}:
		return 2
	}
	return 0
}
