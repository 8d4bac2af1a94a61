package jinja

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// upperOf is a character in upper case, which may be several: ß is SS.
func upperOf(r rune) string {
	if r < 0x80 {
		return string(unicode.ToUpper(r))
	}
	return cases.Upper(language.Und).String(string(r))
}

func titleOf(r rune) string {
	if r < 0x80 {
		return string(unicode.ToUpper(r))
	}
	return cases.Title(language.Und, cases.NoLower).String(string(r))
}

func lowerOf(r rune) string {
	if r == '\u0130' {
		return "i\u0307"
	}
	return string(unicode.ToLower(r))
}

const (
	sigma      = '\u03a3'
	smallSigma = "\u03c3"
	finalSigma = "\u03c2"
)

// ignorable says whether a character does not count in the rule of the final sigma.
func ignorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) || strings.ContainsRune("'.:^`\u00b7\u2019", r)
}

func cased(r rune) bool { return isLower(r) || isUpper(r) || unicode.Is(unicode.Lt, r) }

func isLower(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }
func isUpper(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Other_Uppercase) }

// lowered writes a character in lower case; around are all characters of its text, and its place.
func lowered(r rune, around []rune, at int) string {
	if r != sigma {
		return lowerOf(r)
	}
	before := at - 1
	for before >= 0 && ignorable(around[before]) {
		before--
	}
	after := at + 1
	for after < len(around) && ignorable(around[after]) {
		after++
	}
	if before >= 0 && cased(around[before]) && (after == len(around) || !cased(around[after])) {
		return finalSigma
	}
	return smallSigma
}

// recased writes each character as change says, which gets its place.
func (m *machine) recased(t text, change func(r rune, around []rune, at int) string) (text, error) {
	var around []rune
	if strings.ContainsRune(t.s, sigma) {
		around = []rune(t.s)
	}
	i := -1
	return m.each(t, func(b *builder, r rune, user bool) {
		i++
		b.write(change(r, around, i), user)
	})
}

func (m *machine) upper(t text) (text, error) {
	return m.recased(t, func(r rune, _ []rune, _ int) string { return upperOf(r) })
}

func (m *machine) lower(t text) (text, error) { return m.recased(t, lowered) }

func (m *machine) swapcase(t text) (text, error) {
	return m.recased(t, func(r rune, around []rune, i int) string {
		switch {
		case isUpper(r):
			return lowered(r, around, i)
		case isLower(r):
			return upperOf(r)
		}
		return string(r)
	})
}

func (m *machine) capitalize(t text) (text, error) {
	return m.recased(t, func(r rune, around []rune, i int) string {
		if i == 0 {
			return titleOf(r)
		}
		return lowered(r, around, i)
	})
}

// titled is str.title: a letter is large if no letter is before it.
func (m *machine) titled(t text) (text, error) {
	inside := false
	return m.recased(t, func(r rune, around []rune, i int) string {
		out := titleOf(r)
		if inside {
			out = lowered(r, around, i)
		}
		inside = cased(r)
		return out
	})
}

// titleFilter is the filter title: words begin behind white space and -({[<.
func (m *machine) titleFilter(t text) (text, error) {
	t.html = false            // the filter joins words to a plain string
	inside, start := false, 0 // where the word has its second letter: what is made small begins there
	return m.recased(t, func(r rune, around []rune, i int) string {
		out := upperOf(r)
		if inside {
			out = lowered(r, around[min(start, len(around)):], i-start)
		} else {
			start = i + 1
		}
		inside = !isSpace(r) && !strings.ContainsRune("-({[<", r)
		return out
	})
}

// every says whether a text is not empty and all its characters are so.
func every(is func(r rune) bool) func(s string) bool {
	return func(s string) bool {
		for _, r := range s {
			if !is(r) {
				return false
			}
		}
		return s != ""
	}
}

// oneCase says whether a text has cased characters, all of one case.
func oneCase(is func(r rune) bool) func(s string) bool {
	return func(s string) bool {
		some := false
		for _, r := range s {
			if cased(r) {
				if !is(r) {
					return false
				}
				some = true
			}
		}
		return some
	}
}

// digits are characters that Python counts as digits beside the decimal ones.
var digits = &unicode.RangeTable{R16: []unicode.Range16{
	{0xb2, 0xb3, 1}, {0xb9, 0xb9, 1}, {0x1369, 0x1371, 1}, {0x19da, 0x19da, 1}, {0x2070, 0x2070, 1}, {0x2074, 0x2079, 1}, {0x2080, 0x2089, 1},
	{0x2460, 0x2468, 1}, {0x2474, 0x247c, 1}, {0x2488, 0x2490, 1}, {0x24ea, 0x24ea, 1}, {0x24f5, 0x24fd, 1}, {0x24ff, 0x24ff, 1},
	{0x2776, 0x277e, 1}, {0x2780, 0x2788, 1}, {0x278a, 0x2792, 1},
}, R32: []unicode.Range32{{0x10a40, 0x10a43, 1}, {0x10e60, 0x10e68, 1}, {0x11052, 0x1105a, 1}, {0x1f100, 0x1f10a, 1}}, LatinOffset: 2}

func isDigit(r rune) bool { return unicode.In(r, unicode.Nd, digits) }

// asciiDigits writes decimal digits of all scripts as 0 to 9. The ranges of a table hold whole rows of ten.
func asciiDigits(s string) string {
	return strings.Map(func(r rune) rune {
		for _, in := range unicode.Nd.R16 {
			if rune(in.Lo) <= r && r <= rune(in.Hi) {
				return '0' + (r-rune(in.Lo))%10
			}
		}
		for _, in := range unicode.Nd.R32 {
			if rune(in.Lo) <= r && r <= rune(in.Hi) {
				return '0' + (r-rune(in.Lo))%10
			}
		}
		return r
	}, s)
}

// numericLetters are letters that Python counts as numbers.
const numericLetters = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零" +
	"\uf96b\uf973\uf978\uf9b2\uf9d1\uf9d3\uf9fd\U00020001\U00020064\U000200e2\U00020121\U0002092a\U00020983\U0002098c\U0002099c\U00020aea\U00020afd\U00020b19\U00022390\U00022998\U00023b1b\U0002626d\U0002f890"

func isNumeric(r rune) bool {
	return unicode.IsNumber(r) || strings.ContainsRune(numericLetters, r)
}

var textPredicates = map[string]func(s string) bool{
	"isalnum":   every(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"isalpha":   every(unicode.IsLetter),
	"isascii":   func(s string) bool { return s == "" || every(func(r rune) bool { return r < 0x80 })(s) },
	"isdecimal": every(func(r rune) bool { return unicode.Is(unicode.Nd, r) }),
	"isdigit":   every(isDigit),
	"isnumeric": every(isNumeric),
	"isspace":   every(isSpace),
	"islower":   oneCase(isLower),
	"isupper":   oneCase(isUpper),
	"istitle":   isTitle,
}

func isTitle(s string) bool {
	some, inside := false, false
	for _, r := range s {
		switch {
		case isUpper(r) || unicode.Is(unicode.Lt, r):
			if inside {
				return false
			}
			some, inside = true, true
		case isLower(r):
			if !inside {
				return false
			}
			inside = true
		default:
			inside = false
		}
	}
	return some
}
