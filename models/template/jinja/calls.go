package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// eval evaluates arguments.
func (n *arguments) eval(f *frame) (out args, err error) {
	if out.pos, err = evalAll(f, n.pos); err != nil {
		return out, err
	}
	if out.named, err = evalAll(f, n.named); err != nil {
		return out, err
	}
	if out.names = n.names; n.rest != nil {
		v, err := n.rest.eval(f)
		if err != nil {
			return out, err
		}
		items, err := f.m.iterate(v)
		if err != nil {
			return out, err
		}
		out.pos = append(out.pos, items...)
	}
	if n.restDict == nil {
		return out, nil
	}
	v, err := n.restDict.eval(f)
	if err != nil {
		return out, err
	}
	d, ok := v.(*dict)
	if !ok {
		return out, errors.New("TypeError: ** takes a mapping")
	}
	out.names = append([]string(nil), out.names...)
	for i, key := range d.keys {
		t, ok := key.(text)
		if !ok {
			return out, errors.New("TypeError: keywords must be strings")
		}
		out.names, out.named = append(out.names, t.s), append(out.named, d.values[i])
	}
	return out, nil
}

func (c *call) eval(f *frame) (value, error) { return c.with(f) }

// with calls with further named arguments.
func (c *call) with(f *frame, more ...value) (value, error) {
	of, err := c.of.eval(f)
	if err != nil {
		return nil, err
	}
	a, err := c.args.eval(f)
	if err != nil {
		return nil, at(c.line, err)
	}
	for _, v := range more {
		a.names, a.named = append(a.names[:len(a.names):len(a.names)], "caller"), append(a.named, v)
	}
	v, err := f.m.call(of, a)
	return v, at(c.line, err)
}

func (m *machine) call(of value, a args) (value, error) {
	if err := m.step(1); err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case *function:
		return of.call(m, a)
	case *loop:
		return of.recurse(m, a)
	case undefined:
		return nil, of.err()
	}
	return nil, fmt.Errorf("TypeError: '%s' object is not callable", kindOf(of))
}

func (n *filterNode) eval(f *frame) (value, error) {
	v, err := n.of.eval(f)
	if err != nil {
		return nil, err
	}
	return n.apply(f, v)
}

func (n *filterNode) apply(f *frame, v value) (value, error) {
	a, err := n.args.eval(f)
	if err != nil {
		return nil, at(n.line, err)
	}
	out, err := f.m.filter(n.name, v, a)
	return out, at(n.line, err)
}

func (n *testNode) eval(f *frame) (value, error) {
	v, err := n.of.eval(f)
	if err != nil {
		return nil, err
	}
	a, err := n.args.eval(f)
	if err != nil {
		return nil, at(n.line, err)
	}
	holds, err := f.m.test(n.name, v, a)
	return holds, at(n.line, err)
}

// args are the arguments of a call.
type args struct {
	pos   []value
	names []string
	named []value
}

// bind puts arguments in the order of a function's parameters: a name, or name=, whose default its caller knows. What is
// not given is absent.
func (a args) bind(function string, parameters ...string) ([]value, error) {
	if len(a.pos) > len(parameters) {
		return nil, fmt.Errorf("TypeError: %s takes %d arguments at most", function, len(parameters))
	}
	out := make([]value, len(parameters))
	index := map[string]int{}
	for i, p := range parameters {
		out[i] = absent{}
		if p[len(p)-1] == '=' {
			p = p[:len(p)-1]
		}
		index[p] = i
	}
	copy(out, a.pos)
	for i, key := range a.names {
		n, ok := index[key]
		if !ok {
			return nil, fmt.Errorf("TypeError: %s takes no argument of this name; it has %s", function, strings.Join(parameters, " "))
		}
		if _, free := out[n].(absent); !free {
			return nil, fmt.Errorf("TypeError: %s has the argument %s twice", function, key)
		}
		out[n] = a.named[i]
	}
	for i, p := range parameters {
		if _, none := out[i].(absent); none && p[len(p)-1] != '=' {
			return nil, fmt.Errorf("TypeError: %s needs the argument %s", function, p)
		}
	}
	return out, nil
}

// absent is an argument that is not given.
type absent struct{}
