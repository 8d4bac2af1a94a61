package jinja

import "slices"

func (p *parser) macro(line int) (statement, error) {
	title, err := p.plainName()
	if err != nil {
		return nil, err
	}
	n := &macroNode{name: title, line: line}
	return n, p.macroRest(n, "endmacro")
}

// macroRest reads the parameters and the body of a macro.
func (p *parser) macroRest(n *macroNode, end string) error {
	if err := p.signature(n); err != nil {
		return err
	}
	return p.macroBody(n, end)
}

func (p *parser) macroBody(n *macroNode, end string) error {
	p.names = append(p.names, map[string]bool{})
	body, err := p.function(func() ([]statement, error) { return p.closed(end) })
	last := len(p.names) - 1
	n.body, n.uses = body, p.names[last]
	for _, param := range n.params {
		delete(n.uses, param)
	}
	p.names = p.names[:last]
	if last > 0 {
		for used := range n.uses {
			p.names[last-1][used] = true
		}
	}
	return err
}

func (p *parser) signature(n *macroNode) error {
	if err := p.expect(tokenOperator, "("); err != nil {
		return err
	}
	for !p.op(")") {
		if len(n.params) > 0 {
			if err := p.expect(tokenOperator, ","); err != nil {
				return err
			}
		}
		param, err := p.plainName()
		if err != nil {
			return err
		}
		if slices.Contains(n.params, param) || param == "caller" {
			return p.fail("parameter %s of a macro is not supported", param)
		}
		n.params = append(n.params, param)
		if p.skip(tokenOperator, "=") {
			d, err := p.expression()
			if err != nil {
				return err
			}
			n.defaults = append(n.defaults, d)
		} else if len(n.defaults) > 0 {
			return p.fail("a parameter without a default follows one with a default")
		}
	}
	return p.expect(tokenOperator, ")")
}

func (p *parser) callBlock(line int) (statement, error) {
	n := &macroNode{name: "caller", line: line}
	if p.op("(") {
		if err := p.signature(n); err != nil {
			return nil, err
		}
	}
	of, err := p.expression()
	if err != nil {
		return nil, err
	}
	c, ok := of.(*call)
	if !ok {
		return nil, p.fail("call needs a call")
	}
	return &callBlock{c, n}, p.macroBody(n, "endcall")
}

// reserved are names that are values.
var reserved = []string{"true", "false", "none", "True", "False", "None"}

// plainName reads a name that is assigned to.
func (p *parser) plainName() (string, error) {
	text, err := p.identifier()
	if err != nil {
		return "", err
	}
	return text, p.assignable(text)
}

func (p *parser) assignable(text string) error {
	if slices.Contains(reserved, text) || text == "loop" && p.inLoop > 0 {
		return p.fail("%s cannot be assigned to", text)
	}
	return nil
}

// target reads what is assigned to; namespaces says whether it may be an attribute, in whether the word in ends it.
func (p *parser) target(namespaces, in bool) (target, error) {
	var several []target
	for tuple := false; ; {
		if end := p.now(); end.kind == tokenVariableEnd || end.kind == tokenBlockEnd || p.op(")") || in && p.word("in") {
			if !tuple {
				return target{}, p.fail("a name is expected, not %v", end)
			}
			return target{several: several}, nil
		}
		t, err := p.targetPart(namespaces)
		if err != nil {
			return target{}, err
		}
		if several = append(several, t); !p.skip(tokenOperator, ",") {
			if !tuple {
				return t, nil
			}
			return target{several: several}, nil
		}
		tuple = true
	}
}

func (p *parser) targetPart(namespaces bool) (target, error) {
	if err := p.deeper(); err != nil {
		return target{}, err
	}
	defer func() { p.depth-- }()
	if p.skip(tokenOperator, "(") {
		t, err := p.target(false, false)
		if err == nil {
			err = p.expect(tokenOperator, ")")
		}
		return t, err
	}
	text, err := p.identifier()
	if err != nil {
		return target{}, err
	}
	if namespaces && p.skip(tokenOperator, ".") {
		attribute, err := p.identifier()
		return target{name: text, attribute: attribute}, err
	}
	return target{name: text}, p.assignable(text)
}
