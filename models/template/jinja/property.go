package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// unsupportedMethods are methods of Python's values that templates cannot use here.
var unsupportedMethods = []string{"casefold", "encode", "expandtabs", "format_map", "isidentifier", "isprintable", "maketrans", "translate", "fromkeys",
	"bit_length", "bit_count", "to_bytes", "from_bytes", "as_integer_ratio", "is_integer", "conjugate", "hex", "fromhex"}

// changing are methods that change a value, which the sandbox of transformers forbids.
var changing = map[string][]string{
	"list": {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"},
	"dict": {"clear", "pop", "popitem", "setdefault", "update"},
}

// others are attributes of Python's values that have neither a method here nor nothing there.
var others = map[string][]string{
	"int": {"real", "imag", "numerator", "denominator"}, "float": {"real", "imag"}, "bool": {"real", "imag", "numerator", "denominator"},
	"range": {"start", "stop", "step", "count", "index"}, "function": {"name", "arguments", "catch_kwargs", "catch_varargs", "caller", "explicit_caller"},
	"dict_keys": {"isdisjoint", "mapping"}, "dict_values": {"mapping"}, "dict_items": {"isdisjoint", "mapping"},
	"generator": {"send", "throw", "close", "gi_frame", "gi_code", "gi_running", "gi_yieldfrom"},
}

// property is v.name where the type of v has it.
func (m *machine) property(v value, name string) (value, bool, error) {
	kind := kindOf(v)
	if strings.HasPrefix(name, "_") || slices.Contains(changing[kind], name) {
		if d, isDict := v.(*dict); isDict && strings.HasPrefix(name, "__") {
			if _, has := d.get(name); has {
				return nil, false, errors.New("an attribute that begins with __, of a mapping that has such a key, is not supported")
			}
		}
		if _, isNamespace := v.(*namespace); isNamespace || strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "__") {
			return nil, false, nil
		}
		return undefined{fmt.Sprintf("SecurityError: access to attribute '%s' of '%s' object is unsafe", name, kind)}, true, nil
	}
	switch v := v.(type) {
	case *namespace:
		found, ok := v.get(name)
		return found, ok, nil
	case *loop:
		return v.property(name)
	case text:
		if method, ok := textMethods[name]; ok {
			return &function{name: name, call: func(m *machine, a args) (value, error) { return m.onText(method, name, v, a) }}, true, nil
		}
	case *list:
		if method, ok := listMethods[name]; ok && (name != "copy" || !v.tuple) {
			return &function{name: name, call: func(m *machine, a args) (value, error) { return method(m, v, a) }}, true, nil
		}
	case *dict:
		if method, ok := dictMethods[name]; ok {
			return &function{name: name, call: func(m *machine, a args) (value, error) { return method(m, v, a) }}, true, nil
		}
	}
	if slices.Contains(others[kind], name) || slices.Contains(unsupportedMethods, name) && unsupportedOf(kind, name) {
		return nil, false, fmt.Errorf("attribute %s of a %s is not supported", name, kind)
	}
	return nil, false, nil
}

// unsupportedOf says whether Python's type has the method.
func unsupportedOf(kind, name string) bool {
	switch kind {
	case "str":
		return slices.Index(unsupportedMethods, name) < 8
	case "dict":
		return name == "fromkeys"
	case "int", "float", "bool":
		return slices.Index(unsupportedMethods, name) > 8
	}
	return false
}

var dictMethods = map[string]func(m *machine, d *dict, a args) (value, error){
	"keys":   dictView("dict_keys", func(d *dict) []value { return d.keys }),
	"values": dictView("dict_values", func(d *dict) []value { return d.values }),
	"items":  dictView("dict_items", (*dict).items),
	"get": func(m *machine, d *dict, a args) (value, error) {
		p, err := a.positional("get", 1, 2)
		if err != nil {
			return nil, err
		}
		hash, err := m.hash(p[0])
		if err != nil {
			return nil, err
		}
		if v, ok := d.get(hash); ok {
			return v, nil
		}
		return p[1], nil
	},
	"copy": func(_ *machine, d *dict, a args) (value, error) {
		_, err := a.positional("copy", 0, 0)
		return d, err
	},
}

func dictView(kind string, items func(d *dict) []value) func(m *machine, d *dict, a args) (value, error) {
	return func(m *machine, d *dict, a args) (value, error) {
		if _, err := a.positional(kind, 0, 0); err != nil {
			return nil, err
		}
		return &view{kind, items(d)}, m.made(64 * len(d.keys))
	}
}

var listMethods = map[string]func(m *machine, l *list, a args) (value, error){
	"copy": func(_ *machine, l *list, a args) (value, error) {
		_, err := a.positional("copy", 0, 0)
		return l, err
	},
	"count": func(m *machine, l *list, a args) (value, error) {
		p, err := a.positional("count", 1, 1)
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for _, item := range l.items {
			same, err := m.equal(item, p[0])
			if err != nil {
				return nil, err
			}
			if same {
				n++
			}
		}
		return n, nil
	},
	"index": func(m *machine, l *list, a args) (value, error) {
		p, err := a.positional("index", 1, 1)
		if err != nil {
			return nil, err
		}
		for i, item := range l.items {
			if same, err := m.equal(item, p[0]); same || err != nil {
				return int64(i), err
			}
		}
		return nil, errors.New("ValueError: the item is not in the list")
	},
}

// positional returns arguments by position, at least low of them, filled with None up to high.
func (a args) positional(function string, low, high int) ([]value, error) {
	if len(a.names) > 0 {
		return nil, fmt.Errorf("TypeError: %s takes no keyword arguments", function)
	}
	if len(a.pos) < low || len(a.pos) > high {
		return nil, fmt.Errorf("TypeError: %s takes %d to %d arguments, not %d", function, low, high, len(a.pos))
	}
	out := make([]value, high)
	copy(out, a.pos)
	return out, nil
}

// whole is an integer argument.
func whole(v value, otherwise int64) (int64, error) {
	if _, none := v.(absent); none {
		return otherwise, nil
	}
	n, ok := integer(v)
	if !ok {
		return 0, fmt.Errorf("TypeError: an integer is expected, not '%s'", kindOf(v))
	}
	return n, nil
}

// flag is an argument that Python takes as an integer and uses as a truth value.
func flag(v value) (bool, error) {
	n, err := whole(v, 0)
	return n != 0, err
}

// asText is a text argument.
func asText(v value) (text, error) {
	t, ok := v.(text)
	if !ok {
		return text{}, fmt.Errorf("TypeError: a string is expected, not '%s'", kindOf(v))
	}
	return t, nil
}

// optional is an argument that may be absent or None; given is false then.
func optional(v value) (t text, given bool, err error) {
	if _, none := v.(absent); none || v == nil {
		return text{}, false, nil
	}
	t, err = asText(v)
	return t, true, err
}

func texts(parts []text) *list {
	out := &list{items: make([]value, len(parts))}
	for i, p := range parts {
		out.items[i] = p
	}
	return out
}
