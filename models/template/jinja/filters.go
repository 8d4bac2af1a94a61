package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// filters are Jinja's, but for those that are of no use in a prompt.
var filters map[string]func(m *machine, v value, a args) (value, error)

func init() { // map calls filters by name
	filters = map[string]func(m *machine, v value, a args) (value, error){
		"abs": absolute, "int": toInt, "float": toFloat, "round": round, "sum": sum,
		"default": orDefault, "d": orDefault,
		"first": first, "last": last, "length": count, "count": count, "list": toList, "reverse": reversed,
		"map": mapped, "select": chosen(false, true), "reject": chosen(false, false), "selectattr": chosen(true, true), "rejectattr": chosen(true, false),
		"sort": sorted, "dictsort": dictsort, "unique": unique, "min": extreme(false), "max": extreme(true), "batch": batch, "slice": sliced,
		"items": items, "tojson": tojson, "join": joinFilter,
		"escape": escapeFilter(false), "e": escapeFilter(false), "forceescape": escapeFilter(true), "safe": safe,
		"string": textFilter("string", func(_ *machine, t text) (text, error) { return t, nil }),
		"upper":  textFilter("upper", (*machine).upper), "lower": textFilter("lower", (*machine).lower),
		"capitalize": textFilter("capitalize", (*machine).capitalize), "title": textFilter("title", (*machine).titleFilter),
		"trim": trim, "replace": replaceFilter, "indent": indent, "center": center, "truncate": truncate, "wordcount": wordcount, "format": formatFilter,
	}
}

func (m *machine) filter(name string, v value, a args) (value, error) {
	run, ok := filters[name]
	if !ok {
		return nil, errors.New("a filter that map names is not supported")
	}
	if err := m.step(1); err != nil {
		return nil, err
	}
	return run(m, v, a)
}

// textFilter is a filter of str(v).
func textFilter(name string, change func(*machine, text) (text, error)) func(m *machine, v value, a args) (value, error) {
	return func(m *machine, v value, a args) (value, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		t, err := m.str(v)
		if err != nil {
			return nil, err
		}
		out, err := change(m, t)
		return out, err
	}
}

func orDefault(_ *machine, v value, a args) (value, error) {
	p, err := a.bind("default", "default_value=", "boolean=")
	if err != nil {
		return nil, err
	}
	_, isUndefined := v.(undefined)
	if isUndefined || given(p[1]) && truth(p[1]) && !truth(v) {
		if !given(p[0]) {
			return text{}, nil
		}
		return p[0], nil
	}
	return v, nil
}

func first(m *machine, v value, a args) (value, error) {
	if _, err := a.bind("first"); err != nil {
		return nil, err
	}
	if it, ok := v.(*iterator); ok {
		if head, ok, err := it.next(); ok || err != nil {
			return head, err
		}
	}
	items, err := m.iterate(v)
	if err == nil && len(items) == 0 {
		return undefined{"UndefinedError: No first item, sequence was empty."}, nil
	}
	if err != nil {
		return nil, err
	}
	return items[0], nil
}

func last(m *machine, v value, a args) (value, error) {
	if _, err := a.bind("last"); err != nil {
		return nil, err
	}
	if _, ok := v.(*iterator); ok {
		return nil, errors.New("TypeError: 'generator' object is not reversible")
	}
	items, err := m.iterate(v)
	if err == nil && len(items) == 0 {
		return undefined{"UndefinedError: No last item, sequence was empty."}, nil
	}
	if err != nil {
		return nil, err
	}
	if t, ok := v.(text); ok && t.html { // unlike the first, the last is taken by its index
		return m.item(v, int64(-1))
	}
	return items[len(items)-1], nil
}

func count(_ *machine, v value, a args) (value, error) {
	if _, err := a.bind("length"); err != nil {
		return nil, err
	}
	n, ok := length(v)
	if !ok {
		return nil, fmt.Errorf("TypeError: object of type '%s' has no len()", kindOf(v))
	}
	return int64(n), nil
}

func toList(m *machine, v value, a args) (value, error) {
	if _, err := a.bind("list"); err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	return &list{items: items}, err
}

func reversed(m *machine, v value, a args) (value, error) {
	if _, err := a.bind("reverse"); err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	back := slices.Clone(items)
	slices.Reverse(back)
	if _, once := v.(*iterator); once { // what has no other end is made a list
		return &list{items: back}, m.made(16 * len(back))
	}
	t, ok := v.(text)
	if !ok {
		return &iterator{rest: back}, m.made(16 * len(back))
	}
	b := m.builder()
	for _, c := range back {
		part, _ := c.(text)
		b.add(part)
	}
	out, err := b.done()
	out.html = t.html
	return out, err
}

func items(_ *machine, v value, a args) (value, error) {
	if _, err := a.bind("items"); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case undefined:
		return &iterator{}, nil
	case *dict:
		return &iterator{rest: v.items()}, nil
	}
	return nil, errors.New("TypeError: can only get item pairs from a mapping")
}

func joinFilter(m *machine, v value, a args) (value, error) {
	p, err := a.bind("join", "d=", "attribute=")
	if err != nil {
		return nil, err
	}
	separator := text{}
	if given(p[0]) {
		if separator, err = m.str(p[0]); err != nil {
			return nil, err
		}
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	parts := make([]text, len(items))
	for i, item := range items {
		if given(p[1]) && p[1] != nil {
			if item, err = m.path(item, p[1], absent{}); err != nil {
				return nil, err
			}
		}
		if parts[i], err = m.str(item); err != nil {
			return nil, err
		}
	}
	out, err := m.join(separator, parts)
	return out, err
}

func trim(m *machine, v value, a args) (value, error) {
	p, err := a.bind("trim", "chars=")
	if err != nil {
		return nil, err
	}
	cut, err := cutset(p[0])
	if err != nil {
		return nil, err
	}
	t, err := m.str(v)
	return t.trim(cut, true, true), err
}

func replaceFilter(m *machine, v value, a args) (value, error) {
	p, err := a.bind("replace", "old", "new", "count=")
	if err != nil {
		return nil, err
	}
	n := int64(-1)
	if p[2] != nil {
		if n, err = whole(p[2], -1); err != nil {
			return nil, err
		}
	}
	var parts [3]text
	for i, part := range []value{v, p[0], p[1]} {
		if parts[i], err = m.str(part); err != nil {
			return nil, err
		}
	}
	out, err := m.replace(parts[0], parts[1], parts[2], int(n))
	return out, err
}

func indent(m *machine, v value, a args) (value, error) {
	p, err := a.bind("indent", "width=", "first=", "blank=")
	if err != nil {
		return nil, err
	}
	t, err := asText(v)
	if err != nil || t.html {
		return nil, fmt.Errorf("indent takes a string without HTML, not '%s'", kindOf(v))
	}
	by, isText := p[0].(text)
	if !isText {
		width, err := whole(p[0], 4)
		if err != nil {
			return nil, err
		}
		if by, err = blanks(width); err != nil {
			return nil, err
		}
	}
	b := m.builder()
	if given(p[1]) && truth(p[1]) {
		b.add(by)
	}
	blank := given(p[2]) && truth(p[2])
	lines := t.lines(false)
	if t.s == "" || endsLine(rune(t.s[len(t.s)-1])) || strings.HasSuffix(t.s, "\u0085") || strings.HasSuffix(t.s, "\u2028") || strings.HasSuffix(t.s, "\u2029") {
		lines = append(lines, text{}) // Jinja adds a newline before it splits
	}
	if strings.HasSuffix(t.s, "\r") {
		lines = lines[:len(lines)-1] // and that newline makes one line break of a last \r
	}
	for i, line := range lines {
		if i > 0 {
			b.own("\n")
			if blank || line.s != "" {
				b.add(by)
			}
		}
		b.add(line)
	}
	return b.value()
}

// blanks is an indentation.
func blanks(n int64) (text, error) {
	if n > maxWidth {
		return text{}, fmt.Errorf("an indentation over %d is not supported", maxWidth)
	}
	return own(strings.Repeat(" ", int(max(n, 0)))), nil
}

func center(m *machine, v value, a args) (value, error) {
	p, err := a.bind("center", "width=")
	if err != nil {
		return nil, err
	}
	width, err := whole(p[0], 80)
	if err != nil {
		return nil, err
	}
	t, err := m.str(v)
	if err != nil {
		return nil, err
	}
	out, err := m.pad(t, "center", width, own(" "))
	out.html = t.html
	return out, err
}

func truncate(m *machine, v value, a args) (value, error) {
	p, err := a.bind("truncate", "length=", "killwords=", "end=", "leeway=")
	if err != nil {
		return nil, err
	}
	t, err := asText(v)
	if err != nil {
		return nil, err
	}
	limit, err := whole(p[0], 255)
	if err != nil {
		return nil, err
	}
	end := own("...")
	if given(p[2]) {
		if end, err = asText(p[2]); err != nil {
			return nil, err
		}
	}
	leeway := int64(5)
	if p[3] != nil {
		if leeway, err = whole(p[3], 5); err != nil {
			return nil, err
		}
	}
	n := limit - int64(end.length())
	if n < 0 || leeway < 0 {
		return nil, errors.New("AssertionError: truncate to less than its end, or a leeway below 0")
	}
	if int64(t.length()) <= limit+leeway {
		return t, nil
	}
	kept := t.slice(0, offset(t.s, int(n)))
	if at := strings.LastIndexByte(kept.s, ' '); at >= 0 && !(given(p[1]) && truth(p[1])) {
		kept = kept.slice(0, at)
	}
	return m.add(kept, end)
}

func wordcount(m *machine, v value, a args) (value, error) {
	if _, err := a.bind("wordcount"); err != nil {
		return nil, err
	}
	t, err := m.str(v)
	return int64(len(strings.FieldsFunc(t.s, func(r rune) bool { return !isWord(r) }))), err
}

func formatFilter(m *machine, v value, a args) (value, error) {
	t, err := m.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.names) == 0 {
		return m.printf(t, &list{items: a.pos, tuple: true})
	}
	if len(a.pos) > 0 {
		return nil, errors.New("FilterArgumentError: can't handle positional and keyword arguments at the same time")
	}
	d := newDict()
	for i, key := range a.names {
		d.set(key, own(key), a.named[i])
	}
	return m.printf(t, d)
}

// escapeFilter escapes for HTML; force does so with what is escaped already.
func escapeFilter(force bool) func(m *machine, v value, a args) (value, error) {
	return func(m *machine, v value, a args) (value, error) {
		if _, err := a.bind("escape"); err != nil {
			return nil, err
		}
		t, err := m.str(v)
		if err != nil {
			return nil, err
		}
		t.html = t.html && !force
		out, err := m.escape(t)
		return out, err
	}
}

func safe(m *machine, v value, a args) (value, error) {
	if _, err := a.bind("safe"); err != nil {
		return nil, err
	}
	t, err := m.str(v)
	t.html = true
	return t, err
}

func tojson(m *machine, v value, a args) (value, error) {
	p, err := a.bind("tojson", "ensure_ascii=", "indent=", "separators=", "sort_keys=")
	if err != nil {
		return nil, err
	}
	style := &jsonStyle{ascii: given(p[0]) && truth(p[0]), sorted: given(p[3]) && truth(p[3]), item: own(", "), pair: own(": ")}
	if given(p[1]) && p[1] != nil {
		by, ok := p[1].(text)
		if n, isInt := integer(p[1]); isInt {
			if by, err = blanks(n); err != nil {
				return nil, err
			}
		} else if !ok {
			return nil, errors.New("TypeError: indent of tojson is a number or a string")
		}
		style.indent, style.item = &by, own(",")
	}
	if given(p[2]) && p[2] != nil {
		pair, err := m.iterate(p[2])
		if err != nil {
			return nil, err
		}
		if len(pair) != 2 {
			return nil, errors.New("ValueError: separators of tojson are two")
		}
		if style.item, err = asText(pair[0]); err != nil {
			return nil, err
		}
		if style.pair, err = asText(pair[1]); err != nil {
			return nil, err
		}
	}
	b := m.builder()
	if err := m.json(b, v, style, 0); err != nil {
		return nil, err
	}
	return b.value()
}
