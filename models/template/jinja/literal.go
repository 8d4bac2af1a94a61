package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	floatLiteral   = regexp.MustCompile(`^(?i:(\d+_)*\d+((\.(\d+_)*\d+)?e[+\-]?(\d+_)*\d+|\.(\d+_)*\d+))`)
	integerLiteral = regexp.MustCompile(`^(?i:0b(_?[0-1])+|0o(_?[0-7])+|0x(_?[\da-f])+|[1-9](_?\d)*|0(_?0)*)`)
)

func (l *lexer) number() error {
	s := l.src[l.pos:]
	var num value
	var err error
	text := floatLiteral.FindString(s)
	if text != "" && l.src[l.pos-1] != '.' {
		num, err = strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	} else {
		text = integerLiteral.FindString(s)
		num, err = strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	}
	if err != nil {
		return l.fail("number %.40s is out of range", text)
	}
	l.out = append(l.out, token{kind: tokenNumber, num: num, line: l.line()})
	l.pos += len(text)
	return nil
}

// str reads a string literal.
func (l *lexer) str(quote byte) error {
	start := l.pos + 1
	for i := start; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			text, err := l.unescape(l.src[start:i])
			if err != nil {
				return err
			}
			l.add(tokenString, text)
			l.pos = i + 1
			return nil
		}
	}
	return l.fail("a string is not closed with %c", quote)
}

var escapes = map[byte]string{'\n': "", '\\': `\`, '\'': "'", '"': `"`, 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape decodes the escapes of a string literal as Python's unicode_escape does.
func (l *lexer) unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for s != "" {
		before, rest, found := strings.Cut(s, `\`)
		out.WriteString(before)
		if s = rest; !found || s == "" {
			break
		}
		c := s[0]
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		text, simple := escapes[c]
		switch {
		case simple:
			out.WriteString(text)
			s = s[1:]
		case digits > 0:
			if len(s) <= digits {
				return "", l.fail(`escape \%c is cut`, c)
			}
			n, err := strconv.ParseUint(s[1:1+digits], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return "", l.fail(`escape \%s is no character`, s[:1+digits])
			}
			out.WriteRune(rune(n))
			s = s[1+digits:]
		case '0' <= c && c <= '7':
			n := 0
			for i := 0; i < 3 && s != "" && '0' <= s[0] && s[0] <= '7'; i++ {
				n, s = n*8+int(s[0]-'0'), s[1:]
			}
			out.WriteRune(rune(n))
		case c == 'N':
			return "", l.fail(`escape \N is not supported; write the character itself`)
		case c >= utf8.RuneSelf: // Python escapes such a character first, and then sees the backslash before its escape
			r, width := utf8.DecodeRuneInString(s)
			out.WriteString(`\` + strings.Trim(pythonEscape(r), `\`))
			s = s[width:]
		default:
			out.WriteByte('\\')
			out.WriteByte(c)
			s = s[1:]
		}
	}
	return out.String(), nil
}
