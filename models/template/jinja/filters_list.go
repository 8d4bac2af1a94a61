package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// path is the attribute of an item that filters take: a name, names with dots, or an index.
func (m *machine) path(v, attribute, otherwise value) (value, error) {
	parts := []value{attribute}
	if attribute == nil { // None is the item itself
		parts = nil
	}
	if t, ok := attribute.(text); ok {
		parts = nil
		for _, part := range strings.Split(t.s, ".") {
			if !every(isDigit)(part) {
				parts = append(parts, own(part))
				continue
			}
			n, err := strconv.ParseInt(asciiDigits(part), 10, 64)
			if err != nil {
				return nil, errors.New("an attribute that is no integer of 64 bits is not supported")
			}
			parts = append(parts, n)
		}
	}
	for _, part := range parts {
		var err error
		if v, err = m.item(v, part); err != nil {
			return nil, err
		}
		if _, none := v.(undefined); none && given(otherwise) && otherwise != nil {
			v = otherwise
		}
	}
	return v, nil
}

func mapped(m *machine, v value, a args) (value, error) {
	if !truth(v) { // as in Jinja, None and 0 have no items here
		return &iterator{}, nil
	}
	apply := func(item value) (value, error) {
		return nil, errors.New("FilterArgumentError: map requires a filter argument")
	}
	if len(a.pos) > 0 {
		title, err := asText(a.pos[0])
		if err != nil {
			return nil, err
		}
		rest := args{a.pos[1:], a.names, a.named}
		apply = func(item value) (value, error) { return m.filter(title.s, item, rest) }
	} else if len(a.names) > 0 {
		p, err := a.bind("map", "attribute", "default=")
		if err != nil {
			return nil, err
		}
		apply = func(item value) (value, error) { return m.path(item, p[0], p[1]) }
	}
	items, err := m.lazily(v)
	if err != nil {
		return nil, err
	}
	out := make([]value, len(items))
	for i, item := range items {
		if out[i], err = apply(item); err != nil {
			return nil, err
		}
	}
	return &iterator{rest: out}, m.made(16 * len(out))
}

// chosen is select and its kin: by an attribute or by the item itself, those that pass a test or those that do not.
func chosen(attribute, pass bool) func(m *machine, v value, a args) (value, error) {
	return func(m *machine, v value, a args) (value, error) {
		if !truth(v) { // as in mapped
			return &iterator{}, nil
		}
		var by value
		if attribute {
			if len(a.pos) == 0 {
				return nil, errors.New("FilterArgumentError: Missing parameter for attribute name")
			}
			by, a.pos = a.pos[0], a.pos[1:]
		}
		items, err := m.lazily(v)
		if err != nil {
			return nil, err
		}
		var out []value
		for _, item := range items {
			subject := item
			if attribute {
				if subject, err = m.path(item, by, absent{}); err != nil {
					return nil, err
				}
			}
			holds := truth(subject)
			if len(a.pos) > 0 {
				title, err := asText(a.pos[0])
				if err != nil {
					return nil, err
				}
				if holds, err = m.test(title.s, subject, args{a.pos[1:], a.names, a.named}); err != nil {
					return nil, err
				}
			}
			if holds == pass {
				out = append(out, item)
			}
		}
		return &iterator{rest: out}, m.made(16 * len(out))
	}
}

// folded is a key of sorting: text in lower case unless case counts.
func (m *machine) folded(v value, caseCounts value) (value, error) {
	t, ok := v.(text)
	if !ok || given(caseCounts) && truth(caseCounts) {
		return v, nil
	}
	out, err := m.lower(t)
	return out, err
}

// keysOf are the keys of items, by an attribute (several with commas if many) or the items themselves.
func (m *machine) keysOf(items []value, attribute, caseCounts value, many bool) ([]value, error) {
	paths := []value{attribute}
	if t, ok := attribute.(text); ok && many {
		paths = nil
		for _, part := range strings.Split(t.s, ",") {
			paths = append(paths, own(part))
		}
	}
	keys := make([]value, len(items))
	for i, item := range items {
		parts := make([]value, len(paths))
		for j, path := range paths {
			key := item
			var err error
			if given(path) && path != nil {
				if key, err = m.path(item, path, absent{}); err != nil {
					return nil, err
				}
			}
			if parts[j], err = m.folded(key, caseCounts); err != nil {
				return nil, err
			}
		}
		keys[i] = &list{items: parts}
		if !many {
			keys[i] = parts[0]
		}
	}
	return keys, nil
}

func sorted(m *machine, v value, a args) (value, error) {
	p, err := a.bind("sort", "reverse=", "case_sensitive=", "attribute=")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	keys, err := m.keysOf(items, p[2], p[1], true)
	if err != nil {
		return nil, err
	}
	back, err := flag(p[0])
	if err != nil {
		return nil, err
	}
	out, err := m.sorted(items, keys, back)
	if err != nil {
		return nil, err
	}
	return &list{items: out}, m.made(16 * len(out))
}

func dictsort(m *machine, v value, a args) (value, error) {
	p, err := a.bind("dictsort", "case_sensitive=", "by=", "reverse=")
	if err != nil {
		return nil, err
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("dictsort takes a mapping, not '%s'", kindOf(v))
	}
	by := d.keys
	if t, ok := p[1].(text); ok && t.s == "value" {
		by = d.values
	} else if given(p[1]) && (!ok || t.s != "key") {
		return nil, errors.New(`FilterArgumentError: You can only sort by either "key" or "value"`)
	}
	keys := make([]value, len(by))
	for i := range by {
		if keys[i], err = m.folded(by[i], p[0]); err != nil {
			return nil, err
		}
	}
	back, err := flag(p[2])
	if err != nil {
		return nil, err
	}
	out, err := m.sorted(d.items(), keys, back)
	return &list{items: out}, err
}

func unique(m *machine, v value, a args) (value, error) {
	p, err := a.bind("unique", "case_sensitive=", "attribute=")
	if err != nil {
		return nil, err
	}
	items, err := m.lazily(v)
	if err != nil {
		return nil, err
	}
	keys, err := m.keysOf(items, p[1], p[0], false)
	if err != nil {
		return nil, err
	}
	seen := map[any]bool{}
	var out []value
	for i, item := range items {
		hash, err := m.hash(keys[i])
		if err != nil {
			return nil, err
		}
		if !seen[hash] {
			seen[hash] = true
			out = append(out, item)
		}
	}
	return &iterator{rest: out}, m.made(64 * len(out))
}

// extreme is min or max.
func extreme(largest bool) func(m *machine, v value, a args) (value, error) {
	return func(m *machine, v value, a args) (value, error) {
		p, err := a.bind("min or max", "case_sensitive=", "attribute=")
		if err != nil {
			return nil, err
		}
		items, err := m.iterate(v)
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return undefined{"UndefinedError: No aggregated item, sequence was empty."}, nil
		}
		keys, err := m.keysOf(items, p[1], p[0], false)
		if err != nil {
			return nil, err
		}
		best := 0
		for i := 1; i < len(items); i++ {
			a, b := keys[i], keys[best]
			if largest {
				a, b = b, a
			}
			better, err := m.less(a, b)
			if err != nil {
				return nil, err
			}
			if better {
				best = i
			}
		}
		return items[best], nil
	}
}

func batch(m *machine, v value, a args) (value, error) {
	p, err := a.bind("batch", "linecount", "fill_with=")
	if err != nil {
		return nil, err
	}
	n, err := whole(p[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := m.lazily(v)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, errors.New("batch takes a positive number")
	}
	var out []value
	for part := range slices.Chunk(items, int(min(n, math.MaxInt32))) {
		row := &list{items: slices.Clone(part)}
		for given(p[1]) && p[1] != nil && int64(len(row.items)) < n {
			if err := m.made(16); err != nil {
				return nil, err
			}
			row.items = append(row.items, p[1])
		}
		out = append(out, row)
	}
	return &iterator{rest: out}, m.made(16 * len(items))
}

func sliced(m *machine, v value, a args) (value, error) {
	p, err := a.bind("slice", "slices", "fill_with=")
	if err != nil {
		return nil, err
	}
	n, err := whole(p[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := m.lazily(v)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, errors.New("slice takes a positive number")
	}
	if err := m.made(16 * int(min(n, math.MaxInt32))); err != nil {
		return nil, err
	}
	var out []value
	size, more := int64(len(items))/n, int64(len(items))%n
	at := int64(0)
	for i := range n {
		end := at + size
		if i < more {
			end++
		}
		row := &list{items: slices.Clone(items[at:end])}
		if given(p[1]) && p[1] != nil && i >= more {
			row.items = append(row.items, p[1])
		}
		out = append(out, row)
		at = end
	}
	return &iterator{rest: out}, m.made(16 * len(items))
}
