package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// format is str.format: fields are {}, {0} and {name}, with attributes and items, !s or !r, and a format.
func (m *machine) format(t text, a args) (value, error) {
	b := m.builder()
	auto := 0
	for at := 0; at < len(t.s) && b.err == nil; {
		next := strings.IndexAny(t.s[at:], "{}")
		if next < 0 {
			b.add(t.slice(at, len(t.s)))
			break
		}
		b.add(t.slice(at, at+next))
		at += next
		c := t.s[at]
		if at+1 < len(t.s) && t.s[at+1] == c {
			b.add(t.slice(at, at+1))
			at += 2
			continue
		}
		end := strings.IndexByte(t.s[at:], '}')
		if c == '}' || end < 0 {
			return nil, errors.New("ValueError: a single brace in a format string")
		}
		field := t.s[at+1 : at+end]
		if strings.Contains(field, "{") {
			return nil, errors.New("a format within a format is not supported")
		}
		if err := m.field(b, field, a, &auto); err != nil {
			return nil, err
		}
		at += end + 1
	}
	return b.value()
}

// field writes one field of a format string.
func (m *machine) field(b *builder, field string, a args, auto *int) error {
	path, spec, _ := strings.Cut(field, ":")
	path, conversion, converts := strings.Cut(path, "!")
	v, err := m.fieldValue(path, a, auto)
	if err != nil {
		return err
	}
	if converts {
		if conversion != "s" && conversion != "r" {
			return errors.New("a conversion other than !s and !r is not supported")
		}
		if v, err = m.converted(v, conversion[0]); err != nil {
			return err
		}
	}
	return m.formatted(b, spec, v)
}

// fieldValue is what a field names: a, a.b, a[c].
func (m *machine) fieldValue(path string, a args, auto *int) (value, error) {
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	first, rest := path[:end], path[end:]
	var v value = absent{}
	index, err := strconv.Atoi(first)
	if first == "" && *auto >= 0 {
		index, err = *auto, nil
		*auto++
	} else if err == nil {
		if *auto > 0 {
			return nil, errors.New("ValueError: automatic and manual numbering of fields")
		}
		*auto = -1
	}
	if err == nil && 0 <= index && index < len(a.pos) {
		v = a.pos[index]
	}
	for i, key := range a.names {
		if err != nil && key == first {
			v = a.named[i]
		}
	}
	if !given(v) {
		return nil, errors.New("IndexError: a field of a format string has no argument")
	}
	for rest != "" {
		if v, rest, err = m.step1(v, rest); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// step1 follows one attribute or item of a field.
func (m *machine) step1(v value, rest string) (value, string, error) {
	if rest[0] == '[' {
		key, after, ok := strings.Cut(rest[1:], "]")
		if !ok || key == "" {
			return nil, "", errors.New("ValueError: a field of a format string has an open bracket")
		}
		var k value = own(key)
		if n, err := strconv.ParseInt(key, 10, 64); err == nil && every(isDigit)(key) {
			k = n
		}
		v, err := m.item(v, k)
		return v, after, err
	}
	end := strings.IndexAny(rest[1:], ".[") + 1
	if end == 0 {
		end = len(rest)
	}
	if rest[0] != '.' || end == 1 {
		return nil, "", errors.New("ValueError: a field of a format string has an empty attribute")
	}
	v, err := m.attribute(v, rest[1:end])
	return v, rest[end:], err
}

// formatted writes a value by a format specification.
func (m *machine) formatted(b *builder, spec string, v value) error {
	if spec == "" {
		t, err := m.str(v)
		b.add(t)
		return err
	}
	f, err := parseForm(spec)
	if err != nil {
		return err
	}
	n, isInt := integer(v)
	if _, isBool := v.(bool); isBool && f.verb == 0 {
		return errors.New("a format of a bool is not supported")
	}
	switch v := v.(type) {
	case text:
		if f.verb != 0 && f.verb != 's' || f.sign != 0 || f.comma != "" || f.alternate || f.align == '=' {
			return errors.New("ValueError: a format of a number, for a string")
		}
		if f.zero && f.fill == "" {
			f.fill = "0"
		}
		return m.aligned(b, f, v)
	case float64:
		if f.verb == 0 {
			return errors.New("a format of a float without its type is not supported; add f, e or g")
		}
		if strings.IndexByte(floatVerbs, f.verb) < 0 {
			return fmt.Errorf("ValueError: Unknown format code '%c' for object of type 'float'", f.verb)
		}
		return m.numeric(b, f.ofNumber(), v)
	}
	if !isInt {
		return fmt.Errorf("TypeError: unsupported format string passed to %s", kindOf(v))
	}
	if f.verb != 0 && strings.IndexByte(floatVerbs, f.verb) >= 0 {
		return m.numeric(b, f.ofNumber(), float64(n))
	}
	if f.precision >= 0 {
		return errors.New("ValueError: a precision of an integer")
	}
	if f.verb == 0 {
		f.verb = 'd'
	}
	if f.verb == 'c' {
		return errors.New("format c is not supported")
	}
	if f.comma == "," && f.verb != 'd' {
		return fmt.Errorf("ValueError: Cannot specify ',' with '%c'", f.verb)
	}
	return m.numeric(b, f.ofNumber(), n)
}

// floatVerbs are the formats that a float may have.
const floatVerbs = "eEfFgG%"

// ofNumber is a form with what a number has where nothing is said: zeros in front stand behind the sign, unless the
// alignment says otherwise.
func (f *form) ofNumber() *form {
	out := *f
	if f.zero && f.fill == "" {
		out.fill = "0"
	}
	switch {
	case f.align != 0:
	case out.fill == "0" && f.zero:
		out.align = '='
	default:
		out.align = '>'
	}
	out.zero = false
	return &out
}

// parseForm reads [[fill]align][sign][#][0][width][,][.precision][type].
func parseForm(spec string) (*form, error) {
	f := &form{precision: -1}
	_, width := utf8.DecodeRuneInString(spec)
	if len(spec) > width && strings.IndexByte("<>^=", spec[width]) >= 0 {
		f.fill, f.align, spec = spec[:width], spec[width], spec[width+1:]
	} else if strings.IndexByte("<>^=", spec[0]) >= 0 {
		f.align, spec = spec[0], spec[1:]
	}
	take := func(chars string) byte {
		if spec == "" || strings.IndexByte(chars, spec[0]) < 0 {
			return 0
		}
		c := spec[0]
		spec = spec[1:]
		return c
	}
	some := false // digits were there
	digits := func() (int, bool) {
		end := len(spec) - len(strings.TrimLeft(spec, "0123456789"))
		some = end > 0
		n, err := strconv.Atoi("0" + spec[:end])
		spec = spec[end:]
		return n, err == nil && n <= maxWidth
	}
	f.sign = take("+- ")
	f.alternate = take("#") != 0
	f.zero = take("0") != 0
	var ok bool
	if f.width, ok = digits(); !ok {
		return nil, fmt.Errorf("a width over %d is not supported", maxWidth)
	}
	if c := take(",_"); c != 0 {
		f.comma = string(c)
	}
	if take(".") != 0 {
		if f.precision, ok = digits(); !ok {
			return nil, fmt.Errorf("a precision over %d is not supported", maxWidth)
		}
		if !some {
			return nil, errors.New("ValueError: Format specifier missing precision")
		}
	}
	f.verb = take("sdxXobeEfFgGn%c")
	if spec != "" || f.verb == 'n' {
		return nil, errors.New("a format specification is not supported")
	}
	return f, nil
}
