package jinja

import (
	"errors"
	"sort"
	"strings"
	"unicode/utf8"
)

// text is a string that knows which of its bytes come from a user.
type text struct {
	s     string
	spans []span // of the user's bytes: in order, apart, not empty
	html  bool   // Markup: what is added to it is escaped
}

type span struct{ from, to int }

// own is text that the template wrote.
func own(s string) text { return text{s: s} }

// from is text that a user wrote.
func from(s string) text {
	if s == "" {
		return text{}
	}
	return text{s: s, spans: []span{{0, len(s)}}}
}

// slice is the part of a text between two byte offsets.
func (t text) slice(from, to int) text {
	out := text{s: t.s[from:to], html: t.html}
	for _, sp := range t.spans[t.after(from):] {
		if sp.from >= to {
			break
		}
		if a, b := max(sp.from, from), min(sp.to, to); a < b {
			out.spans = append(out.spans, span{a - from, b - from})
		}
	}
	return out
}

// after is the index of the first span that ends after a byte offset.
func (t text) after(at int) int {
	return sort.Search(len(t.spans), func(i int) bool { return t.spans[i].to > at })
}

// runs calls f with each part of a text that has one origin.
func (t text) runs(f func(s string, user bool)) {
	at := 0
	for _, sp := range t.spans {
		if at < sp.from {
			f(t.s[at:sp.from], false)
		}
		f(t.s[sp.from:sp.to], true)
		at = sp.to
	}
	if at < len(t.s) {
		f(t.s[at:], false)
	}
}

func (t text) length() int { return utf8.RuneCountInString(t.s) }

// trim removes white space, or the characters for which cut is true.
func (t text) trim(cut func(rune) bool, left, right bool) text {
	from, to := 0, len(t.s)
	if right {
		to = len(strings.TrimRightFunc(t.s, cut))
	}
	if left {
		from = to - len(strings.TrimLeftFunc(t.s[:to], cut))
	}
	return t.slice(from, to)
}

// builder makes a text within the limits of a machine.
type builder struct {
	m     *machine
	buf   []byte
	spans []span
	err   error
}

func (m *machine) builder() *builder { return &builder{m: m} }

// write appends a string; user says where it comes from.
func (b *builder) write(s string, user bool) {
	if b.err != nil || s == "" {
		return
	}
	if len(b.buf)+len(s) > b.m.limits.Bytes {
		b.err = &limitError{what: "a text", limit: b.m.limits.Bytes, unit: "bytes"}
		return
	}
	if user {
		n := len(b.spans)
		if n > 0 && b.spans[n-1].to == len(b.buf) {
			b.spans[n-1].to += len(s)
		} else {
			b.spans = append(b.spans, span{len(b.buf), len(b.buf) + len(s)})
		}
	}
	b.buf = append(b.buf, s...)
}

func (b *builder) own(s string) { b.write(s, false) }

func (b *builder) add(t text) {
	if len(t.spans) == 0 {
		b.write(t.s, false)
		return
	}
	t.runs(b.write)
}

// repeat appends a string of the template n times.
func (b *builder) repeat(s string, n int) {
	if n <= 0 || s == "" || b.err != nil {
		return
	}
	if n > b.m.limits.Bytes/len(s) {
		b.err = &limitError{what: "a text", limit: b.m.limits.Bytes, unit: "bytes"}
		return
	}
	b.own(strings.Repeat(s, n))
}

func (b *builder) done() (text, error) {
	if b.err == nil {
		b.err = b.m.made(len(b.buf))
	}
	return text{s: string(b.buf), spans: b.spans}, b.err
}

// value is done, as the value of an expression.
func (b *builder) value() (value, error) {
	t, err := b.done()
	return t, err
}

// each makes a text from what f writes for each character of t.
func (m *machine) each(t text, f func(b *builder, r rune, user bool)) (text, error) {
	b := m.builder()
	t.runs(func(s string, user bool) {
		for _, r := range s {
			f(b, r, user)
		}
	})
	out, err := b.done()
	out.html = t.html
	return out, err
}

// replace replaces old, n times at most unless n is negative.
func (m *machine) replace(t, old, new text, n int) (text, error) {
	b := m.builder()
	at := 0
	for from := 0; n != 0 && b.err == nil; n-- {
		next := strings.Index(t.s[from:], old.s)
		if next < 0 {
			break
		}
		b.add(t.slice(at, from+next))
		b.add(new)
		at = from + next + len(old.s)
		from = at
		if old.s == "" {
			if from == len(t.s) {
				break
			}
			_, width := utf8.DecodeRuneInString(t.s[from:])
			from += width
		}
	}
	b.add(t.slice(at, len(t.s)))
	return b.done()
}

// join puts separator between parts.
func (m *machine) join(separator text, parts []text) (text, error) {
	b := m.builder()
	for i, p := range parts {
		if i > 0 {
			b.add(separator)
		}
		b.add(p)
		if b.err != nil {
			break
		}
	}
	return b.done()
}

// split takes a text apart at a separator, n times at most unless n is negative; last splits from the end.
func (t text) split(separator string, n int, last bool) ([]text, error) {
	if separator == "" {
		return nil, errors.New("ValueError: empty separator")
	}
	var cuts []int
	for at := 0; last || n < 0 || len(cuts) < n; {
		next := strings.Index(t.s[at:], separator)
		if last {
			end := len(t.s)
			if len(cuts) > 0 {
				end = cuts[len(cuts)-1]
			}
			if next = strings.LastIndex(t.s[:end], separator); n >= 0 && len(cuts) >= n {
				next = -1
			}
		}
		if next < 0 {
			break
		}
		cuts = append(cuts, at+next)
		if !last {
			at += next + len(separator)
		}
	}
	if last {
		for i, j := 0, len(cuts)-1; i < j; i, j = i+1, j-1 {
			cuts[i], cuts[j] = cuts[j], cuts[i]
		}
	}
	out := make([]text, 0, len(cuts)+1)
	start := 0
	for _, c := range cuts {
		out = append(out, t.slice(start, c))
		start = c + len(separator)
	}
	return append(out, t.slice(start, len(t.s))), nil
}

// words splits at white space, n times at most unless n is negative; last splits from the end.
func (t text) words(n int, last bool) []text {
	out := []text{}
	rest := t.trim(isSpace, !last, last)
	for rest.s != "" {
		at := strings.IndexFunc(rest.s, isSpace)
		if last {
			at = strings.LastIndexFunc(rest.s, isSpace)
		}
		if n >= 0 && len(out) == n || at < 0 {
			out = append(out, rest)
			break
		}
		if last {
			_, width := utf8.DecodeRuneInString(rest.s[at:])
			out = append(out, rest.slice(at+width, len(rest.s)))
			rest = rest.slice(0, at).trim(isSpace, false, true)
		} else {
			out = append(out, rest.slice(0, at))
			rest = rest.slice(at, len(rest.s)).trim(isSpace, true, false)
		}
	}
	if last {
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
	}
	return out
}

func endsLine(r rune) bool {
	return '\n' <= r && r <= '\r' || '\x1c' <= r && r <= '\x1e' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// lines is Python's splitlines.
func (t text) lines(keep bool) []text {
	out := []text{}
	for at := 0; at < len(t.s); {
		next := strings.IndexFunc(t.s[at:], endsLine)
		if next < 0 {
			return append(out, t.slice(at, len(t.s)))
		}
		end := at + next
		_, width := utf8.DecodeRuneInString(t.s[end:])
		if strings.HasPrefix(t.s[end:], "\r\n") {
			width = 2
		}
		if keep {
			out = append(out, t.slice(at, end+width))
		} else {
			out = append(out, t.slice(at, end))
		}
		at = end + width
	}
	return out
}
