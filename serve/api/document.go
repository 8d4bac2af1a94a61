package api

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of a request document.
const (
	maxDepth  = 16
	maxValues = 50_000
)

// kind is the type of a JSON value.
type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	mapping
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// value is a JSON value. Numbers keep their literal in text.
type value struct {
	kind   kind
	truth  bool
	text   string
	items  []value
	fields []member
}

// member is a field of an object, in the order of the document.
type member struct {
	name  string
	value value
}

// plain is the value as Go has it: nil, bool, int or float64, string, []any or map[string]any.
func (v value) plain() any {
	switch v.kind {
	case boolean:
		return v.truth
	case number:
		if n, err := strconv.Atoi(v.text); err == nil {
			return n
		}
		f, _ := strconv.ParseFloat(v.text, 64) // what is too large is infinite
		return f
	case text:
		return v.text
	case array:
		list := make([]any, len(v.items))
		for i, item := range v.items {
			list[i] = item.plain()
		}
		return list
	case mapping:
		all := make(map[string]any, len(v.fields))
		for _, m := range v.fields {
			all[m.name] = m.value.plain()
		}
		return all
	}
	return nil
}

// parser reads one JSON document strictly (RFC 8259): no duplicate names, no invalid UTF-8, no lone surrogates, nothing
// after the end.
type parser struct {
	data   []byte
	at     int
	values int
}

// parse reads a whole document.
func parse(data []byte) (value, error) {
	if len(data) == 0 {
		return value{}, badRequest("empty_body", "", "the body is empty, a JSON object is expected")
	}
	if !utf8.Valid(data) {
		at := 0
		for at < len(data) {
			r, n := utf8.DecodeRune(data[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return value{}, badRequest("invalid_utf8", "", "the body is not valid UTF-8 at byte %d", at)
	}
	p := &parser{data: data}
	p.space()
	v, err := p.value("", 0)
	if err != nil {
		return value{}, err
	}
	if p.space(); p.at < len(data) {
		return value{}, badRequest("trailing_data", "", "the body goes on after its JSON value, at byte %d", p.at)
	}
	return v, nil
}

func (p *parser) fail(format string, args ...any) *Problem {
	return badRequest("malformed_json", "", "the body is not valid JSON: %s at byte %d", fmt.Sprintf(format, args...), p.at)
}

func (p *parser) space() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

func (p *parser) value(path string, depth int) (value, error) {
	if p.values++; p.values > maxValues {
		return value{}, badRequest("too_many_values", path, "the body has more than %d values", maxValues)
	}
	if depth > maxDepth {
		return value{}, badRequest("too_deep", path, "the body is nested deeper than %d levels", maxDepth)
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(path, depth)
	case c == '[':
		return p.array(path, depth)
	case c == '"':
		s, err := p.string()
		return value{kind: text, text: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case p.word("true"):
		return value{kind: boolean, truth: true}, nil
	case p.word("false"):
		return value{kind: boolean}, nil
	case p.word("null"):
		return value{}, nil
	case p.at >= len(p.data):
		return value{}, p.fail("it ends where a value is expected")
	}
	r, _ := utf8.DecodeRune(p.data[p.at:]) // the body is valid UTF-8
	return value{}, p.fail("no value begins with %q", r)
}

func (p *parser) word(w string) bool {
	if len(p.data)-p.at >= len(w) && string(p.data[p.at:p.at+len(w)]) == w {
		p.at += len(w)
		return true
	}
	return false
}

func (p *parser) object(path string, depth int) (value, error) {
	v := value{kind: mapping}
	seen := map[string]bool{}
	p.at++
	if p.space(); p.peek() == '}' {
		p.at++
		return v, nil
	}
	for {
		if p.space(); p.peek() != '"' {
			return value{}, p.fail("a field name in quotes is expected")
		}
		name, err := p.string()
		if err != nil {
			return value{}, err
		}
		at := join(path, name)
		if seen[name] {
			return value{}, badRequest("duplicate_field", at, "the field %s is given twice", at)
		}
		seen[name] = true
		if p.space(); p.peek() != ':' {
			return value{}, p.fail("a colon is expected")
		}
		p.at++
		p.space()
		item, err := p.value(at, depth+1)
		if err != nil {
			return value{}, err
		}
		v.fields = append(v.fields, member{name, item})
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case '}':
			p.at++
			return v, nil
		default:
			return value{}, p.fail("a comma or a closing brace is expected")
		}
	}
}

func (p *parser) array(path string, depth int) (value, error) {
	v := value{kind: array}
	p.at++
	if p.space(); p.peek() == ']' {
		p.at++
		return v, nil
	}
	for {
		p.space()
		item, err := p.value(fmt.Sprintf("%s[%d]", path, len(v.items)), depth+1)
		if err != nil {
			return value{}, err
		}
		v.items = append(v.items, item)
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case ']':
			p.at++
			return v, nil
		default:
			return value{}, p.fail("a comma or a closing bracket is expected")
		}
	}
}

func (p *parser) number() (value, error) {
	start := p.at
	digits := func() bool {
		from := p.at
		for p.peek() >= '0' && p.peek() <= '9' {
			p.at++
		}
		return p.at > from
	}
	if p.peek() == '-' {
		p.at++
	}
	first := p.at
	if !digits() {
		return value{}, p.fail("a digit is expected")
	}
	if p.data[first] == '0' && p.at > first+1 {
		return value{}, p.fail("a number begins with 0")
	}
	if p.peek() == '.' {
		if p.at++; !digits() {
			return value{}, p.fail("a digit is expected")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		if p.at++; p.peek() == '+' || p.peek() == '-' {
			p.at++
		}
		if !digits() {
			return value{}, p.fail("a digit is expected")
		}
	}
	return value{kind: number, text: string(p.data[start:p.at])}, nil
}

// string reads a quoted string; the result shares no memory with the body.
func (p *parser) string() (string, error) {
	p.at++
	var out []byte
	for {
		start := p.at
		for p.at < len(p.data) && p.data[p.at] != '"' && p.data[p.at] != '\\' && p.data[p.at] >= ' ' {
			p.at++
		}
		out = append(out, p.data[start:p.at]...)
		switch {
		case p.at >= len(p.data):
			return "", p.fail("a string does not end")
		case p.data[p.at] == '"':
			p.at++
			return string(out), nil
		case p.data[p.at] < ' ':
			return "", p.fail("a string holds a control character that is not escaped")
		}
		r, err := p.escape()
		if err != nil {
			return "", err
		}
		out = utf8.AppendRune(out, r)
	}
}

// escape reads an escape sequence, a surrogate pair included.
func (p *parser) escape() (rune, error) {
	p.at++
	c := p.peek()
	p.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		r, ok := p.hex()
		if !ok {
			return 0, p.fail("\\u wants four hex digits")
		}
		if !utf16.IsSurrogate(r) {
			return r, nil
		}
		if p.word(`\u`) {
			if low, ok := p.hex(); ok {
				if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
					return both, nil
				}
			}
		}
		return 0, badRequest("invalid_utf8", "", "the body has half of a surrogate pair before byte %d", p.at)
	}
	p.at--
	return 0, p.fail("a string has an unknown escape")
}

func (p *parser) hex() (rune, bool) {
	if len(p.data)-p.at < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(p.data[p.at:p.at+4]), 16, 16)
	if err != nil {
		return 0, false
	}
	p.at += 4
	return rune(v), true
}

// join extends a path by a field's name; a long name is cut, it is the client's.
func join(path, name string) string {
	if len(name) > 80 {
		name = string([]rune(name)[:min(40, len([]rune(name)))]) + "…"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
