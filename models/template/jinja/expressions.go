package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// frame is where an expression is evaluated.
type frame struct {
	m     *machine
	scope *scope
}

// scope holds variables; what it does not have, its parents may.
type scope struct {
	vars   map[string]value
	parent *scope
	ended  bool // its variables are gone: a loop went on, a block is over
}

// alive says whether all variables that are seen are still there.
func (s *scope) alive() bool {
	for ; s != nil; s = s.parent {
		if s.ended {
			return false
		}
	}
	return true
}

func (s *scope) get(name string) (value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(name string, v value) {
	if s.vars == nil {
		s.vars = map[string]value{}
	}
	s.vars[name] = v
}

// inner is a frame whose variables are not seen outside.
func (f *frame) inner() *frame { return &frame{f.m, &scope{parent: f.scope}} }

// expression is a node that has a value.
type expression interface {
	eval(f *frame) (value, error)
}

type (
	constant struct{ value value }
	name     struct{ name string }
	sequence struct { // a list or tuple
		items []expression
		tuple bool
	}
	mapping   struct{ keys, values []expression }
	attribute struct {
		of   expression
		name string
		line int
	}
	item struct {
		of, key expression
		line    int
	}
	sliceNode struct{ from, to, step expression }
	unary     struct {
		op   string
		of   expression
		line int
	}
	binary struct {
		op          string
		left, right expression
		line        int
	}
	concat struct {
		parts []expression
		open  bool // while it is read: more parts may follow
	}
	comparison struct {
		first expression
		ops   []string
		rest  []expression
		line  int
	}
	logical struct { // and, or
		op          string
		left, right expression
	}
	conditional struct{ test, yes, no expression }
	call        struct {
		of   expression
		args arguments
		line int
	}
	filterNode struct {
		of   expression // nil in a filter block
		name string
		args arguments
		line int
	}
	testNode struct {
		of   expression
		name string
		args arguments
		line int
	}
)

// arguments are those of a call as they are written.
type arguments struct {
	pos            []expression
	names          []string
	named          []expression
	rest, restDict expression // *rest, **restDict
}

func (c *constant) eval(f *frame) (value, error) { return c.value, f.m.step(1) }

func (n *name) eval(f *frame) (value, error) {
	if v, ok := f.scope.get(n.name); ok {
		return v, f.m.step(1)
	}
	return undefined{fmt.Sprintf("UndefinedError: '%s' is undefined", n.name)}, f.m.step(1)
}

func evalAll(f *frame, nodes []expression) ([]value, error) {
	out := make([]value, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = n.eval(f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *sequence) eval(f *frame) (value, error) {
	items, err := evalAll(f, s.items)
	if err != nil {
		return nil, err
	}
	return &list{items: items, tuple: s.tuple}, f.m.made(16 * len(items))
}

func (n *mapping) eval(f *frame) (value, error) {
	out := newDict()
	for i := range n.keys {
		key, err := n.keys[i].eval(f)
		if err != nil {
			return nil, err
		}
		v, err := n.values[i].eval(f)
		if err != nil {
			return nil, err
		}
		hash, err := f.m.hash(key)
		if err != nil {
			return nil, err
		}
		out.set(hash, key, v)
	}
	return out, f.m.made(64 * len(n.keys))
}

func (a *attribute) eval(f *frame) (value, error) {
	of, err := a.of.eval(f)
	if err != nil {
		return nil, err
	}
	v, err := f.m.attribute(of, a.name)
	return v, at(a.line, err)
}

func (i *item) eval(f *frame) (value, error) {
	of, err := i.of.eval(f)
	if err != nil {
		return nil, err
	}
	key, err := i.key.eval(f)
	if err != nil {
		return nil, err
	}
	v, err := f.m.item(of, key)
	return v, at(i.line, err)
}

func (s *sliceNode) eval(f *frame) (value, error) {
	var out [3]value
	for i, n := range []expression{s.from, s.to, s.step} {
		if n == nil {
			continue
		}
		var err error
		if out[i], err = n.eval(f); err != nil {
			return nil, err
		}
	}
	return sliceOf{out[0], out[1], out[2]}, nil
}

func (u *unary) eval(f *frame) (value, error) {
	v, err := u.of.eval(f)
	if err != nil {
		return nil, err
	}
	if u.op == "not" {
		return !truth(v), nil
	}
	if n, ok := v.(float64); ok {
		if u.op == "-" {
			n = -n
		}
		return n, nil
	}
	if n, ok := integer(v); ok {
		if u.op == "-" {
			v, err = integers("-", 0, n)
			return v, at(u.line, err)
		}
		return n, nil
	}
	if undef, ok := v.(undefined); ok {
		return nil, at(u.line, undef.err())
	}
	return nil, at(u.line, fmt.Errorf("TypeError: bad operand type for unary %s: '%s'", u.op, kindOf(v)))
}

func (b *binary) eval(f *frame) (value, error) {
	left, err := b.left.eval(f)
	if err != nil {
		return nil, err
	}
	right, err := b.right.eval(f)
	if err != nil {
		return nil, err
	}
	v, err := f.m.operate(b.op, left, right)
	return v, at(b.line, err)
}

func (c *concat) eval(f *frame) (value, error) {
	b := f.m.builder()
	for _, p := range c.parts {
		v, err := p.eval(f)
		if err != nil {
			return nil, err
		}
		t, err := f.m.str(v)
		if err != nil {
			return nil, err
		}
		b.add(t)
	}
	return b.value()
}

func (c *comparison) eval(f *frame) (value, error) {
	left, err := c.first.eval(f)
	if err != nil {
		return nil, err
	}
	for i, op := range c.ops {
		right, err := c.rest[i].eval(f)
		if err != nil {
			return nil, err
		}
		holds, err := f.m.compare(op, left, right)
		if !holds || err != nil {
			return false, at(c.line, err)
		}
		left = right
	}
	return true, nil
}

func (l *logical) eval(f *frame) (value, error) {
	left, err := l.left.eval(f)
	if err != nil || truth(left) == (l.op == "or") {
		return left, err
	}
	return l.right.eval(f)
}

func (c *conditional) eval(f *frame) (value, error) {
	test, err := c.test.eval(f)
	switch {
	case err != nil:
		return nil, err
	case truth(test):
		return c.yes.eval(f)
	case c.no == nil:
		return undefined{"UndefinedError: an if expression without else has no value"}, nil
	}
	return c.no.eval(f)
}

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
