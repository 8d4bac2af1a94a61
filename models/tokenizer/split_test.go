package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The reference of the splitters: the expressions, read by a matcher that tries everything in the order in which an expression does.

// atom is a set of characters that occurs min to max times.
type atom struct {
	in       func(rune) bool
	min, max int
}

// alternative is a branch of an expression: atoms, and perhaps (?!\S) behind them.
type alternative struct {
	atoms []atom
	last  bool
}

const (
	many    = 1 << 30
	invalid = -1 // stands for a byte that is not UTF-8
)

func is(kinds ...class) func(rune) bool {
	return func(r rune) bool {
		kind := other
		if r != invalid {
			kind = classOf(r)
		}
		return slices.Contains(kinds, kind)
	}
}

func oneOf(set string) func(rune) bool {
	return func(r rune) bool { return strings.ContainsRune(set, r) }
}

// ends returns the contractions, with every character in the cases that fold returns.
func ends(fold func(string) string) (out []alternative) {
	for _, word := range strings.Split("'s 't 're 've 'm 'll 'd", " ") {
		var a alternative
		for _, r := range word {
			a.atoms = append(a.atoms, atom{oneOf(fold(string(r))), 1, 1})
		}
		out = append(out, a)
	}
	return out
}

// expression returns the alternatives of a rule.
func expression(r rule) []alternative {
	white, blank := is(space), oneOf(" ")
	tail := []alternative{{[]atom{{white, 1, many}}, true}, {[]atom{{white, 1, many}}, false}}
	if !r.lines {
		return append(append(ends(func(s string) string { return s }),
			alternative{[]atom{{blank, 0, 1}, {is(letter), 1, many}}, false}, alternative{[]atom{{blank, 0, 1}, {is(number), 1, many}}, false},
			alternative{[]atom{{blank, 0, 1}, {is(other), 1, many}}, false}), tail...)
	}
	fold := func(s string) string {
		if s == "s" && r.longS {
			return "sSſ"
		}
		return s + strings.ToUpper(s)
	}
	breaks := oneOf("\r\n")
	open := func(r rune) bool { return is(other, space)(r) && !breaks(r) }
	return append(append(ends(fold), alternative{[]atom{{open, 0, 1}, {is(letter), 1, many}}, false}, alternative{[]atom{{is(number), 1, r.digits}}, false},
		alternative{[]atom{{blank, 0, 1}, {is(other), 1, many}, {breaks, 0, many}}, false}, alternative{[]atom{{white, 0, many}, {breaks, 1, many}}, false}), tail...)
}

// match returns where an alternative that begins at s[i] ends, −1 if it does not fit.
func (a alternative) match(s []rune, i int) int {
	if len(a.atoms) == 0 {
		if a.last && i < len(s) && !is(space)(s[i]) {
			return -1
		}
		return i
	}
	first, rest := a.atoms[0], alternative{a.atoms[1:], a.last}
	n := 0
	for n < first.max && i+n < len(s) && first.in(s[i+n]) {
		n++
	}
	for ; n >= first.min; n-- {
		if end := rest.match(s, i+n); end >= 0 {
			return end
		}
	}
	return -1
}

// referenceSplit cuts text as an expression does, before which digits are split off where the rule says so.
func referenceSplit(r rule, text string) (pieces []string) {
	var runes []rune
	var at []int
	for i, c := range text {
		if _, width := utf8.DecodeRuneInString(text[i:]); c == utf8.RuneError && width == 1 {
			c = invalid
		}
		runes, at = append(runes, c), append(at, i)
	}
	at = append(at, len(text))
	split := func(from, to int) {
		for i := from; i < to; {
			for _, a := range expression(r) {
				if end := a.match(runes[:to], i); end > i {
					pieces = append(pieces, text[at[i]:at[end]])
					i = end
					break
				}
			}
		}
	}
	from := 0
	for i, c := range runes {
		if !r.lines && r.digits > 0 && is(number)(c) {
			split(from, i)
			split(i, i+1)
			from = i + 1
		}
	}
	split(from, len(runes))
	return pieces
}

func splitAll(r rule, text string) (pieces []string) {
	p := splitter{plane(), r}
	for i := 0; i < len(text); {
		end := p.next(text, i)
		pieces = append(pieces, text[i:end])
		i = end
	}
	return pieces
}

var allRules = []rule{ruleGPT2, ruleSmolLM, ruleLlama3, ruleQwen2, {name: "llama3 ascii", lines: true, digits: 3}}

func FuzzSplit(f *testing.F) {
	for _, text := range []string{"", "it's  \n\n\t x 12345", "WE'LL'\u017ft \r\n\r\n!\n", "a1 22  333\n 4", "\xff \xc3(\xe2\x82\n", "日本語🏕️ é\u0301", "a\u00a0\u3000 b\u0085c", " \n \t ", "!!\n\n??x", "\t!a ²Ⅷ"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range allRules {
			got := splitAll(r, text)
			if strings.Join(got, "") != text {
				t.Fatalf("%q: %q loses text of %q", r.name, got, text)
			}
			if len(text) > 2000 {
				continue // the reference takes time with the square of a piece
			}
			if want := referenceSplit(r, text); !slices.Equal(got, want) {
				t.Fatalf("%q: %q splits into %q, want %q", r.name, text, got, want)
			}
		}
	})
}

// The splitters agree with the expressions on the strings of the goldens, which the fuzz target starts without.
func TestSplittersAgreeWithTheReference(t *testing.T) {
	for _, text := range familyStrings(t) {
		for _, r := range allRules {
			if got, want := splitAll(r, text[1]), referenceSplit(r, text[1]); !slices.Equal(got, want) {
				t.Fatalf("%q: %q splits into %q, want %q", r.name, text[1], got, want)
			}
		}
	}
}
