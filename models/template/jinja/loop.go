package jinja

import (
	"errors"
	"fmt"
)

type forNode struct {
	target    target
	over      expression
	test      expression // or nil
	body      []statement
	otherwise []statement
	recursive bool
	line      int
}

// source gives the items of a loop one by one, so that its condition is asked when an item is due.
type source struct {
	items *iterator
	f     *frame
	node  *forNode
	ahead []value // read before they are due
}

// read reads one more item; ok is false at the end.
func (s *source) read() (v value, ok bool, err error) {
	for {
		if v, ok, err = s.items.next(); !ok || err != nil || s.node.test == nil {
			return v, ok, err
		}
		inner := s.f.inner()
		if err := s.node.target.assign(inner, v); err != nil {
			return nil, false, err
		}
		holds, err := s.node.test.eval(inner)
		if err != nil || truth(holds) {
			return v, true, err
		}
	}
}

// next is the item that is due.
func (s *source) next() (value, bool, error) {
	if len(s.ahead) > 0 {
		v := s.ahead[0]
		s.ahead = s.ahead[1:]
		return v, true, nil
	}
	return s.read()
}

// peek is the item that is due next; ok is false at the end.
func (s *source) peek() (value, bool, error) {
	if len(s.ahead) == 0 {
		v, ok, err := s.read()
		if !ok || err != nil {
			return nil, false, err
		}
		s.ahead = append(s.ahead, v)
	}
	return s.ahead[0], true, nil
}

// left reads all items, and counts those that are not due yet.
func (s *source) left() (int, error) {
	for {
		v, ok, err := s.read()
		if err != nil || !ok {
			return len(s.ahead), err
		}
		s.ahead = append(s.ahead, v)
	}
}

// loop is the variable loop.
type loop struct {
	source  *source
	index0  int
	total   int // −1 until it is asked for
	depth0  int
	before  value
	item    value
	changed value
	again   func(m *machine, v value, depth int) (text, error) // of a recursive loop
}

func (n *forNode) run(f *frame, out *builder) error {
	v, err := n.over.eval(f)
	if err != nil {
		return at(n.line, err)
	}
	return at(n.line, n.render(f, out, v, 0))
}

// render runs the loop over v.
func (n *forNode) render(f *frame, out *builder, v value, depth int) error {
	items, ok := v.(*iterator) // of which a loop that ends early leaves the rest
	if !ok {
		all, err := f.m.iterate(v)
		if err != nil {
			return err
		}
		items = &iterator{rest: all}
	}
	l := &loop{source: &source{items: items, f: f, node: n}, index0: -1, total: -1, depth0: depth, changed: absent{}}
	if n.recursive {
		l.again = func(m *machine, v value, depth int) (text, error) {
			b := m.builder()
			if err := n.render(f, b, v, depth); err != nil {
				return text{}, err
			}
			return b.done()
		}
	}
	finished := false // as in Jinja, the else part runs unless a run of the body reached its end
	for {
		item, ok, err := l.source.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		l.before, l.item, l.index0 = l.item, item, l.index0+1
		inner := f.inner()
		inner.scope.set("loop", l)
		if err := n.target.assign(inner, item); err != nil {
			return err
		}
		err = runAll(inner, out, n.body)
		inner.scope.ended = true
		if errors.Is(err, errBreak) {
			break
		}
		if err != nil && !errors.Is(err, errContinue) {
			return err
		}
		finished = finished || err == nil
	}
	if !finished {
		return runAll(f.inner(), out, n.otherwise)
	}
	return nil
}

// length is how many items the loop has.
func (l *loop) length() (int, error) {
	if l.total < 0 {
		left, err := l.source.left()
		if err != nil {
			return 0, err
		}
		l.total = l.index0 + 1 + left
	}
	return l.total, nil
}

// property is an attribute of the variable loop.
func (l *loop) property(name string) (v value, ok bool, err error) {
	switch name {
	case "index":
		return int64(l.index0 + 1), true, nil
	case "index0":
		return int64(l.index0), true, nil
	case "first":
		return l.index0 == 0, true, nil
	case "depth":
		return int64(l.depth0 + 1), true, nil
	case "depth0":
		return int64(l.depth0), true, nil
	case "previtem":
		if l.index0 == 0 {
			return undefined{"UndefinedError: there is no previous item"}, true, nil
		}
		return l.before, true, nil
	case "cycle":
		return &function{name: name, call: l.cycle}, true, nil
	case "changed":
		return &function{name: name, call: l.hasChanged}, true, nil
	case "last", "nextitem":
		next, more, err := l.source.peek()
		if name == "last" {
			return !more, true, err
		}
		if !more {
			return undefined{"UndefinedError: there is no next item"}, true, err
		}
		return next, true, nil
	case "revindex", "revindex0", "length":
		n, err := l.length()
		switch name {
		case "revindex":
			n -= l.index0
		case "revindex0":
			n -= l.index0 + 1
		}
		return int64(n), true, err
	}
	return nil, false, nil
}

func (l *loop) cycle(_ *machine, a args) (value, error) {
	if len(a.pos) == 0 || len(a.names) > 0 {
		return nil, errors.New("TypeError: no items for cycling given")
	}
	return a.pos[l.index0%len(a.pos)], nil
}

func (l *loop) hasChanged(m *machine, a args) (value, error) {
	if len(a.names) > 0 {
		return nil, errors.New("TypeError: loop.changed takes no keyword arguments")
	}
	now := &list{items: a.pos, tuple: true}
	if _, first := l.changed.(absent); !first {
		if same, err := m.equal(l.changed, now); same || err != nil {
			return false, err
		}
	}
	l.changed = now
	return true, nil
}

// recurse is loop(v): the loop again, over v.
func (l *loop) recurse(m *machine, a args) (value, error) {
	if l.again == nil {
		return nil, errors.New("TypeError: the loop must have the 'recursive' marker to be called recursively")
	}
	if len(a.pos) != 1 || len(a.names) > 0 {
		return nil, fmt.Errorf("TypeError: a recursive loop takes one argument, not %d", len(a.pos)+len(a.names))
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	t, err := l.again(m, a.pos[0], l.depth0+1)
	return t, err
}
