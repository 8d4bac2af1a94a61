package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is str(v): what a template prints.
func (m *machine) str(v value) (text, error) {
	if t, ok := v.(text); ok {
		return t, nil
	}
	if _, ok := v.(undefined); ok {
		return text{}, nil
	}
	b := m.builder()
	if err := m.repr(b, v, 0); err != nil {
		return text{}, err
	}
	return b.done()
}

// maxNesting is how deep lists and mappings may lie in each other.
const maxNesting = 200

// repr writes repr(v).
func (m *machine) repr(b *builder, v value, depth int) error {
	if err := m.step(1); err != nil || b.err != nil {
		return err
	}
	if depth > maxNesting {
		return &limitError{"a value", maxNesting, "levels"}
	}
	switch v := v.(type) {
	case nil:
		b.own("None")
	case undefined:
		b.own("Undefined")
	case bool:
		b.own(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		b.own(strconv.FormatInt(v, 10))
	case float64:
		b.own(floatText(v))
	case text:
		reprText(b, v)
	case *list:
		open, end := "[", "]"
		if v.tuple {
			open, end = "(", ")"
			if len(v.items) == 1 {
				end = ",)"
			}
		}
		return m.reprItems(b, open, v.items, end, depth)
	case *dict:
		return m.reprDict(b, v, depth)
	case *rangeOf:
		b.own(fmt.Sprintf("range(%d, %d", v.start, v.stop))
		if v.step != 1 {
			b.own(fmt.Sprintf(", %d", v.step))
		}
		b.own(")")
	case *view:
		return m.reprItems(b, v.name+"([", v.items, "])", depth)
	case *namespace:
		b.own("<Namespace ")
		if err := m.reprDict(b, &v.dict, depth); err != nil {
			return err
		}
		b.own(">")
	case *loop:
		n, err := v.length()
		b.own(fmt.Sprintf("<LoopContext %d/%d>", v.index0+1, n))
		return err
	default:
		if f, ok := v.(*function); ok && f.macro {
			b.own("<Macro '" + f.name + "'>")
			return nil
		}
		return fmt.Errorf("printing a %s is not supported: transformers prints its address", kindOf(v))
	}
	return nil
}

func (m *machine) reprItems(b *builder, open string, items []value, end string, depth int) error {
	b.own(open)
	for i, item := range items {
		if i > 0 {
			b.own(", ")
		}
		if err := m.repr(b, item, depth+1); err != nil {
			return err
		}
	}
	b.own(end)
	return nil
}

func (m *machine) reprDict(b *builder, d *dict, depth int) error {
	b.own("{")
	for i, key := range d.keys {
		if i > 0 {
			b.own(", ")
		}
		if err := m.repr(b, key, depth+1); err != nil {
			return err
		}
		b.own(": ")
		if err := m.repr(b, d.values[i], depth+1); err != nil {
			return err
		}
	}
	b.own("}")
	return nil
}

// reprText writes a string in quotes, as Python does.
func reprText(b *builder, t text) {
	quote := "'"
	if strings.Contains(t.s, "'") && !strings.Contains(t.s, `"`) {
		quote = `"`
	}
	if t.html {
		b.own("Markup(")
	}
	b.own(quote)
	t.runs(func(s string, user bool) {
		for _, r := range s {
			switch {
			case r == '\\' || string(r) == quote:
				b.write(`\`+string(r), user)
			case r == '\n':
				b.write(`\n`, user)
			case r == '\r':
				b.write(`\r`, user)
			case r == '\t':
				b.write(`\t`, user)
			case !unicode.IsPrint(r):
				b.write(pythonEscape(r), user)
			default:
				b.write(string(r), user)
			}
		}
	})
	b.own(quote)
	if t.html {
		b.own(")")
	}
}

// pythonEscape is a character as Python writes it where it cannot be printed.
func pythonEscape(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// floatText is repr of a float.
func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// jsonStyle is how tojson writes.
type jsonStyle struct {
	ascii      bool
	indent     *text // per level, nil for one line
	item, pair text  // separators
	sorted     bool
}

// json writes a value as json.dumps does.
func (m *machine) json(b *builder, v value, style *jsonStyle, depth int) error {
	if err := m.step(1); err != nil || b.err != nil {
		return err
	}
	if depth > maxNesting {
		return &limitError{"a value", maxNesting, "levels"}
	}
	switch v := v.(type) {
	case nil, bool, int64, float64:
		b.own(jsonScalar(v))
	case text:
		jsonText(b, v, style.ascii)
	case *list:
		return m.jsonItems(b, "[", "]", len(v.items), style, depth, func(i int) error {
			return m.json(b, v.items[i], style, depth+1)
		})
	case *dict:
		return m.jsonDict(b, v, style, depth)
	default:
		return fmt.Errorf("TypeError: Object of type %s is not JSON serializable", kindOf(v))
	}
	return nil
}

func jsonScalar(v value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
		return floatText(v)
	}
	return ""
}

func (m *machine) jsonItems(b *builder, open, end string, n int, style *jsonStyle, depth int, item func(int) error) error {
	line := func(depth int) {
		if style.indent != nil {
			b.own("\n")
			for range depth {
				b.add(*style.indent)
			}
		}
	}
	b.own(open)
	for i := range n {
		if i > 0 {
			b.add(style.item)
		}
		line(depth + 1)
		if err := item(i); err != nil {
			return err
		}
	}
	if n > 0 {
		line(depth)
	}
	b.own(end)
	return nil
}

func (m *machine) jsonDict(b *builder, d *dict, style *jsonStyle, depth int) error {
	order := d.items()
	if style.sorted {
		var err error
		if order, err = m.sorted(order, order, false); err != nil {
			return err
		}
	}
	return m.jsonItems(b, "{", "}", len(order), style, depth, func(i int) error {
		pair, _ := order[i].(*list)
		switch key := pair.items[0].(type) {
		case text:
			jsonText(b, key, style.ascii)
		case nil, bool, int64, float64:
			b.own(`"` + jsonScalar(key) + `"`)
		default:
			return fmt.Errorf("TypeError: keys must be str, int, float, bool or None, not %s", kindOf(key))
		}
		b.add(style.pair)
		return m.json(b, pair.items[1], style, depth+1)
	})
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func jsonText(b *builder, t text, ascii bool) {
	b.own(`"`)
	t.runs(func(s string, user bool) {
		for _, r := range s {
			escaped, ok := jsonEscapes[r]
			switch {
			case ok:
				b.write(escaped, user)
			case r < ' ':
				b.write(fmt.Sprintf(`\u%04x`, r), user)
			case ascii && r >= utf8.RuneSelf:
				b.write(asciiEscape(r), user)
			default:
				b.write(string(r), user)
			}
		}
	})
	b.own(`"`)
}

// asciiEscape is a character as JSON writes it in ASCII.
func asciiEscape(r rune) string {
	if r < 0x10000 {
		return fmt.Sprintf(`\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}
