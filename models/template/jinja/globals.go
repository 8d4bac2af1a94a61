package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// globals are the functions that transformers gives to a template.
var globals = map[string]value{
	"range":           &function{name: "range", call: makeRange},
	"dict":            &function{name: "dict", call: makeDict},
	"namespace":       &function{name: "namespace", call: makeNamespace},
	"raise_exception": &function{name: "raise_exception", call: raise},
	"strftime_now":    &function{name: "strftime_now", call: strftimeNow},
}

// maxRange is the sandbox's limit of a range.
const maxRange = 100_000

func makeRange(_ *machine, a args) (value, error) {
	if len(a.pos) == 0 || len(a.pos) > 3 || len(a.names) > 0 {
		return nil, errors.New("TypeError: range takes 1 to 3 arguments")
	}
	var n [3]int64
	for i, v := range a.pos {
		var ok bool
		if n[i], ok = integer(v); !ok {
			return nil, fmt.Errorf("TypeError: '%s' object cannot be interpreted as an integer", kindOf(v))
		}
		if max(n[i], -n[i]) > 1<<40 {
			return nil, errRange
		}
	}
	r := &rangeOf{stop: n[0], step: 1}
	if len(a.pos) > 1 {
		r.start, r.stop = n[0], n[1]
	}
	if len(a.pos) == 3 {
		r.step = n[2]
	}
	switch {
	case r.step == 0:
		return nil, errors.New("ValueError: range() arg 3 must not be zero")
	case r.step > 0 && r.stop > r.start:
		r.n = (r.stop - r.start + r.step - 1) / r.step
	case r.step < 0 && r.stop < r.start:
		r.n = (r.start - r.stop - r.step - 1) / -r.step
	}
	if r.n > maxRange {
		return nil, fmt.Errorf("OverflowError: range too big, maximum size is %d", maxRange)
	}
	return r, nil
}

// fill sets what dict and namespace are called with: a mapping or pairs, and keywords.
func (d *dict) fill(m *machine, function string, a args) error {
	if len(a.pos) > 1 {
		return fmt.Errorf("TypeError: %s takes one argument at most", function)
	}
	add := func(key, v value) error {
		hash, err := m.hash(key)
		if err == nil {
			d.set(hash, key, v)
		}
		return err
	}
	for _, v := range a.pos {
		switch from := v.(type) {
		case *dict:
			v = &list{items: from.items()}
		case undefined:
			return from.err()
		}
		pairs, err := m.iterate(v)
		if err != nil {
			return err
		}
		for _, p := range pairs {
			pair, err := m.iterate(p)
			if err == nil && len(pair) != 2 {
				err = fmt.Errorf("ValueError: %s takes pairs", function)
			}
			if err == nil {
				err = add(pair[0], pair[1])
			}
			if err != nil {
				return err
			}
		}
	}
	for i, key := range a.names {
		d.set(key, own(key), a.named[i])
	}
	return m.made(64 * len(d.keys))
}

func makeDict(m *machine, a args) (value, error) {
	d := newDict()
	return d, d.fill(m, "dict", a)
}

func makeNamespace(m *machine, a args) (value, error) {
	ns := &namespace{*newDict()}
	if err := ns.fill(m, "namespace", a); err != nil {
		return nil, err
	}
	for _, key := range ns.keys {
		if t, ok := key.(text); ok && strings.HasPrefix(t.s, "_") {
			return nil, errors.New("SecurityError: a namespace cannot have attributes that begin with an underscore")
		}
	}
	return ns, nil
}

func raise(m *machine, a args) (value, error) {
	p, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	t, err := m.str(p[0])
	if err != nil {
		return nil, err
	}
	return nil, &Raised{Message: t.s}
}

func strftimeNow(m *machine, a args) (value, error) {
	p, err := a.bind("strftime_now", "format")
	if err != nil {
		return nil, err
	}
	format, err := asText(p[0])
	if err != nil {
		return nil, err
	}
	s, err := strftime(m.now, format.s)
	if err != nil {
		return nil, err
	}
	b := m.builder()
	b.write(s, len(format.spans) > 0)
	return b.value()
}
