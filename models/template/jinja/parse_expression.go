package jinja

import "slices"

// expression reads an expression.
func (p *parser) expression() (expression, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	e, err := p.or()
	for err == nil && p.skip(tokenName, "if") {
		c := &conditional{yes: e}
		if c.test, err = p.or(); err == nil && p.skip(tokenName, "else") {
			c.no, err = p.expression()
		}
		e = c
	}
	return e, err
}

// tuple reads an expression, or several with commas between them; conditional says whether they may be a if b else c.
func (p *parser) tuple(conditional bool, ends ...string) (expression, error) {
	out := &sequence{tuple: true}
	for several := false; ; several = true {
		t := p.now()
		if t.kind == tokenVariableEnd || t.kind == tokenBlockEnd || p.op(")") || t.kind == tokenName && slices.Contains(ends, t.text) {
			if !several {
				return nil, p.fail("an expression is expected, not %v", t)
			}
			return out, nil
		}
		read := p.or
		if conditional {
			read = p.expression
		}
		e, err := read()
		if err != nil {
			return nil, err
		}
		if out.items = append(out.items, e); !p.skip(tokenOperator, ",") {
			if !several {
				return e, nil
			}
			return out, nil
		}
	}
}

func (p *parser) or() (expression, error) {
	return p.logical("or", func() (expression, error) { return p.logical("and", p.not) })
}

func (p *parser) logical(word string, read func() (expression, error)) (expression, error) {
	left, err := read()
	for err == nil && p.skip(tokenName, word) {
		var right expression
		right, err = read()
		left = &logical{word, left, right}
	}
	return left, err
}

func (p *parser) not() (expression, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	line := p.now().line
	if p.skip(tokenName, "not") {
		of, err := p.not()
		return &unary{"not", of, line}, err
	}
	return p.comparison()
}

func (p *parser) comparison() (expression, error) {
	line := p.now().line
	first, err := p.arithmetic(0)
	if err != nil {
		return nil, err
	}
	c := &comparison{first: first, line: line}
	for {
		op := ""
		switch t := p.now(); {
		case t.kind == tokenOperator && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text), p.word("in"):
			op = t.text
		case p.word("not") && p.peek().is(tokenName, "in"):
			op = "not in"
			p.pos++
		default:
			if len(c.ops) == 0 {
				return first, nil
			}
			return c, nil
		}
		p.pos++
		right, err := p.arithmetic(0)
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, right)
	}
}

// levels are the operators of arithmetic, what binds least first.
var levels = [][]string{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *parser) arithmetic(level int) (expression, error) {
	if level == len(levels) {
		return p.unary(true)
	}
	left, err := p.arithmetic(level + 1)
	for err == nil && p.now().kind == tokenOperator && slices.Contains(levels[level], p.now().text) {
		op := p.next()
		var right expression
		right, err = p.arithmetic(level + 1)
		if before, ok := left.(*concat); ok && op.text == "~" && before.open {
			before.parts = append(before.parts, right)
		} else if op.text == "~" {
			left = &concat{parts: []expression{left, right}, open: true}
		} else {
			left = &binary{op.text, left, right, op.line}
		}
	}
	if c, ok := left.(*concat); ok {
		c.open = false
	}
	return left, err
}

func (p *parser) unary(filters bool) (expression, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var e expression
	var err error
	if t := p.now(); p.op("-") || p.op("+") {
		p.pos++
		e, err = p.unary(false)
		e = &unary{t.text, e, t.line}
	} else {
		e, err = p.primary()
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	if err == nil && filters {
		e, err = p.filtered(e)
	}
	return e, err
}

func (p *parser) primary() (expression, error) {
	t := p.next()
	switch {
	case t.kind == tokenName:
		switch t.text {
		case "true", "True", "false", "False":
			return &constant{t.text == "true" || t.text == "True"}, nil
		case "none", "None":
			return &constant{nil}, nil
		}
		if len(p.names) > 0 {
			p.names[len(p.names)-1][t.text] = true
		}
		return &name{t.text}, p.global(t)
	case t.kind == tokenString:
		text := t.text
		for p.now().kind == tokenString {
			text += p.next().text
		}
		return &constant{own(text)}, nil
	case t.kind == tokenNumber:
		return &constant{t.num}, nil
	case t.is(tokenOperator, "("):
		if p.skip(tokenOperator, ")") {
			return &sequence{tuple: true}, nil
		}
		e, err := p.tuple(true)
		if err == nil {
			err = p.expect(tokenOperator, ")")
		}
		return e, err
	case t.is(tokenOperator, "["):
		return p.list()
	case t.is(tokenOperator, "{"):
		return p.mapping()
	}
	p.pos--
	return nil, p.fail("an expression is expected, not %v", t)
}

// global refuses names that Jinja has and that are not there.
func (p *parser) global(t token) error {
	if slices.Contains([]string{"lipsum", "cycler", "joiner", "self"}, t.text) {
		p.pos--
		return p.fail("%s is not supported", t.text)
	}
	return nil
}

func (p *parser) list() (expression, error) {
	out := &sequence{}
	for !p.skip(tokenOperator, "]") {
		if len(out.items) > 0 {
			if err := p.expect(tokenOperator, ","); err != nil {
				return nil, err
			}
			if p.skip(tokenOperator, "]") {
				break
			}
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, e)
	}
	return out, nil
}

func (p *parser) mapping() (expression, error) {
	out := &mapping{}
	for !p.skip(tokenOperator, "}") {
		if len(out.keys) > 0 {
			if err := p.expect(tokenOperator, ","); err != nil {
				return nil, err
			}
			if p.skip(tokenOperator, "}") {
				break
			}
		}
		key, err := p.expression()
		if err == nil {
			err = p.expect(tokenOperator, ":")
		}
		if err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		out.keys, out.values = append(out.keys, key), append(out.values, v)
	}
	return out, nil
}

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
