package jinja

import "fmt"

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
