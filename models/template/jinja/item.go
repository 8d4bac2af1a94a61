package jinja

import (
	"errors"
	"fmt"
	"slices"
)

// sliceOf is the index a:b:c.
type sliceOf struct{ from, to, step value }

// item is v[key], as the sandbox of transformers has it: what does not exist is undefined.
func (m *machine) item(v, key value) (value, error) {
	if u, ok := v.(undefined); ok {
		return nil, u.err()
	}
	found, ok, err := m.lookup(v, key)
	if ok || err != nil {
		return found, err
	}
	if _, isSlice := key.(sliceOf); isSlice { // Jinja leaves slices to Python, where there are no undefined ones
		return nil, fmt.Errorf("TypeError: '%s' object has no such slice", kindOf(v))
	}
	if name, isText := key.(text); isText {
		return m.attributeOf(v, name.s, len(name.spans) == 0)
	}
	return undefined{fmt.Sprintf("the %s has no such item", kindOf(v))}, nil
}

// attribute is v.name: a method or property before an item.
func (m *machine) attribute(v value, name string) (value, error) {
	if u, ok := v.(undefined); ok {
		return nil, u.err()
	}
	if found, ok, err := m.property(v, name); ok || err != nil {
		return found, err
	}
	if found, ok, err := m.lookup(v, own(name)); ok || err != nil {
		return found, err
	}
	return missing(v, name), nil
}

func missing(v value, name string) undefined {
	return undefined{fmt.Sprintf("UndefinedError: '%s object' has no attribute '%s'", kindOf(v), name)}
}

// attributeOf is v[name] after the item was not found; quote says whether an error may name it.
func (m *machine) attributeOf(v value, name string, quote bool) (value, error) {
	found, ok, err := m.property(v, name)
	switch {
	case ok || err != nil && quote:
		return found, err
	case err != nil:
		return nil, errors.New("an attribute by a user's name is not supported")
	case quote:
		return missing(v, name), nil
	}
	return undefined{fmt.Sprintf("the %s has no such item", kindOf(v))}, nil
}

// lookup is v[key] of Python; ok is false where Python raises TypeError or LookupError.
func (m *machine) lookup(v, key value) (found value, ok bool, err error) {
	if d, isDict := v.(*dict); isDict {
		if _, isSlice := key.(sliceOf); isSlice {
			return nil, false, nil
		}
		if l, isList := key.(*list); isList && !l.tuple {
			return nil, false, nil
		}
		hash, err := m.hash(key)
		if err != nil {
			return nil, false, err
		}
		found, ok = d.get(hash)
		return found, ok, nil
	}
	n := 0
	switch v.(type) {
	case text, *list, *rangeOf:
		n, _ = length(v)
	default:
		return nil, false, nil
	}
	if s, isSlice := key.(sliceOf); isSlice {
		return m.slice(v, s, int64(n))
	}
	i, isInt := integer(key)
	if i < 0 {
		i += int64(n)
	}
	if !isInt || i < 0 || i >= int64(n) {
		return nil, false, nil
	}
	switch v := v.(type) {
	case text:
		from := offset(v.s, int(i))
		return v.slice(from, from+offset(v.s[from:], 1)), true, m.step(1 + len(v.s)/256)
	case *list:
		return v.items[i], true, nil
	case *rangeOf:
		return v.item(i), true, nil
	}
	return nil, false, nil
}

// offset is the byte offset of the character n of a string, or its end.
func offset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// bounds are the first index, the step and the number of items of a slice.
func (s sliceOf) bounds(n int64) (first, step, count int64, ok bool, err error) {
	step = 1
	if s.step != nil {
		if step, ok = integer(s.step); !ok {
			return 0, 0, 0, false, nil
		}
		if step == 0 {
			return 0, 0, 0, false, errors.New("ValueError: slice step cannot be zero")
		}
	}
	low, high := int64(0), n
	if step < 0 {
		low, high = -1, n-1
	}
	clip := func(v value, otherwise int64) (int64, bool) {
		if v == nil {
			return otherwise, true
		}
		i, ok := integer(v)
		if i < 0 {
			i = max(i+n, low)
		}
		return min(i, high), ok
	}
	first, last := low, high
	if step < 0 {
		first, last = high, low
	}
	first, ok = clip(s.from, first)
	end, okEnd := clip(s.to, last)
	step = max(min(step, n+1), -n-1)
	switch {
	case !ok || !okEnd:
		return 0, 0, 0, false, nil
	case step > 0 && end > first:
		count = (end - first + step - 1) / step
	case step < 0 && end < first:
		count = (first - end - step - 1) / -step
	}
	return first, step, count, true, nil
}

func (m *machine) slice(v value, s sliceOf, n int64) (value, bool, error) {
	first, step, count, ok, err := s.bounds(n)
	if !ok || err != nil {
		return nil, false, err
	}
	switch v := v.(type) {
	case text:
		if err := m.step(1 + len(v.s)/256); err != nil {
			return nil, false, err
		}
		if step == 1 {
			from := offset(v.s, int(first))
			return v.slice(from, from+offset(v.s[from:], int(count))), true, nil
		}
		chars, err := m.iterate(v)
		if err != nil {
			return nil, false, err
		}
		b := m.builder()
		for i := range count {
			c, _ := chars[first+i*step].(text)
			b.add(c)
		}
		out, err := b.done()
		out.html = v.html
		return out, true, err
	case *list:
		out := &list{tuple: v.tuple}
		if step == 1 {
			out.items = slices.Clip(v.items[first : first+count])
			return out, true, nil
		}
		for i := range count {
			out.items = append(out.items, v.items[first+i*step])
		}
		return out, true, m.made(16 * int(count))
	case *rangeOf:
		start := v.start + first*v.step
		return &rangeOf{start, start + count*step*v.step, step * v.step, count}, true, nil
	}
	return nil, false, nil
}

// sorted puts items in the order of keys, as Python's sorted does.
func (m *machine) sorted(items, keys []value, reverse bool) ([]value, error) {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	var failed error
	slices.SortStableFunc(order, func(i, j int) int {
		if failed != nil {
			return 0
		}
		a, b := keys[i], keys[j]
		if reverse {
			a, b = b, a
		}
		below, err := m.less(a, b)
		if err == nil && !below {
			var above bool
			if above, err = m.less(b, a); above {
				failed = err
				return 1
			}
		}
		if failed = err; below {
			return -1
		}
		return 0
	})
	if failed != nil {
		return nil, failed
	}
	out := make([]value, len(items))
	for i, at := range order {
		out[i] = items[at]
	}
	return out, nil
}
