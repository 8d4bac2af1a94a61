package jinja

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// equal is a == b.
func (m *machine) equal(a, b value) (bool, error) {
	if err := m.step(1); err != nil {
		return false, err
	}
	if x, whole, ok := number(a); ok {
		y, also, ok := number(b)
		if ok && (whole || also) { // as a float, a large integer would be another
			return x == y && !numberLess(a, b) && !numberLess(b, a), nil
		}
		return ok && x == y, nil
	}
	switch a := a.(type) {
	case text:
		b, ok := b.(text)
		return ok && a.s == b.s, nil
	case *list:
		b, ok := b.(*list)
		if !ok || a.tuple != b.tuple || len(a.items) != len(b.items) {
			return false, nil
		}
		if a == b {
			return true, nil
		}
		for i := range a.items {
			if same, err := m.equal(a.items[i], b.items[i]); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *dict:
		b, ok := b.(*dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false, nil
		}
		for hash, i := range a.at {
			other, ok := b.get(hash)
			if !ok {
				return false, nil
			}
			if same, err := m.equal(a.values[i], other); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	case *rangeOf:
		b, ok := b.(*rangeOf)
		return ok && a.n == b.n && (a.n == 0 || a.start == b.start && (a.n == 1 || a.step == b.step)), nil
	case undefined:
		_, ok := b.(undefined)
		return ok, nil
	case *view:
		if b, ok := b.(*view); ok && a != b {
			return false, errors.New("comparing views of mappings is not supported; make them lists")
		}
	}
	return a == b, nil
}

// numberLess is a < b of two numbers, without making a float of an integer.
func numberLess(a, b value) bool {
	i, whole := integer(a)
	j, also := integer(b)
	x, _, _ := number(a)
	y, _, _ := number(b)
	switch {
	case whole && also:
		return i < j
	case whole && math.Abs(y) < 1<<63:
		return i < int64(math.Ceil(y))
	case also && math.Abs(x) < 1<<63:
		return int64(math.Floor(x)) < j
	}
	return x < y
}

// less is a < b.
func (m *machine) less(a, b value) (bool, error) {
	if err := m.step(1); err != nil {
		return false, err
	}
	if _, _, ok := number(a); ok {
		if _, _, ok := number(b); ok {
			return numberLess(a, b), nil
		}
	}
	switch a := a.(type) {
	case undefined:
		return false, a.err()
	case text:
		if b, ok := b.(text); ok {
			return a.s < b.s, nil
		}
	case *list:
		b, ok := b.(*list)
		if !ok || a.tuple != b.tuple {
			break
		}
		for i := range min(len(a.items), len(b.items)) {
			if same, err := m.equal(a.items[i], b.items[i]); err != nil {
				return false, err
			} else if !same {
				return m.less(a.items[i], b.items[i])
			}
		}
		return len(a.items) < len(b.items), nil
	}
	if u, ok := b.(undefined); ok {
		return false, u.err()
	}
	return false, fmt.Errorf("TypeError: '%s' and '%s' cannot be ordered", kindOf(a), kindOf(b))
}

// contains is item in container.
func (m *machine) contains(container, item value) (bool, error) {
	switch c := container.(type) {
	case text:
		t, ok := item.(text)
		if u, isUndefined := item.(undefined); isUndefined {
			return false, fmt.Errorf("TypeError: 'in' a string, and %s", u.message)
		}
		if !ok {
			return false, fmt.Errorf("TypeError: 'in' a string needs a string, not '%s'", kindOf(item))
		}
		return strings.Contains(c.s, t.s), m.step(1 + len(c.s)/256)
	case *dict:
		hash, err := m.hash(item)
		if err != nil {
			return false, err
		}
		_, ok := c.get(hash)
		return ok, nil
	case *rangeOf:
		f, _, ok := number(item)
		i := int64(f)
		return ok && float64(i) == f && c.n > 0 && (i-c.start)%c.step == 0 && (i-c.start)/c.step >= 0 && (i-c.start)/c.step < c.n, nil
	case *namespace, *loop, *function:
		return false, fmt.Errorf("TypeError: argument of type '%s' is not iterable", kindOf(c))
	}
	if it, ok := container.(*iterator); ok { // what lies before the item is used up
		for {
			first, ok, err := it.next()
			if !ok || err != nil {
				return false, err
			}
			if same, err := m.equal(first, item); same || err != nil {
				return same, err
			}
		}
	}
	items, err := m.iterate(container)
	if err != nil {
		return false, err
	}
	for _, other := range items {
		if same, err := m.equal(other, item); same || err != nil {
			return same, err
		}
	}
	return false, nil
}
