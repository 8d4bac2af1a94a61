package tokenizer

// nextOfGPT2 is patternGPT2 written by hand: Go's regexp has no look-ahead, and its \s is ASCII only where this one is Unicode's
// White_Space. With a limit of one number a piece, numbers are split off before the expression sees the text: it takes what stands
// before a number for the whole text.
func (p *splitter) nextOfGPT2(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:]); n > 0 {
			return i + 1 + n
		}
	}
	kind, width := p.at(s, i)
	end := i + width
	switch kind {
	case number:
		return p.numbers(s, end)
	case letter, other:
		return p.run(s, end, kind)
	}
	if s[i] == ' ' && end < len(s) {
		if after, w := p.at(s, end); after != space && !p.apart(after) {
			return p.run(s, end+w, after)
		}
	}
	return p.spaces(s, end, i)
}

// apart says that a class is split off before the expression.
func (p *splitter) apart(kind class) bool { return kind == number && p.rule.digits > 0 }

// spaces returns the end of a piece of white space whose first character s[start:i] has been read: everything to the end
// of the text, or all but the last character, which belongs to what follows.
func (p *splitter) spaces(s string, i, start int) int {
	last := start
	for i < len(s) {
		k, width := p.at(s, i)
		if k != space {
			if last == start || p.apart(k) {
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
