package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// maxDepth is how deep expressions and statements may be nested.
const maxDepth = 300

// parser makes the tree of a template out of its tokens.
type parser struct {
	tokens []token
	pos    int
	depth  int
	loops  int               // loops around the current statement, in the same macro
	inLoop int               // loops around it in all
	names  []map[string]bool // read in the macros around
}

func (p *parser) now() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tokenEOF {
		p.pos++
	}
	return t
}

func (p *parser) peek() token { return p.tokens[min(p.pos+1, len(p.tokens)-1)] }

func (p *parser) op(text string) bool   { return p.now().is(tokenOperator, text) }
func (p *parser) word(text string) bool { return p.now().is(tokenName, text) }

// skip reads a token if it comes.
func (p *parser) skip(kind int, text string) bool {
	if !p.now().is(kind, text) {
		return false
	}
	p.pos++
	return true
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{Line: p.now().line, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) expect(kind int, text string) error {
	if p.now().kind != kind || text != "" && p.now().text != text {
		return p.fail("%v is expected, not %v", token{kind: kind, text: text}, p.now())
	}
	p.pos++
	return nil
}

func (p *parser) identifier() (string, error) {
	t := p.now()
	if t.kind != tokenName {
		return "", p.fail("a name is expected, not %v", t)
	}
	p.pos++
	return t.text, nil
}

// deeper counts a level of nesting; the function that it returns ends it.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail("the template is nested more than %d levels deep", maxDepth)
	}
	return nil
}

// body reads statements up to one of the words that end it, which comes next.
func (p *parser) body(ends ...string) ([]statement, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	var out []statement
	for {
		t := p.next()
		switch t.kind {
		case tokenEOF:
			if len(ends) > 0 {
				return nil, p.fail("the template ends before %s", strings.Join(ends, " or "))
			}
			return out, nil
		case tokenData:
			out = append(out, &data{t.text})
		case tokenVariableBegin:
			of, err := p.tuple(true)
			if err != nil {
				return nil, err
			}
			if err := p.expect(tokenVariableEnd, ""); err != nil {
				return nil, err
			}
			out = append(out, &output{of, t.line})
		case tokenBlockBegin:
			if p.now().kind == tokenName && slices.Contains(ends, p.now().text) {
				return out, nil
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			if err := p.expect(tokenBlockEnd, ""); err != nil {
				return nil, err
			}
			out = append(out, s...)
		}
	}
}

// block reads the rest of a tag, and statements up to one of the words that end them, which comes next.
func (p *parser) block(ends ...string) ([]statement, error) {
	p.skip(tokenOperator, ":")
	if err := p.expect(tokenBlockEnd, ""); err != nil {
		return nil, err
	}
	return p.body(ends...)
}

// closed is block, and reads the word that ends it.
func (p *parser) closed(end string) ([]statement, error) {
	out, err := p.block(end)
	if err == nil {
		p.next()
	}
	return out, err
}

func one(s statement, err error) ([]statement, error) { return []statement{s}, err }

// elsewhere are statements of Jinja that a chat template cannot use.
var elsewhere = []string{"include", "import", "from", "extends", "block", "autoescape", "do", "trans"}

func (p *parser) statement() ([]statement, error) {
	t := p.now()
	if t.kind != tokenName {
		return nil, p.fail("the name of a statement is expected, not %v", t)
	}
	if slices.Contains(elsewhere, t.text) {
		return nil, p.fail("statement %s is not supported", t.text)
	}
	p.pos++
	switch t.text {
	case "for":
		return one(p.forLoop(t.line))
	case "if":
		return one(p.ifStatement(t.line))
	case "set":
		return one(p.set(t.line))
	case "with":
		return one(p.with())
	case "macro":
		return one(p.macro(t.line))
	case "call":
		return one(p.callBlock(t.line))
	case "filter":
		return one(p.filterBlock())
	case "print":
		return p.print(t.line)
	case "generation":
		body, err := p.function(func() ([]statement, error) { return p.closed("endgeneration") })
		return []statement{&scoped{body}}, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.fail("%s outside of a loop", t.text)
		}
		return []statement{&jump{map[string]error{"break": errBreak, "continue": errContinue}[t.text]}}, nil
	}
	p.pos--
	return nil, p.fail("statement %s is unknown, or not expected here", t.text)
}

// function reads what is a function of its own: break cannot leave it.
func (p *parser) function(read func() ([]statement, error)) ([]statement, error) {
	loops := p.loops
	p.loops = 0
	out, err := read()
	p.loops = loops
	return out, err
}

func (p *parser) forLoop(line int) (statement, error) {
	n := &forNode{line: line}
	var err error
	p.inLoop++
	defer func() { p.inLoop-- }()
	if n.target, err = p.target(false, true); err != nil {
		return nil, err
	}
	if err := p.expect(tokenName, "in"); err != nil {
		return nil, err
	}
	if n.over, err = p.tuple(false, "recursive"); err != nil {
		return nil, err
	}
	if p.skip(tokenName, "if") {
		if n.test, err = p.expression(); err != nil {
			return nil, err
		}
	}
	n.recursive = p.skip(tokenName, "recursive")
	p.loops++
	n.body, err = p.block("endfor", "else")
	p.loops--
	if err != nil || p.next().text == "endfor" {
		return n, err
	}
	n.otherwise, err = p.closed("endfor")
	return n, err
}

func (p *parser) ifStatement(line int) (statement, error) {
	n := &ifNode{testLine: line}
	var err error
	if n.test, err = p.tuple(false); err != nil {
		return nil, err
	}
	if n.yes, err = p.block("elif", "else", "endif"); err != nil {
		return nil, err
	}
	switch t := p.next(); t.text {
	case "elif":
		if err := p.deeper(); err != nil {
			return nil, err
		}
		n.no, err = one(p.ifStatement(t.line))
		p.depth--
	case "else":
		n.no, err = p.closed("endif")
	}
	return n, err
}

func (p *parser) set(line int) (statement, error) {
	to, err := p.target(true, false)
	if err != nil {
		return nil, err
	}
	if p.skip(tokenOperator, "=") {
		v, err := p.tuple(true)
		return &setNode{to, v, line}, err
	}
	n := &setBlock{target: to, line: line}
	if n.filter, err = p.filters(); err != nil {
		return nil, err
	}
	n.body, err = p.closed("endset")
	return n, err
}

// filters reads filters without a value in front of them: | a | b.
func (p *parser) filters() (*filterNode, error) {
	var chain *filterNode
	for p.skip(tokenOperator, "|") {
		next, err := p.filter(nil)
		if err != nil {
			return nil, err
		}
		if chain != nil {
			next.of = chain
		}
		chain = next
	}
	return chain, nil
}

func (p *parser) filterBlock() (statement, error) {
	first, err := p.filter(nil)
	if err != nil {
		return nil, err
	}
	n := &filterBlock{filter: first}
	for p.skip(tokenOperator, "|") {
		if n.filter, err = p.filter(n.filter); err != nil {
			return nil, err
		}
	}
	n.body, err = p.closed("endfilter")
	return n, err
}

func (p *parser) with() (statement, error) {
	n := &withNode{}
	for p.now().kind != tokenBlockEnd {
		if len(n.targets) > 0 {
			if err := p.expect(tokenOperator, ","); err != nil {
				return nil, err
			}
		}
		to, err := p.target(false, false)
		if err != nil {
			return nil, err
		}
		if err := p.expect(tokenOperator, "="); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		n.targets, n.values = append(n.targets, to), append(n.values, v)
	}
	var err error
	n.body, err = p.closed("endwith")
	return n, err
}

func (p *parser) print(line int) ([]statement, error) {
	var out []statement
	for p.now().kind != tokenBlockEnd {
		if len(out) > 0 {
			if err := p.expect(tokenOperator, ","); err != nil {
				return nil, err
			}
		}
		of, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, &output{of, line})
	}
	return out, nil
}
