package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

type textMethod = func(m *machine, t text, a args) (value, error)

// plainOnly are methods that a string that is marked as HTML has in another form: it escapes their arguments.
var plainOnly = []string{"replace", "join", "center", "ljust", "rjust", "zfill", "format"}

// onText calls a method of a string.
func (m *machine) onText(method textMethod, name string, t text, a args) (value, error) {
	if t.html && slices.Contains(plainOnly, name) {
		return nil, fmt.Errorf("method %s of a string that is marked as HTML (escape, safe) is not supported", name)
	}
	if err := m.step(1 + len(t.s)/64); err != nil {
		return nil, err
	}
	return method(m, t, a)
}

var textMethods map[string]textMethod

func init() { // str.format reads items, which have methods
	textMethods = map[string]textMethod{
		"capitalize": changed((*machine).capitalize),
		"lower":      changed((*machine).lower),
		"swapcase":   changed((*machine).swapcase),
		"title":      changed((*machine).titled),
		"upper":      changed((*machine).upper),

		"strip":  stripped("strip", true, true),
		"lstrip": stripped("lstrip", true, false),
		"rstrip": stripped("rstrip", false, true),

		"split":      splitted("split", false),
		"rsplit":     splitted("rsplit", true),
		"partition":  partitioned("partition", strings.Index),
		"rpartition": partitioned("rpartition", strings.LastIndex),
		"splitlines": func(m *machine, t text, a args) (value, error) {
			p, err := a.bind("splitlines", "keepends=")
			if err != nil {
				return nil, err
			}
			keep, err := flag(p[0])
			if err != nil {
				return nil, err
			}
			parts := t.lines(keep)
			return texts(parts), m.made(64 * len(parts))
		},

		"startswith": affixed("startswith", strings.HasPrefix),
		"endswith":   affixed("endswith", strings.HasSuffix),
		"find":       searched("find", strings.Index, false),
		"rfind":      searched("rfind", strings.LastIndex, false),
		"index":      searched("index", strings.Index, true),
		"rindex":     searched("rindex", strings.LastIndex, true),
		"count":      counted,
		"replace":    replaced,
		"join":       joined,

		"removeprefix": func(_ *machine, t text, a args) (value, error) {
			p, err := oneText("removeprefix", a)
			return t.slice(len(t.s)-len(strings.TrimPrefix(t.s, p.s)), len(t.s)), err
		},
		"removesuffix": func(_ *machine, t text, a args) (value, error) {
			p, err := oneText("removesuffix", a)
			return t.slice(0, len(strings.TrimSuffix(t.s, p.s))), err
		},
		"center": padded("center"),
		"ljust":  padded("ljust"),
		"rjust":  padded("rjust"),
		"zfill":  zfill,
		"format": (*machine).format,
	}
	for name, holds := range textPredicates {
		textMethods[name] = func(_ *machine, t text, a args) (value, error) {
			_, err := a.positional(name, 0, 0)
			return holds(t.s), err
		}
	}
}

func given(v value) bool {
	_, none := v.(absent)
	return !none
}

func oneText(name string, a args) (text, error) {
	p, err := a.positional(name, 1, 1)
	if err != nil {
		return text{}, err
	}
	return asText(p[0])
}

func changed(change func(*machine, text) (text, error)) textMethod {
	return func(m *machine, t text, a args) (value, error) {
		if _, err := a.positional("a method of case", 0, 0); err != nil {
			return nil, err
		}
		out, err := change(m, t)
		return out, err
	}
}

// cutset is the characters that strip removes.
func cutset(v value) (func(rune) bool, error) {
	chars, ok, err := optional(v)
	if !ok || err != nil {
		return isSpace, err
	}
	return func(r rune) bool { return strings.ContainsRune(chars.s, r) }, nil
}

func stripped(name string, left, right bool) textMethod {
	return func(m *machine, t text, a args) (value, error) {
		p, err := a.positional(name, 0, 1)
		if err != nil {
			return nil, err
		}
		cut, err := cutset(p[0])
		return t.trim(cut, left, right), err
	}
}

func splitted(name string, last bool) textMethod {
	return func(m *machine, t text, a args) (value, error) {
		p, err := a.bind(name, "sep=", "maxsplit=")
		if err != nil {
			return nil, err
		}
		separator, some, err := optional(p[0])
		if err != nil {
			return nil, err
		}
		n, err := whole(p[1], -1)
		if err != nil {
			return nil, err
		}
		parts := t.words
		if some {
			list, err := t.split(separator.s, int(max(n, -1)), last)
			if err != nil {
				return nil, err
			}
			return texts(list), m.made(64 * len(list))
		}
		list := parts(int(max(n, -1)), last)
		return texts(list), m.made(64 * len(list))
	}
}

func partitioned(name string, find func(s, part string) int) textMethod {
	return func(_ *machine, t text, a args) (value, error) {
		separator, err := oneText(name, a)
		if err != nil {
			return nil, err
		}
		if separator.s == "" {
			return nil, errors.New("ValueError: empty separator")
		}
		parts := []text{t, {}, {}}
		if at := find(t.s, separator.s); at >= 0 {
			end := at + len(separator.s)
			parts = []text{t.slice(0, at), separator, t.slice(end, len(t.s))}
		} else if name == "rpartition" {
			parts = []text{{}, {}, t}
		}
		for i := range parts {
			parts[i].html = t.html
		}
		out := texts(parts)
		out.tuple = true
		return out, nil
	}
}

// window is the part of a text between two optional character offsets, and its byte offset; ok is false if it starts
// behind the end.
func (t text) window(from, to value) (s string, at int, ok bool, err error) {
	optionalIndex := func(v value) value {
		if !given(v) {
			return nil
		}
		return v
	}
	n := int64(t.length())
	w := sliceOf{optionalIndex(from), optionalIndex(to), nil}
	first, _, count, isInt, err := w.bounds(n)
	if !isInt && err == nil {
		err = errors.New("TypeError: slice indices must be integers or None")
	}
	if err != nil {
		return "", 0, false, err
	}
	start, _ := integer(w.from)
	at = offset(t.s, int(first))
	end, hasEnd := integer(w.to)
	if hasEnd && end < 0 {
		end = max(end+n, 0)
	}
	ok = start <= n && (!hasEnd || end >= first)
	return t.s[at : at+offset(t.s[at:], int(count))], at, ok, nil
}

func affixed(name string, has func(s, affix string) bool) textMethod {
	return func(_ *machine, t text, a args) (value, error) {
		if len(a.pos) == 0 || len(a.pos) > 3 || len(a.names) > 0 {
			return nil, fmt.Errorf("TypeError: %s takes 1 to 3 arguments", name)
		}
		p := append(slices.Clone(a.pos), absent{}, absent{})
		affixes := []value{p[0]}
		if l, ok := p[0].(*list); ok && l.tuple {
			affixes = l.items
		}
		s, _, ok, err := t.window(p[1], p[2])
		if err != nil {
			return nil, err
		}
		for _, v := range affixes {
			affix, err := asText(v)
			if err != nil {
				return nil, err
			}
			if ok && has(s, affix.s) {
				return true, nil
			}
		}
		return false, nil
	}
}

func searched(name string, find func(s, part string) int, must bool) textMethod {
	return func(_ *machine, t text, a args) (value, error) {
		part, s, start, ok, err := searching(name, t, a)
		if err != nil {
			return nil, err
		}
		at := find(s, part.s)
		switch {
		case ok && at >= 0:
			return int64(utf8.RuneCountInString(t.s[:start+at])), nil
		case must:
			return nil, errors.New("ValueError: substring not found")
		}
		return int64(-1), nil
	}
}

func searching(name string, t text, a args) (part text, s string, start int, ok bool, err error) {
	if len(a.pos) == 0 || len(a.pos) > 3 || len(a.names) > 0 {
		return text{}, "", 0, false, fmt.Errorf("TypeError: %s takes 1 to 3 arguments", name)
	}
	p := append(slices.Clone(a.pos), absent{}, absent{})
	if part, err = asText(p[0]); err != nil {
		return text{}, "", 0, false, err
	}
	s, start, ok, err = t.window(p[1], p[2])
	return part, s, start, ok, err
}

func counted(_ *machine, t text, a args) (value, error) {
	part, s, _, ok, err := searching("count", t, a)
	if err != nil || !ok {
		return int64(0), err
	}
	return int64(strings.Count(s, part.s)), nil
}

func replaced(m *machine, t text, a args) (value, error) {
	p, err := a.bind("replace", "old", "new", "count=")
	if err == nil && len(a.pos) < 2 {
		err = errors.New("TypeError: replace takes what it replaces by position")
	}
	if err != nil {
		return nil, err
	}
	old, err := asText(p[0])
	if err != nil {
		return nil, err
	}
	new, err := asText(p[1])
	if err != nil {
		return nil, err
	}
	n, err := whole(p[2], -1)
	if err != nil {
		return nil, err
	}
	out, err := m.replace(t, old, new, int(n))
	return out, err
}

func joined(m *machine, t text, a args) (value, error) {
	p, err := a.positional("join", 1, 1)
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(p[0])
	if err != nil {
		return nil, err
	}
	parts := make([]text, len(items))
	for i, item := range items {
		if parts[i], err = asText(item); err != nil {
			return nil, err
		}
	}
	out, err := m.join(t, parts)
	return out, err
}

// pad writes a text with characters around it, up to a width.
func (m *machine) pad(t text, how string, width int64, fill text) (text, error) {
	n := int64(t.length())
	width = min(max(width, n), int64(m.limits.Bytes)+1+n)
	left := int64(0)
	switch how {
	case "rjust":
		left = width - n
	case "center":
		left = (width-n)/2 + (width-n)&width&1
	}
	b := m.builder()
	repeat := func(n int64) {
		for ; n > 0 && b.err == nil; n-- {
			b.add(fill)
		}
	}
	repeat(left)
	b.add(t)
	repeat(width - n - left)
	return b.done()
}

func padded(name string) textMethod {
	return func(m *machine, t text, a args) (value, error) {
		if len(a.pos) == 0 || len(a.pos) > 2 || len(a.names) > 0 {
			return nil, fmt.Errorf("TypeError: %s takes 1 or 2 arguments", name)
		}
		p := append(slices.Clone(a.pos), own(" "))
		width, err := whole(p[0], 0)
		if err != nil {
			return nil, err
		}
		fill, err := asText(p[1])
		if err != nil {
			return nil, err
		}
		if fill.length() != 1 {
			return nil, errors.New("TypeError: the fill character must be exactly one character long")
		}
		out, err := m.pad(t, name, width, fill)
		return out, err
	}
}

func zfill(m *machine, t text, a args) (value, error) {
	p, err := a.positional("zfill", 1, 1)
	if err != nil {
		return nil, err
	}
	width, err := whole(p[0], 0)
	if err != nil {
		return nil, err
	}
	sign := 0
	if t.s != "" && (t.s[0] == '-' || t.s[0] == '+') {
		sign = 1
	}
	rest, err := m.pad(t.slice(sign, len(t.s)), "rjust", width-int64(sign), own("0"))
	if err != nil {
		return nil, err
	}
	b := m.builder()
	b.add(t.slice(0, sign))
	b.add(rest)
	return b.value()
}
