// Package jinja runs Jinja templates as transformers runs chat templates: an environment with trim_blocks, lstrip_blocks,
// loop controls and the tag generation, in a sandbox in which nothing but a namespace can be changed.
//
// Invariants: what it renders is, byte for byte, what jinja2 3.1 renders with the same variables, or an error; what it does
// not have is refused by name and line when a template is parsed, or when it is reached. Every text knows which of its
// bytes come from a user, through all that a template does with it. A render ends within its limits of steps, time and
// bytes; it reaches no file, and no method of a Go value.
//
// It is not a general Jinja: there are no other templates to include, import or extend, no autoescape and no HTML
// filters, integers have 64 bits, and mappings and lists cannot be changed.
package jinja

import (
	"time"
	"unicode/utf8"
)

// Template is a parsed template. It may be rendered by any number of goroutines at once.
type Template struct{ body []statement }

// Parse parses a template. An error is an *Error, with a line.
func Parse(source string) (*Template, error) {
	if !utf8.ValidString(source) {
		return nil, &Error{Message: "the template is not valid UTF-8"}
	}
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	return &Template{body}, nil
}

// Run is what a template is rendered with.
type Run struct {
	Variables map[string]Value
	Limits    Limits
	Now       time.Time // for strftime_now
}

// Part is a part of what a template renders.
type Part struct {
	Text string
	User bool // it comes from a user's text
}

// Render renders a template. The parts are not empty, and neighbours differ in their origin. An error is a *Raised if the
// template raised it itself.
func (t *Template) Render(run Run) ([]Part, error) {
	m := &machine{limits: run.Limits, deadline: time.Now().Add(run.Limits.Time), now: run.Now}
	top := &scope{vars: map[string]value{}, parent: &scope{vars: globals}}
	for name, v := range run.Variables {
		top.vars[name] = v.v
	}
	out, err := captured(&frame{m, &scope{parent: top}}, t.body)
	if err != nil {
		return nil, err
	}
	var parts []Part
	out.runs(func(s string, user bool) { parts = append(parts, Part{s, user}) })
	return parts, nil
}

// Value is a value that a template is given.
type Value struct{ v value }

// Own is text that a template may take for its own.
func Own(s string) Value { return Value{own(s)} }

// User is text that a user wrote.
func User(s string) Value { return Value{from(s)} }

// Bool is a truth value, and None nothing.
func Bool(b bool) Value { return Value{b} }

// None is Python's None.
func None() Value { return Value{nil} }

// List is a list.
func List(items ...Value) Value {
	out := &list{items: make([]value, len(items))}
	for i, item := range items {
		out.items[i] = item.v
	}
	return Value{out}
}

// Pair is a key of a mapping, and its value.
type Pair struct {
	Key   string
	Value Value
}

// Dict is a mapping in the order of its pairs.
func Dict(pairs ...Pair) Value {
	d := newDict()
	for _, p := range pairs {
		d.set(p.Key, own(p.Key), p.Value.v)
	}
	return Value{d}
}
