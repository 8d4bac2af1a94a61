package template

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// list is a list as templates see it: the library's own does not find the item −n of n.
type list []any

// GetItem returns an item; a negative index counts from the end.
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.AsValue(l[i]), true
}

// Methods of strings that the library has, but not as Python has them.
var corrected = map[string]exec.Method[string]{
	"strip": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		return strip(self, p, strings.TrimFunc)
	},
	"lstrip": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		return strip(self, p, strings.TrimLeftFunc)
	},
	"rstrip": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		return strip(self, p, strings.TrimRightFunc)
	},
	"replace": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		if len(p.Args) < 2 || len(p.Args) > 3 || len(p.KwArgs) > 0 {
			return nil, errors.New("replace takes two or three arguments")
		}
		limit := -1
		if len(p.Args) == 3 {
			limit = p.Args[2].Integer()
		}
		return strings.Replace(self, p.Args[0].String(), p.Args[1].String(), limit), nil
	},
	"split": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		separator, limit, err := splitting(p)
		if separator == "" || err != nil {
			return strings.FieldsFunc(self, isSpace), err
		}
		return strings.SplitN(self, separator, limit), nil
	},
	"rsplit": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		separator, limit, err := splitting(p)
		if separator == "" || err != nil {
			return strings.FieldsFunc(self, isSpace), err
		}
		parts := strings.Split(self, separator)
		if first := len(parts) - limit; limit > 0 && first > 0 {
			parts = append([]string{strings.Join(parts[:first+1], separator)}, parts[first+1:]...)
		}
		return parts, nil
	},
	"splitlines": func(self string, _ *exec.Value, p *exec.VarArgs) (any, error) {
		if len(p.Args)+len(p.KwArgs) > 0 {
			return nil, errors.New("splitlines takes no arguments")
		}
		lines := []string{}
		for rest := strings.ReplaceAll(self, "\r\n", "\n"); rest != ""; {
			at := strings.IndexFunc(rest, endsLine)
			if at < 0 {
				return append(lines, rest), nil
			}
			_, width := utf8.DecodeRuneInString(rest[at:])
			lines, rest = append(lines, rest[:at]), rest[at+width:]
		}
		return lines, nil
	},
}

func endsLine(r rune) bool {
	return '\n' <= r && r <= '\r' || '\x1c' <= r && r <= '\x1e' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// splitting reads the arguments of split: the separator, and how many parts at most, −1 for all.
func splitting(p *exec.VarArgs) (separator string, limit int, err error) {
	if len(p.Args) > 2 || len(p.KwArgs) > 0 || len(p.Args) > 0 && (!p.Args[0].IsString() || p.Args[0].String() == "") {
		return "", 0, errors.New("split takes a separator and a number of splits, by position")
	}
	limit = -1
	if len(p.Args) == 2 && p.Args[1].Integer() >= 0 {
		limit = p.Args[1].Integer() + 1
	}
	if len(p.Args) > 0 {
		separator = p.Args[0].String()
	}
	return separator, limit, nil
}

func strip(self string, p *exec.VarArgs, trim func(string, func(rune) bool) string) (any, error) {
	switch {
	case len(p.Args) == 0 && len(p.KwArgs) == 0:
		return trim(self, isSpace), nil
	case len(p.Args) == 1 && p.Args[0].IsString():
		return trim(self, func(r rune) bool { return strings.ContainsRune(p.Args[0].String(), r) }), nil
	}
	return nil, errors.New("strip takes the characters to remove, or nothing")
}

// sealed is a list of the parts of a text, each with marks of its own.
func sealed(parts []string) list {
	parts = reseal(slices.Clone(parts))
	out := make(list, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}
