package jinja

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kinds of tokens.
const (
	tokenData = iota
	tokenVariableBegin
	tokenVariableEnd
	tokenBlockBegin
	tokenBlockEnd
	tokenName
	tokenString
	tokenNumber
	tokenOperator
	tokenEOF
)

type token struct {
	kind int
	text string // of data, a name, a decoded string, an operator
	num  value  // of a number
	line int
}

func (t token) is(kind int, text string) bool { return t.kind == kind && t.text == text }

func (t token) String() string {
	switch t.kind {
	case tokenData:
		return "text"
	case tokenVariableBegin:
		return "{{"
	case tokenVariableEnd:
		return "}}"
	case tokenBlockBegin:
		return "{%"
	case tokenBlockEnd:
		return "%}"
	case tokenString:
		return "a string"
	case tokenNumber:
		return "a number"
	case tokenEOF:
		return "the end of the template"
	}
	return "'" + t.text + "'"
}

// lexer takes a template apart, with trim_blocks and lstrip_blocks.
type lexer struct {
	src       string
	pos       int
	lines     []int // offsets of the newlines
	out       []token
	lineStart bool // what was read last ended a line
}

// lex returns the tokens of a template.
func lex(source string) ([]token, error) {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(source, "\n"), lineStart: true}
	for i := range len(l.src) {
		if l.src[i] == '\n' {
			l.lines = append(l.lines, i)
		}
	}
	for l.pos < len(l.src) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.add(tokenEOF, "")
	return l.out, nil
}

func (l *lexer) add(kind int, text string) {
	l.out = append(l.out, token{kind: kind, text: text, line: l.line()})
}

func (l *lexer) line() int { return 1 + sort.SearchInts(l.lines, l.pos) }

func (l *lexer) fail(format string, args ...any) error {
	return &Error{Line: l.line(), Message: fmt.Sprintf(format, args...)}
}

// root reads text up to the next tag, and that tag.
func (l *lexer) root() error {
	at := l.pos
	for {
		next := strings.IndexByte(l.src[at:], '{')
		if next < 0 || at+next+1 == len(l.src) {
			l.add(tokenData, l.src[l.pos:])
			l.pos = len(l.src)
			return nil
		}
		if at += next; strings.IndexByte("{%#", l.src[at+1]) >= 0 {
			break
		}
		at++
	}
	kind, sign, end := l.src[at+1], byte(0), at+2
	if end < len(l.src) && (l.src[end] == '-' || l.src[end] == '+') {
		sign, end = l.src[end], end+1
	}
	if text := l.stripped(l.src[l.pos:at], sign, kind == '{'); text != "" {
		l.add(tokenData, text)
	}
	l.pos, l.lineStart = at, false
	switch rest, raw := "", false; {
	case kind == '#':
		l.pos = end
		return l.comment()
	case kind == '%':
		if rest, raw = rawBegin(l.src[end:]); raw {
			l.pos = len(l.src) - len(rest)
			l.lineStart = l.src[l.pos-1] == '\n'
			return l.raw()
		}
		l.add(tokenBlockBegin, "")
	default:
		l.add(tokenVariableBegin, "")
	}
	l.pos = end
	return l.tag(kind == '{')
}

// stripped is text without what a tag behind it takes away.
func (l *lexer) stripped(text string, sign byte, variable bool) string {
	switch {
	case sign == '-':
		return strings.TrimRightFunc(text, isSpace)
	case sign == '+' || variable:
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	if (start > 0 || l.lineStart) && strings.TrimFunc(text[start:], isSpace) == "" {
		return text[:start]
	}
	return text
}

func skipSpace(s string) string { return strings.TrimLeftFunc(s, isSpace) }

// rawBegin reads the rest of {% raw %}.
func rawBegin(s string) (rest string, ok bool) {
	if s, ok = strings.CutPrefix(skipSpace(s), "raw"); !ok {
		return "", false
	}
	s = skipSpace(s)
	if rest, ok = strings.CutPrefix(s, "-%}"); ok {
		return skipSpace(rest), true
	}
	return strings.CutPrefix(s, "%}")
}

// raw reads text up to {% endraw %}.
func (l *lexer) raw() error {
	for at := l.pos; ; {
		next := strings.Index(l.src[at:], "{%")
		if next < 0 && l.pos == len(l.src) {
			return nil // as in Jinja, nothing is left to close
		}
		if next < 0 {
			return l.fail("raw is not closed with endraw")
		}
		at += next
		sign, s := byte(0), l.src[at+2:]
		if s != "" && (s[0] == '-' || s[0] == '+') {
			sign, s = s[0], s[1:]
		}
		s, ok := strings.CutPrefix(skipSpace(s), "endraw")
		rest, closed := endTag(skipSpace(s), "%}")
		if at += 2; !ok || !closed {
			continue
		}
		if text := l.stripped(l.src[l.pos:at-2], sign, false); text != "" {
			l.add(tokenData, text)
		}
		l.ended(rest)
		return nil
	}
}

// endTag reads the end of a block or comment: closer, which + or - may precede.
func endTag(s, closer string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "+"+closer); ok {
		return rest, true
	}
	if rest, ok = strings.CutPrefix(s, "-"+closer); ok {
		return skipSpace(rest), true
	}
	rest, ok = strings.CutPrefix(s, closer)
	return strings.TrimPrefix(rest, "\n"), ok
}

// ended moves to rest, which a tag precedes.
func (l *lexer) ended(rest string) {
	l.pos = len(l.src) - len(rest)
	l.lineStart = l.src[l.pos-1] == '\n'
}

func (l *lexer) comment() error {
	at := strings.Index(l.src[l.pos:], "#}")
	if at < 0 && l.pos == len(l.src) {
		return nil // as in Jinja, nothing is left to close
	}
	if at < 0 {
		return l.fail("a comment is not closed with #}")
	}
	if at += l.pos; at > l.pos && (l.src[at-1] == '-' || l.src[at-1] == '+') {
		at--
	}
	rest, _ := endTag(l.src[at:], "#}")
	l.ended(rest)
	return nil
}

// tag reads the tokens of a tag, and its end.
func (l *lexer) tag(variable bool) error {
	var open []byte // brackets that are not closed yet
	for l.pos < len(l.src) {
		if s := l.src[l.pos:]; len(open) == 0 {
			rest, ok := endTag(s, "%}")
			kind := tokenBlockEnd
			if variable {
				kind = tokenVariableEnd
				if rest, ok = strings.CutPrefix(s, "-}}"); ok {
					rest = skipSpace(rest)
				} else {
					rest, ok = strings.CutPrefix(s, "}}")
				}
			}
			if ok {
				l.add(kind, "")
				l.ended(rest)
				return nil
			}
		}
		if err := l.inside(&open); err != nil {
			return err
		}
	}
	return l.fail("a tag is not closed")
}

func (l *lexer) inside(open *[]byte) error {
	s := l.src[l.pos:]
	c, width := utf8.DecodeRuneInString(s)
	switch {
	case isSpace(c):
		l.pos += width
		return nil
	case '0' <= c && c <= '9':
		return l.number()
	case c == '\'' || c == '"':
		return l.str(byte(c))
	case isWord(c):
		end := strings.IndexFunc(s, func(r rune) bool { return !isWord(r) })
		if end < 0 {
			end = len(s)
		}
		l.add(tokenName, s[:end])
		l.pos += end
		return nil
	}
	op := s[:width]
	if len(s) > 1 && slices.Contains([]string{"//", "**", "==", "!=", ">=", "<="}, s[:2]) {
		op = s[:2]
	} else if !strings.ContainsRune("+-/*%~[](){}><=.:|,;", c) {
		return l.fail("unexpected character %q", c)
	}
	closers := map[string]byte{"{": '}', "(": ')', "[": ']'}
	if closer, ok := closers[op]; ok {
		*open = append(*open, closer)
	} else if op == "}" || op == ")" || op == "]" {
		n := len(*open)
		if n == 0 || (*open)[n-1] != op[0] {
			return l.fail("unexpected '%s'", op)
		}
		*open = (*open)[:n-1]
	}
	l.add(tokenOperator, op)
	l.pos += len(op)
	return nil
}

func isSpace(r rune) bool { return unicode.IsSpace(r) || '\x1c' <= r && r <= '\x1f' }

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }
