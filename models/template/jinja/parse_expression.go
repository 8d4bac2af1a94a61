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
