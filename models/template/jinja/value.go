package jinja

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// value is a value of a template: nil (None), bool, int64, float64, text, *list, *dict, *rangeOf, *view, *iterator,
// *namespace, *loop, *function or undefined.
type value = any

// undefined is what a name or an attribute that does not exist stands for. It can be printed, tested and iterated; any
// other use fails with its message.
type undefined struct{ message string }

func (u undefined) err() error { return errors.New(u.message) }

// list is a list or a tuple. Templates cannot change it.
type list struct {
	items []value
	tuple bool
}

// dict is a mapping in order. Templates cannot change it.
type dict struct {
	keys   []value
	values []value
	at     map[any]int // by hash
}

func newDict() *dict { return &dict{at: map[any]int{}} }

func (d *dict) get(hash any) (value, bool) {
	i, ok := d.at[hash]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

func (d *dict) set(hash any, key, v value) {
	if i, ok := d.at[hash]; ok {
		d.values[i] = v
		return
	}
	d.at[hash] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

func (d *dict) items() []value {
	out := make([]value, len(d.keys))
	for i, k := range d.keys {
		out[i] = &list{items: []value{k, d.values[i]}, tuple: true}
	}
	return out
}

// rangeOf is a range of integers.
type rangeOf struct{ start, stop, step, n int64 }

func (r *rangeOf) item(i int64) value { return r.start + i*r.step }

// view is what keys, values and items of a mapping return.
type view struct {
	name  string
	items []value
}

// iterator is what filters such as map return: it can be iterated once, and has no length.
type iterator struct {
	rest  []value
	taken bool // by a filter that in Jinja reads it no sooner than its own result is read
}

func (it *iterator) free() error {
	if it.taken {
		return errors.New("an iterator that is given to a filter and used again is not supported; make it a list")
	}
	return nil
}

// next takes one item; ok is false at the end.
func (it *iterator) next() (v value, ok bool, err error) {
	if err := it.free(); err != nil || len(it.rest) == 0 {
		return nil, false, err
	}
	v, it.rest = it.rest[0], it.rest[1:]
	return v, true, nil
}

// lazily returns the items of a value for a filter whose result is an iterator.
func (m *machine) lazily(v value) ([]value, error) {
	items, err := m.iterate(v)
	if it, ok := v.(*iterator); ok {
		it.taken = true
	}
	return items, err
}

// namespace is the only value that templates can change.
type namespace struct{ dict }

// function is something that can be called.
type function struct {
	name  string
	macro bool
	call  func(m *machine, a args) (value, error)
}

// kindOf is Python's name of a value's type.
func kindOf(v value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case undefined:
		return "Undefined"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case text:
		return "str"
	case *list:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *dict:
		return "dict"
	case *rangeOf:
		return "range"
	case *view:
		return v.name
	case *iterator:
		return "generator"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	}
	return "function"
}

// truth is bool(v).
func truth(v value) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	}
	n, ok := length(v)
	return !ok || n > 0
}

// length is len(v), if it has one.
func length(v value) (int, bool) {
	switch v := v.(type) {
	case undefined:
		return 0, true
	case text:
		return v.length(), true
	case *list:
		return len(v.items), true
	case *dict:
		return len(v.keys), true
	case *rangeOf:
		return int(v.n), true
	case *view:
		return len(v.items), true
	}
	return 0, false
}

// iterate returns the items of a value.
func (m *machine) iterate(v value) ([]value, error) {
	var out []value
	switch v := v.(type) {
	case undefined:
	case text:
		if err := m.step(len(v.s)); err != nil {
			return nil, err
		}
		for at := 0; at < len(v.s); {
			_, width := utf8.DecodeRuneInString(v.s[at:])
			c := v.slice(at, at+width)
			c.html = false
			out = append(out, c)
			at += width
		}
		return out, nil
	case *list:
		out = v.items
	case *dict:
		out = v.keys
	case *rangeOf:
		if err := m.step(int(v.n)); err != nil {
			return nil, err
		}
		for i := range v.n {
			out = append(out, v.item(i))
		}
	case *view:
		out = v.items
	case *iterator:
		if err := v.free(); err != nil {
			return nil, err
		}
		out, v.rest = v.rest, nil
	default:
		return nil, fmt.Errorf("TypeError: '%s' object is not iterable", kindOf(v))
	}
	return out, m.step(len(out))
}

// integer returns an integer: bool is one.
func integer(v value) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// number returns a number as a float, and whether it is an integer.
func number(v value) (f float64, whole, ok bool) {
	if i, ok := integer(v); ok {
		return float64(i), true, true
	}
	f, ok = v.(float64)
	return f, false, ok
}

// hash is the key of a value in a mapping: equal values have equal keys.
func (m *machine) hash(v value) (any, error) {
	if err := m.step(1); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case text:
		return v.s, nil
	case bool, int64:
		i, _ := integer(v)
		return i, nil
	case float64:
		if math.Trunc(v) == v && math.Abs(v) < 1<<63 {
			return int64(v), nil
		}
		return v, nil
	case *list:
		if !v.tuple {
			break
		}
		key := "\x00("
		for _, item := range v.items {
			h, err := m.hash(item)
			if err != nil {
				return nil, err
			}
			part := fmt.Sprintf("%T:%v", h, h)
			if key += strconv.Itoa(len(part)) + ":" + part; len(key) > 1<<16 {
				return nil, &limitError{"a tuple as a key", 1 << 16, "bytes"}
			}
		}
		return tupleKey(key), nil
	case undefined:
		return undefinedKey{}, nil
	case *function, *namespace, *loop:
		return nil, fmt.Errorf("a %s as a key of a mapping is not supported", kindOf(v))
	}
	return nil, fmt.Errorf("TypeError: unhashable type: '%s'", kindOf(v))
}

type (
	tupleKey     string
	undefinedKey struct{}
)
