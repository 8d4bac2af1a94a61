package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// tests are Jinja's.
var tests map[string]func(m *machine, v value, a args) (bool, error)

func init() { // the test "test" looks into it
	tests = map[string]func(m *machine, v value, a args) (bool, error){
		"boolean":   kind(func(v value) bool { _, ok := v.(bool); return ok }),
		"defined":   kind(func(v value) bool { _, ok := v.(undefined); return !ok }),
		"undefined": kind(func(v value) bool { _, ok := v.(undefined); return ok }),
		"none":      kind(func(v value) bool { return v == nil }),
		"true":      kind(func(v value) bool { b, ok := v.(bool); return ok && b }),
		"false":     kind(func(v value) bool { b, ok := v.(bool); return ok && !b }),
		"integer":   kind(func(v value) bool { _, ok := v.(int64); return ok }),
		"float":     kind(func(v value) bool { _, ok := v.(float64); return ok }),
		"number":    kind(func(v value) bool { _, _, ok := number(v); return ok }),
		"string":    kind(func(v value) bool { _, ok := v.(text); return ok }),
		"mapping":   kind(func(v value) bool { _, ok := v.(*dict); return ok }),
		"escaped":   kind(func(v value) bool { t, ok := v.(text); return ok && t.html }),
		"iterable":  kind(iterable),
		"sequence":  kind(isSequence),
		"callable":  kind(callable),
		"lower":     caseTest("islower"),
		"upper":     caseTest("isupper"),
		"even":      remainder(0),
		"odd":       remainder(1),
		"divisibleby": func(m *machine, v value, a args) (bool, error) {
			p, err := a.bind("divisibleby", "num")
			if err != nil {
				return false, err
			}
			return m.divides(v, p[0], 0)
		},
		"in": func(m *machine, v value, a args) (bool, error) {
			p, err := a.bind("in", "seq")
			if err != nil {
				return false, err
			}
			return m.contains(p[0], v)
		},
		"sameas": sameas,
		"filter": named(func(name string) bool { return filters[name] != nil }, "attr", "filesizeformat", "groupby", "pprint", "random", "striptags", "urlencode", "urlize", "wordwrap", "xmlattr"),
		"test":   named(func(name string) bool { return tests[name] != nil }),
	}
	for op, names := range map[string][]string{
		"==": {"eq", "equalto", "=="}, "!=": {"ne", "!="}, "<": {"lt", "lessthan", "<"}, "<=": {"le", "<="}, ">": {"gt", "greaterthan", ">"}, ">=": {"ge", ">="},
	} {
		for _, name := range names {
			tests[name] = func(m *machine, v value, a args) (bool, error) {
				if len(a.pos) != 1 || len(a.names) > 0 {
					return false, fmt.Errorf("TypeError: test %s takes one argument", name)
				}
				return m.compare(op, v, a.pos[0])
			}
		}
	}
}

func (m *machine) test(name string, v value, a args) (bool, error) {
	run, ok := tests[name]
	if !ok {
		return false, errors.New("a test that a filter names is not supported")
	}
	if err := m.step(1); err != nil {
		return false, err
	}
	return run(m, v, a)
}

// kind is a test without arguments.
func kind(is func(v value) bool) func(m *machine, v value, a args) (bool, error) {
	return func(_ *machine, v value, a args) (bool, error) {
		_, err := a.bind("a test of a kind")
		return is(v), err
	}
}

func iterable(v value) bool {
	switch v.(type) {
	case undefined, text, *list, *dict, *rangeOf, *view, *iterator, *loop:
		return true
	}
	return false
}

// isSequence is true of what has a length and items.
func isSequence(v value) bool {
	switch v.(type) {
	case undefined, text, *list, *dict, *rangeOf:
		return true
	}
	return false
}

func callable(v value) bool {
	switch v.(type) {
	case *function, *loop, undefined:
		return true
	}
	return false
}

func caseTest(method string) func(m *machine, v value, a args) (bool, error) {
	return func(m *machine, v value, a args) (bool, error) {
		if _, err := a.bind(method); err != nil {
			return false, err
		}
		t, err := m.str(v)
		return textPredicates[method](t.s), err
	}
}

// divides says whether v % by is rest.
func (m *machine) divides(v, by value, rest int64) (bool, error) {
	r, err := m.operate("%", v, by)
	if err != nil {
		return false, err
	}
	return m.equal(r, rest)
}

func remainder(rest int64) func(m *machine, v value, a args) (bool, error) {
	return func(m *machine, v value, a args) (bool, error) {
		if _, err := a.bind("even or odd"); err != nil {
			return false, err
		}
		return m.divides(v, int64(2), rest)
	}
}

func sameas(_ *machine, v value, a args) (bool, error) {
	p, err := a.bind("sameas", "other")
	if err != nil {
		return false, err
	}
	switch other := p[0].(type) {
	case nil:
		return v == nil, nil
	case bool:
		b, ok := v.(bool)
		return ok && b == other, nil
	}
	return false, errors.New("test sameas of anything but true, false and none is not supported")
}

// named is a test of a name; unlike here, Jinja has the others, too.
func named(has func(name string) bool, others ...string) func(m *machine, v value, a args) (bool, error) {
	return func(_ *machine, v value, a args) (bool, error) {
		if _, err := a.bind("filter or test"); err != nil {
			return false, err
		}
		t, ok := v.(text)
		if !ok {
			return false, nil
		}
		return has(t.s) || strings.Contains(" "+strings.Join(others, " ")+" ", " "+t.s+" "), nil
	}
}
