package template

import (
	"crypto/rand"
	"errors"
	"math/big"
	"strings"
	"unicode"
)

// Marks start and end with a character that Unicode reserves as no character, around decimal digits: they survive upper
// and lower, and nobody can guess them.
const (
	openRune  = '\uFDD0'
	closeRune = '\uFDD1'
)

// mark is the pair of marks of one render.
type mark struct{ open, close string }

// newMark draws a mark, longer by extra characters than the shortest: a template that slices content would have to meet
// the same text at both offsets.
func newMark(extra int) *mark {
	limit := new(big.Int).Lsh(big.NewInt(1), 128)
	n, _ := rand.Int(rand.Reader, limit) // rand.Reader never fails
	digits := n.String()
	digits = strings.Repeat("0", 39-len(digits)+extra) + digits
	return &mark{
		open:  string(openRune) + digits + string(openRune),
		close: string(closeRune) + digits + string(closeRune),
	}
}

func isSpace(r rune) bool { return unicode.IsSpace(r) || '\x1c' <= r && r <= '\x1f' }

// wrap puts marks around text, inside its white space: text without any other character stays as it is.
func (m *mark) wrap(text string) string {
	core := strings.TrimFunc(text, isSpace)
	if core == "" {
		return text
	}
	at := strings.Index(text, core)
	return text[:at] + m.open + core + m.close + text[at+len(core):]
}

// pieces takes a prompt apart at the marks.
func (m *mark) pieces(prompt string) ([]Piece, error) {
	var out []Piece
	add := func(text string, special bool) error {
		if strings.Contains(text, m.open) || strings.Contains(text, m.close) {
			return errors.New("the content of a message is cut")
		}
		if text != "" {
			out = append(out, Piece{text, special})
		}
		return nil
	}
	for {
		before, rest, found := strings.Cut(prompt, m.open)
		if err := add(before, true); err != nil || !found {
			return out, err
		}
		content, after, found := strings.Cut(rest, m.close)
		if !found {
			return nil, errors.New("the content of a message is cut")
		}
		if err := add(content, false); err != nil {
			return nil, err
		}
		prompt = after
	}
}

// reseal marks the parts of a text that a template has split, so that each part of a content is marked by itself.
func reseal(parts []string) []string {
	var m *mark // of the content that goes on in the next part
	for i, part := range parts {
		var out strings.Builder
		for {
			if m == nil {
				start := strings.IndexRune(part, openRune)
				if start < 0 {
					break
				}
				digits, rest, ok := strings.Cut(part[start+len("\uFDD0"):], string(openRune))
				if !ok {
					break
				}
				out.WriteString(part[:start])
				m = &mark{string(openRune) + digits + string(openRune), string(closeRune) + digits + string(closeRune)}
				part = rest
			}
			content, rest, closed := strings.Cut(part, m.close)
			out.WriteString(m.wrap(content))
			if part = rest; !closed {
				break
			}
			m = nil
		}
		parts[i] = out.String() + part
	}
	return parts
}
