package jinja

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// form is how one value is formatted, by % or by str.format.
type form struct {
	fill      string // "" is a blank
	align     byte   // < > ^ = or 0
	sign      byte   // + - or blank
	alternate bool   // #
	zero      bool
	comma     string // between thousands
	width     int
	precision int // -1 if none
	verb      byte
}

// maxWidth bounds widths and precisions.
const maxWidth = 1 << 16

// printf is format % v.
func (m *machine) printf(format text, v value) (value, error) {
	if format.html {
		return nil, errors.New("% of a string that is marked as HTML is not supported")
	}
	p := &printer{m: m, out: m.builder(), format: format}
	if l, ok := v.(*list); ok && l.tuple {
		p.values = l.items
	} else {
		p.values = []value{v}
		p.dict, p.single = v.(*dict)
		p.single = p.single || isContainer(v)
	}
	if err := p.run(); err != nil {
		return nil, err
	}
	if p.used < len(p.values) && !p.single {
		return nil, errors.New("TypeError: not all arguments converted during string formatting")
	}
	return p.out.value()
}

// isContainer says whether a value may be left over in formatting: it could be indexed by name.
func isContainer(v value) bool {
	switch v.(type) {
	case *list, *dict, *rangeOf, undefined:
		return true
	}
	return false
}

// printer is one use of %.
type printer struct {
	m      *machine
	out    *builder
	format text
	at     int
	values []value
	used   int
	dict   *dict
	single bool
}

func (p *printer) run() error {
	for p.out.err == nil {
		next := strings.IndexByte(p.format.s[p.at:], '%')
		if next < 0 {
			p.out.add(p.format.slice(p.at, len(p.format.s)))
			return nil
		}
		p.out.add(p.format.slice(p.at, p.at+next))
		p.at += next + 1
		if err := p.directive(); err != nil {
			return err
		}
	}
	return p.out.err
}

func (p *printer) take() (value, error) {
	if p.used == len(p.values) {
		return nil, errors.New("TypeError: not enough arguments for format string")
	}
	p.used++
	return p.values[p.used-1], nil
}

// number reads a width or a precision; * takes it from the arguments.
func (p *printer) number() (int, error) {
	s := p.format.s[p.at:]
	if strings.HasPrefix(s, "*") {
		p.at++
		v, err := p.take()
		if err != nil {
			return 0, err
		}
		n, ok := integer(v)
		if !ok || max(n, -n) > maxWidth {
			return 0, errors.New("TypeError: * wants an integer that is not too large")
		}
		return int(n), nil
	}
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	p.at += end
	if end == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil || n > maxWidth {
		return 0, fmt.Errorf("a width over %d is not supported", maxWidth)
	}
	return n, nil
}

// directive formats one value, behind its %.
func (p *printer) directive() error {
	f := form{precision: -1, align: '>'}
	var named value = absent{}
	s := p.format.s
	if p.at < len(s) && s[p.at] == '(' {
		end := strings.IndexByte(s[p.at:], ')')
		if end < 0 || p.dict == nil {
			return errors.New("TypeError: format requires a mapping")
		}
		v, ok := p.dict.get(s[p.at+1 : p.at+end])
		if !ok {
			return errors.New("KeyError: the mapping has no such key")
		}
		named = v
		p.at += end + 1
	}
	for ; p.at < len(s) && strings.IndexByte("-+ #0", s[p.at]) >= 0; p.at++ {
		switch c := s[p.at]; c {
		case '-':
			f.align = '<'
		case '+':
			f.sign = c
		case ' ':
			if f.sign == 0 {
				f.sign = c
			}
		case '#':
			f.alternate = true
		case '0':
			f.zero = true
		}
	}
	var err error
	if f.width, err = p.number(); err != nil {
		return err
	}
	if f.width < 0 {
		f.width, f.align = -f.width, '<'
	}
	if p.at < len(s) && s[p.at] == '.' {
		p.at++
		if f.precision, err = p.number(); err != nil {
			return err
		}
		f.precision = max(f.precision, 0)
	}
	for p.at < len(s) && strings.IndexByte("hlL", s[p.at]) >= 0 {
		p.at++
	}
	if p.at == len(s) {
		return errors.New("ValueError: incomplete format")
	}
	f.verb = s[p.at]
	p.at++
	if f.verb == '%' && s[p.at-2] != '%' {
		return errors.New("TypeError: %% has nothing between its two signs")
	}
	if f.verb == '%' {
		p.out.own("%")
		return nil
	}
	v := named
	if !given(v) {
		if v, err = p.take(); err != nil {
			return err
		}
	}
	return p.m.printfValue(p.out, &f, v)
}

// printfValue writes a value as % has it.
func (m *machine) printfValue(out *builder, f *form, v value) error {
	switch f.verb {
	case 's', 'r':
		t, err := m.converted(v, f.verb)
		if err != nil {
			return err
		}
		f.zero = false
		return m.aligned(out, f, t)
	case 'c':
		t, ok := v.(text)
		if n, isInt := integer(v); isInt && 0 <= n && n <= utf8.MaxRune {
			t, ok = own(string(rune(n))), true
		}
		if !ok || t.length() != 1 {
			return errors.New("TypeError: %c requires an int or a character")
		}
		f.zero = false
		return m.aligned(out, f, t)
	case 'd', 'i', 'u':
		f.verb = 'd'
		if x, ok := v.(float64); ok {
			if math.IsNaN(x) || math.Abs(x) >= 1<<63 {
				return errRange
			}
			v = int64(x)
		}
		fallthrough
	case 'x', 'X', 'o':
		n, ok := integer(v)
		if !ok {
			return fmt.Errorf("TypeError: %%%c format: a number is required, not %s", f.verb, kindOf(v))
		}
		f.zero = f.zero && f.align != '<'
		return m.numeric(out, f, n)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		x, _, ok := number(v)
		if !ok {
			return fmt.Errorf("TypeError: must be real number, not %s", kindOf(v))
		}
		f.zero = f.zero && f.align != '<'
		return m.numeric(out, f, x)
	}
	return fmt.Errorf("format %%%c is not supported", f.verb)
}

// converted is str(v), or repr(v).
func (m *machine) converted(v value, verb byte) (text, error) {
	if verb == 's' {
		return m.str(v)
	}
	b := m.builder()
	if err := m.repr(b, v, 0); err != nil {
		return text{}, err
	}
	return b.done()
}

// aligned writes a text, cut to the precision and filled up to the width.
func (m *machine) aligned(out *builder, f *form, t text) error {
	if f.precision >= 0 {
		t = t.slice(0, offset(t.s, f.precision))
	}
	fill := f.fill
	if fill == "" {
		fill = " "
	}
	gap := f.width - t.length()
	left := 0
	switch f.align {
	case '>', '=':
		left = gap
	case '^':
		left = gap / 2
	}
	if gap < 0 {
		gap, left = 0, 0
	}
	out.repeat(fill, left)
	out.add(t)
	out.repeat(fill, gap-left)
	return out.err
}

// numeric writes a number: an int64 or a float64.
func (m *machine) numeric(out *builder, f *form, v value) error {
	body, prefix := "", ""
	negative := false
	switch n := v.(type) {
	case int64:
		negative = n < 0
		base, ok := map[byte]int{'d': 10, 'n': 10, 'x': 16, 'X': 16, 'o': 8, 'b': 2}[f.verb]
		if !ok {
			return fmt.Errorf("format %c of an integer is not supported", f.verb)
		}
		body = strings.TrimPrefix(strconv.FormatInt(n, base), "-")
		if f.verb == 'X' {
			body = strings.ToUpper(body)
		}
		if f.alternate && base != 10 {
			prefix = "0" + string(f.verb)
		}
		if len(body) < f.precision {
			body = strings.Repeat("0", f.precision-len(body)) + body
		}
	case float64:
		negative = math.Signbit(n) && !math.IsNaN(n)
		if f.alternate {
			return errors.New("format # of a float is not supported")
		}
		body = floatForm(math.Abs(n), f)
	}
	if f.comma != "" {
		size := 3
		if strings.IndexByte("xXob", f.verb) >= 0 {
			size = 4
		}
		body = grouped(body, f.comma, size)
	}
	sign := ""
	switch {
	case negative:
		sign = "-"
	case f.sign == '+' || f.sign == ' ':
		sign = string(f.sign)
	}
	fill := f.fill
	if f.zero && fill == "" && (f.align == '>' || f.align == '=') {
		fill, f.align = "0", '='
	}
	if fill == "0" && f.align == '=' && f.comma != "" && f.width > len(sign+prefix+body) {
		return errors.New("a number with leading zeros and separators is not supported")
	}
	if f.align == '=' {
		if fill == "" {
			fill = " "
		}
		out.own(sign + prefix)
		out.repeat(fill, f.width-len(sign+prefix+body))
		out.own(body)
		return out.err
	}
	plain := *f
	plain.precision, plain.fill = -1, fill
	return m.aligned(out, &plain, own(sign+prefix+body))
}

// floatForm is a float that is not negative, as a verb has it.
func floatForm(x float64, f *form) string {
	verb := f.verb
	upper := verb == 'E' || verb == 'F' || verb == 'G'
	if upper {
		verb += 'a' - 'A'
	}
	precision := f.precision
	if precision < 0 {
		precision = 6
	}
	out := ""
	switch {
	case math.IsNaN(x):
		out = "nan"
	case math.IsInf(x, 0):
		out = "inf"
	case verb == '%':
		out = strconv.FormatFloat(x*100, 'f', precision, 64) + "%"
	case verb == 'e', verb == 'f':
		out = strconv.FormatFloat(x, verb, precision, 64)
	default:
		out = generalForm(x, max(precision, 1))
	}
	if upper {
		out = strings.ToUpper(out)
	}
	return out
}

// generalForm is %g of C: a number of digits, without zeros at its end.
func generalForm(x float64, digits int) string {
	e := strconv.FormatFloat(x, 'e', digits-1, 64)
	mantissa, exponent, _ := strings.Cut(e, "e")
	n, _ := strconv.Atoi(exponent)
	if n < -4 || n >= digits {
		if strings.Contains(mantissa, ".") {
			mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		}
		return mantissa + "e" + exponent
	}
	out := strconv.FormatFloat(x, 'f', max(digits-1-n, 0), 64)
	if strings.Contains(out, ".") {
		out = strings.TrimRight(strings.TrimRight(out, "0"), ".")
	}
	return out
}

// grouped puts a separator between groups of digits.
func grouped(s, separator string, size int) string {
	whole, rest := s, ""
	if at := strings.IndexAny(s, ".e%"); at >= 0 {
		whole, rest = s[:at], s[at:]
	}
	for at := len(whole) - size; at > 0; at -= size {
		whole = whole[:at] + separator + whole[at:]
	}
	return whole + rest
}
