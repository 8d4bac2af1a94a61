package jinja

import "slices"

// postfix reads attributes, items and calls behind an expression.
func (p *parser) postfix(e expression) (expression, error) {
	var err error
	for err == nil {
		switch t := p.now(); {
		case p.op("."):
			p.pos++
			if n := p.now(); n.kind == tokenNumber {
				e = &item{e, &constant{n.num}, t.line}
				p.pos++
				if _, ok := n.num.(int64); !ok {
					return nil, p.fail("a name or a whole number is expected")
				}
				continue
			}
			var title string
			title, err = p.identifier()
			e = &attribute{e, title, t.line}
		case p.op("["):
			p.pos++
			e, err = p.subscript(e, t.line)
		case p.op("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return e, err
}

func (p *parser) subscript(of expression, line int) (expression, error) {
	out := &sequence{tuple: true}
	for !p.op("]") {
		if len(out.items) > 0 {
			if err := p.expect(tokenOperator, ","); err != nil {
				return nil, err
			}
		}
		e, err := p.index()
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, e)
	}
	p.pos++
	if len(out.items) == 1 {
		return &item{of, out.items[0], line}, nil
	}
	for _, part := range out.items {
		if _, ok := part.(*sliceNode); ok {
			return nil, p.fail("a slice cannot be one of several indices")
		}
	}
	return &item{of, out, line}, nil
}

// index reads an index, or a slice: a:b:c, of which each may be absent.
func (p *parser) index() (expression, error) {
	s := &sliceNode{}
	var err error
	if !p.op(":") {
		if s.from, err = p.expression(); err != nil || !p.op(":") {
			return s.from, err
		}
	}
	for _, part := range []*expression{&s.to, &s.step} {
		if !p.skip(tokenOperator, ":") {
			break
		}
		if p.op(":") || p.op("]") || p.op(",") {
			continue
		}
		if *part, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (p *parser) call(of expression) (expression, error) {
	c := &call{of: of, line: p.now().line}
	if a, ok := of.(*attribute); ok {
		if err := p.method(a.name); err != nil {
			return nil, err
		}
	}
	var err error
	c.args, err = p.arguments()
	return c, err
}

// method refuses methods that Python has and templates cannot use.
func (p *parser) method(title string) error {
	if slices.Contains(unsupportedMethods, title) {
		return p.fail("method %s is not supported", title)
	}
	return nil
}

func (p *parser) arguments() (a arguments, err error) {
	p.pos++
	for first := true; !p.op(")"); first = false {
		if !first {
			if err := p.expect(tokenOperator, ","); err != nil {
				return a, err
			}
			if p.op(")") {
				break
			}
		}
		switch t := p.now(); {
		case p.op("*") && a.rest == nil && a.restDict == nil:
			p.pos++
			a.rest, err = p.expression()
		case p.op("**") && a.restDict == nil:
			p.pos++
			a.restDict, err = p.expression()
		case t.kind == tokenName && p.peek().is(tokenOperator, "=") && a.restDict == nil:
			p.pos += 2
			var v expression
			v, err = p.expression()
			a.names, a.named = append(a.names, t.text), append(a.named, v)
		case len(a.names) == 0 && a.rest == nil && a.restDict == nil:
			var v expression
			v, err = p.expression()
			a.pos = append(a.pos, v)
		default:
			return a, p.fail("an argument by position follows others")
		}
		if err != nil {
			return a, err
		}
	}
	p.pos++
	return a, nil
}

// filtered reads filters, tests and calls behind an expression.
func (p *parser) filtered(e expression) (expression, error) {
	var err error
	for err == nil {
		switch {
		case p.skip(tokenOperator, "|"):
			e, err = p.filter(e)
		case p.word("is"):
			e, err = p.test(e)
		case p.op("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return nil, err
}

// dotted reads the name of a filter or test.
func (p *parser) dotted() (string, error) {
	title, err := p.identifier()
	for err == nil && p.skip(tokenOperator, ".") {
		var part string
		part, err = p.identifier()
		title += "." + part
	}
	return title, err
}

func (p *parser) filter(of expression) (*filterNode, error) {
	line := p.now().line
	title, err := p.dotted()
	if err != nil {
		return nil, err
	}
	n := &filterNode{of: of, name: title, line: line}
	if _, ok := filters[title]; !ok {
		return nil, &Error{line, "filter " + title + " is not supported"}
	}
	if p.op("(") {
		n.args, err = p.arguments()
	}
	return n, err
}

func (p *parser) test(of expression) (expression, error) {
	line := p.next().line
	negated := p.skip(tokenName, "not")
	title, err := p.dotted()
	if err != nil {
		return nil, err
	}
	n := &testNode{of: of, name: title, line: line}
	if _, ok := tests[title]; !ok {
		return nil, &Error{line, "test " + title + " is not supported"}
	}
	switch t := p.now(); {
	case p.op("("):
		n.args, err = p.arguments()
	case p.word("is"):
		return nil, p.fail("tests cannot follow each other")
	case p.word("else"), p.word("or"), p.word("and"):
	case t.kind == tokenName, t.kind == tokenString, t.kind == tokenNumber, p.op("["), p.op("{"):
		var e expression
		if e, err = p.primary(); err == nil {
			e, err = p.postfix(e)
		}
		n.args.pos = []expression{e}
	}
	if negated {
		return &unary{"not", n, line}, err
	}
	return n, err
}
