package jinja

import (
	"errors"
	"fmt"
)

// statement is a node that is run; what it prints goes to out.
type statement interface {
	run(f *frame, out *builder) error
}

type (
	data   struct{ text string }
	output struct {
		of   expression
		line int
	}
	ifNode struct {
		test     expression
		yes, no  []statement
		testLine int
	}
	setNode struct {
		target target
		value  expression
		line   int
	}
	setBlock struct {
		target target
		filter *filterNode // or nil
		body   []statement
		line   int
	}
	withNode struct {
		targets []target
		values  []expression
		body    []statement
	}
	filterBlock struct {
		filter *filterNode
		body   []statement
	}
	scoped    struct{ body []statement } // {% generation %}
	jump      struct{ err error }        // break, continue
	macroNode struct {
		name     string
		params   []string
		defaults []expression // of the last parameters
		body     []statement
		uses     map[string]bool // caller, varargs, kwargs
		line     int
	}
	callBlock struct {
		call   *call
		caller *macroNode
	}
)

var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

func runAll(f *frame, out *builder, body []statement) error {
	for _, s := range body {
		if err := f.m.step(1); err != nil {
			return err
		}
		if err := s.run(f, out); err != nil {
			return err
		}
		if out.err != nil {
			return out.err
		}
	}
	return nil
}

// captured runs statements and returns what they print.
func captured(f *frame, body []statement) (text, error) {
	b := f.m.builder()
	if err := runAll(f, b, body); err != nil {
		return text{}, err
	}
	return b.done()
}

func (d *data) run(_ *frame, out *builder) error {
	out.own(d.text)
	return nil
}

func (o *output) run(f *frame, out *builder) error {
	v, err := o.of.eval(f)
	if err != nil {
		return at(o.line, err)
	}
	t, err := f.m.str(v)
	out.add(t)
	return at(o.line, err)
}

func (n *ifNode) run(f *frame, out *builder) error {
	v, err := n.test.eval(f)
	if err != nil {
		return at(n.testLine, err)
	}
	if truth(v) {
		return runAll(f, out, n.yes)
	}
	return runAll(f, out, n.no)
}

// target is what is assigned to: a name, an attribute of a namespace, or several targets.
type target struct {
	name, attribute string
	several         []target
}

func (t *target) assign(f *frame, v value) error {
	switch {
	case t.several != nil:
		items, err := f.m.iterate(v)
		if err != nil {
			return err
		}
		if len(items) != len(t.several) {
			return fmt.Errorf("ValueError: %d values for %d names", len(items), len(t.several))
		}
		for i := range items {
			if err := t.several[i].assign(f, items[i]); err != nil {
				return err
			}
		}
	case t.attribute != "":
		of, _ := f.scope.get(t.name)
		ns, ok := of.(*namespace)
		if !ok {
			return fmt.Errorf("TemplateRuntimeError: cannot assign attribute on non-namespace object %s", t.name)
		}
		if t.attribute[0] == '_' {
			return fmt.Errorf("SecurityError: a namespace cannot have the attribute %s", t.attribute)
		}
		ns.set(t.attribute, own(t.attribute), v)
	default:
		f.scope.set(t.name, v)
	}
	return nil
}

func (n *setNode) run(f *frame, _ *builder) error {
	v, err := n.value.eval(f)
	if err == nil {
		err = n.target.assign(f, v)
	}
	return at(n.line, err)
}

func (n *setBlock) run(f *frame, _ *builder) error {
	inner := f.inner()
	t, err := captured(inner, n.body)
	inner.scope.ended = true
	if err != nil {
		return err
	}
	var v value = t
	if n.filter != nil {
		if v, err = n.filter.chain(f, v); err != nil {
			return err
		}
	}
	return at(n.line, n.target.assign(f, v))
}

// chain applies filters that are written one behind the other without a value in front.
func (n *filterNode) chain(f *frame, v value) (value, error) {
	if before, ok := n.of.(*filterNode); ok {
		var err error
		if v, err = before.chain(f, v); err != nil {
			return nil, err
		}
	}
	return n.apply(f, v)
}

func (n *withNode) run(f *frame, out *builder) error {
	inner := f.inner()
	for i := range n.targets {
		v, err := n.values[i].eval(f)
		if err == nil {
			err = n.targets[i].assign(inner, v)
		}
		if err != nil {
			return err
		}
	}
	err := runAll(inner, out, n.body)
	inner.scope.ended = true
	return err
}

func (n *filterBlock) run(f *frame, out *builder) error {
	inner := f.inner()
	t, err := captured(inner, n.body)
	inner.scope.ended = true
	if err != nil {
		return err
	}
	v, err := n.filter.chain(f, t)
	if err != nil {
		return err
	}
	return printed(out, v)
}

// printed writes what must be text.
func printed(out *builder, v value) error {
	t, ok := v.(text)
	if !ok {
		return fmt.Errorf("TypeError: a string is expected, not '%s'", kindOf(v))
	}
	out.add(t)
	return nil
}

func (n *scoped) run(f *frame, out *builder) error { return runAll(f.inner(), out, n.body) }

func (j *jump) run(*frame, *builder) error { return j.err }

func (n *macroNode) run(f *frame, _ *builder) error {
	f.scope.set(n.name, n.function(f))
	return nil
}

func (n *callBlock) run(f *frame, out *builder) error {
	v, err := n.call.with(f, n.caller.function(f))
	if err != nil {
		return err
	}
	return at(n.call.line, printed(out, v))
}

// function makes a macro callable; it sees the variables of where it is defined.
func (n *macroNode) function(f *frame) *function {
	return &function{name: n.name, macro: true, call: func(m *machine, a args) (value, error) {
		if err := m.enter(); err != nil {
			return nil, err
		}
		defer m.leave()
		if !f.scope.alive() {
			return nil, fmt.Errorf("macro %s is called after the loop or the block that it belongs to, which is not supported", n.name)
		}
		inner := f.inner()
		if err := n.bind(inner, a); err != nil {
			return nil, at(n.line, err)
		}
		t, err := captured(inner, n.body)
		return t, err
	}}
}

// bind sets the parameters of a macro.
func (n *macroNode) bind(f *frame, a args) error {
	named := map[string]value{}
	for i, key := range a.names {
		if _, twice := named[key]; twice {
			return fmt.Errorf("TypeError: macro %s has an argument twice", n.name)
		}
		named[key] = a.named[i]
	}
	for i, p := range n.params {
		if i < len(a.pos) {
			f.scope.set(p, a.pos[i])
			continue
		}
		v, ok := named[p]
		delete(named, p)
		if d := i - (len(n.params) - len(n.defaults)); !ok && d >= 0 {
			f.scope.set(p, undefined{fmt.Sprintf("UndefinedError: parameter '%s' was not provided", p)})
			var err error
			if v, err = n.defaults[d].eval(f); err != nil {
				return err
			}
		} else if !ok {
			v = undefined{fmt.Sprintf("UndefinedError: parameter '%s' was not provided", p)}
		}
		f.scope.set(p, v)
	}
	return n.rest(f, a, named)
}

// rest sets caller, kwargs and varargs, or refuses the arguments that would go there.
func (n *macroNode) rest(f *frame, a args, named map[string]value) error {
	if n.uses["caller"] {
		caller, ok := named["caller"]
		if delete(named, "caller"); !ok || caller == nil {
			caller = undefined{"UndefinedError: No caller defined"}
		}
		f.scope.set("caller", caller)
	}
	if n.uses["kwargs"] {
		d := newDict()
		for _, key := range a.names {
			if v, ok := named[key]; ok {
				d.set(key, own(key), v)
			}
		}
		f.scope.set("kwargs", d)
	} else if len(named) > 0 {
		return fmt.Errorf("TypeError: macro %s takes no such keyword argument", n.name)
	}
	if more := max(len(a.pos)-len(n.params), 0); n.uses["varargs"] {
		f.scope.set("varargs", &list{items: a.pos[len(a.pos)-more:], tuple: true})
	} else if more > 0 {
		return fmt.Errorf("TypeError: macro %s takes not more than %d argument(s)", n.name, len(n.params))
	}
	return nil
}
