package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// YAML returns a configuration as a file that loads to the same, each key with what it means. Secrets are left out; a comment
// says where one is set. Of sections that inherit it shows what differs.
func YAML(configuration any) string {
	root := reflect.Indirect(reflect.ValueOf(configuration))
	p := &printer{root: root}
	p.fields(root, reflect.Value{}, 0, true)
	return p.out.String()
}

type printer struct {
	out  strings.Builder
	root reflect.Value // what sections inherit from
}

func (p *printer) line(depth int, format string, args ...any) {
	p.out.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&p.out, format, args...)
	p.out.WriteByte('\n')
}

// fields prints the keys of a struct, less those that are as in base when there is one.
func (p *printer) fields(v, base reflect.Value, depth int, comments bool) {
	for i, f := range fields(v) {
		var old reflect.Value
		if base.IsValid() {
			if old = fields(base)[i].value; reflect.DeepEqual(f.value.Interface(), old.Interface()) {
				continue
			}
		}
		if doc := f.tag.Get("doc"); comments && doc != "" {
			if depth == 0 && p.out.Len() > 0 {
				p.out.WriteByte('\n')
			}
			for text := range strings.SplitSeq(doc, "\n") {
				p.line(depth, "# %s", text)
			}
		}
		p.field(f, old, depth, comments)
	}
}

// entries prints a map of sections.
func (p *printer) entries(v reflect.Value, depth int) {
	names := v.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, name := range names {
		inner := &printer{root: p.root}
		inner.fields(v.MapIndex(name), entry(p.root, v.Type().Elem()), depth+1, false)
		if inner.out.Len() == 0 {
			p.line(depth, "%s: {}", strconv.Quote(name.String()))
			continue
		}
		p.line(depth, "%s:", strconv.Quote(name.String()))
		p.out.WriteString(inner.out.String())
	}
}

func (p *printer) field(f field, base reflect.Value, depth int, comments bool) {
	v := f.value
	switch {
	case v.Kind() == reflect.Struct:
		p.line(depth, "%s:", f.key)
		p.fields(v, base, depth+1, comments)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		p.line(depth, "%s:", f.key)
		for i := range v.Len() {
			item := &printer{}
			item.fields(v.Index(i), reflect.Value{}, depth+2, false)
			indent := strings.Repeat("  ", depth+1)
			p.out.WriteString(indent + "- " + strings.TrimPrefix(item.out.String(), indent+"  "))
		}
	case v.Kind() == reflect.Map:
		if v.Len() == 0 {
			p.line(depth, "%s: {}", f.key)
			return
		}
		p.line(depth, "%s:", f.key)
		p.entries(v, depth+1)
	case v.Kind() == reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			if items[i] = formatScalar(v.Index(i)); v.Index(i).Kind() == reflect.String {
				items[i] = strconv.Quote(items[i])
			}
		}
		p.line(depth, "%s: [%s]", f.key, strings.Join(items, ", "))
	case f.tag.Get("secret") != "" && !v.IsZero():
		p.line(depth, "%s: \"\" # set, not shown", f.key)
	case v.Kind() == reflect.String:
		p.line(depth, "%s: %s", f.key, quote(v.String()))
	default:
		p.line(depth, "%s: %s", f.key, formatScalar(v))
	}
}

var plain = regexp.MustCompile(`^[A-Za-z./][A-Za-z0-9_./-]*$`)

// quote writes a string so that YAML reads a string.
func quote(text string) string {
	words := []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"}
	if !plain.MatchString(text) || slices.Contains(words, strings.ToLower(text)) {
		return strconv.Quote(text)
	}
	return text
}

// Values returns a section as what JSON writes with its keys: scalars as they are, durations as in YAML. Secrets are left out.
func Values(section any) map[string]any {
	values := map[string]any{}
	for _, f := range fields(reflect.Indirect(reflect.ValueOf(section))) {
		switch {
		case f.tag.Get("secret") != "":
		case f.value.Kind() == reflect.Struct:
			values[f.key] = Values(f.value.Interface())
		case f.value.Type() == durationType:
			values[f.key] = formatScalar(f.value)
		default:
			values[f.key] = f.value.Interface()
		}
	}
	return values
}
