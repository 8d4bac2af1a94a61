package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"nightshift/internal/nearest"
)

// Prefix begins the names of the environment's variables: update.train.rank is NIGHTSHIFT_UPDATE_TRAIN_RANK.
const Prefix = "NIGHTSHIFT_"

// foreign variables begin with the prefix and are read elsewhere.
var foreign = []string{Prefix + "ONNXRUNTIME_LIB", Prefix + "CONFIG", Prefix + "ADMIN_KEY"}

// Load completes a configuration, a pointer to a struct that holds the defaults, by the file at path ("" for none), environ (as of
// os.Environ), then overrides by dotted key ("update.train.rank": "16"), and checks it. Lists are written with commas, lists of mappings as in
// YAML. All that is wrong is reported at once. Warnings are for the log: NIGHTSHIFT_* variables that mean nothing. They are no error, because
// orchestrators set such variables for a service of that name.
func Load(configuration any, path string, environ []string, overrides map[string]string) (warnings []string, err error) {
	b := &binder{root: reflect.ValueOf(configuration).Elem(), source: path}
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("load configuration: %w", err)
		}
		root, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("load configuration %s: %w", path, err)
		}
		b.file(root)
	}
	warnings = b.environ(environ)
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		b.text(key, key, overrides[key])
	}
	for _, bind := range b.later {
		bind()
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return warnings, Check("", configuration)
}

// Variable returns the name of the environment's variable for a key.
func Variable(key string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// parse returns the single mapping of a YAML text, nil for an empty one.
func parse(data []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, errors.New(yaml.FormatError(err, false, true))
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return nil, fmt.Errorf("line %d: want one document, not several", line(doc.Body))
		}
		root = doc.Body
	}
	return root, nil
}

// binder puts values into a configuration and collects what is wrong.
type binder struct {
	root   reflect.Value
	source string // of what is bound: a file or a variable, "" for a flag
	errs   []error
	later  []func() // maps of sections, which build on what all else has come to
}

func (b *binder) fail(where, key, format string, args ...any) {
	if where == key { // it came from a flag, which names the key alone
		where = ""
	}
	b.errs = append(b.errs, fmt.Errorf("%s: %s: %s", strings.TrimSpace("configuration "+where), key, fmt.Sprintf(format, args...)))
}

// at says where a value stands, "" for one that came from a flag.
func (b *binder) at(n ast.Node) string {
	if b.source == "" {
		return ""
	}
	return fmt.Sprintf("%s line %d", b.source, line(n))
}

func line(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

func unknown(what, name string, candidates []string) string {
	for _, c := range candidates {
		if strings.HasSuffix(c, "."+name) { // its last part alone
			return fmt.Sprintf("unknown %s %s: did you mean %s?", what, name, c)
		}
	}
	return fmt.Sprintf("unknown %s %s%s", what, name, nearest.Question(name, candidates))
}

// file binds a file.
func (b *binder) file(root ast.Node) {
	if root == nil {
		return
	}
	pairs, ok := entries(root)
	if !ok {
		b.fail(b.at(root), "the file", "want a mapping of keys to values")
		return
	}
	b.pairs(pairs, b.root, "")
}

// environ binds the variables of an environment and returns a warning for each that means nothing.
func (b *binder) environ(environ []string) (warnings []string) {
	known := map[string]string{} // variable → key
	leaves(b.root, "", func(key string, _ field) { known[Variable(key)] = key })
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, Prefix) || slices.Contains(foreign, name) {
			continue
		}
		if key, ok := known[name]; ok {
			b.text(name, key, text)
		} else {
			warnings = append(warnings, unknown("variable", name, slices.Sorted(maps.Keys(known))))
		}
	}
	return warnings
}

// find finds the field of a key that a variable or a flag names.
func (b *binder) find(where, key string) (f field, ok bool) {
	f.value = b.root
	above := ""
	for part := range strings.SplitSeq(key, ".") {
		if f.value.Kind() != reflect.Struct {
			b.fail(where, key, "there is no key below %s", above)
			return f, false
		}
		above = join(above, part)
		all := fields(f.value)
		i := slices.IndexFunc(all, func(f field) bool { return f.key == part })
		if i < 0 {
			var names []string
			leaves(b.root, "", func(k string, _ field) { names = append(names, k) })
			b.errs = append(b.errs, fmt.Errorf("configuration: %s", unknown("key", key, names)))
			return f, false
		}
		f = all[i]
	}
	return f, true
}

// text binds a value that did not come from a file.
func (b *binder) text(where, key, text string) {
	f, ok := b.find(where, key)
	if !ok {
		return
	}
	v := f.value
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Struct && !strings.HasPrefix(strings.TrimSpace(text), "["):
		b.list(v, where, key, text)
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.Struct:
		root, err := parse([]byte(text))
		if err != nil {
			b.fail(where, key, "%v", err)
			return
		}
		if b.source = where; where == key {
			b.source = ""
		}
		if root != nil {
			b.node(root, v, key, f.tag)
		}
	default:
		if err := setScalar(v, text); err != nil {
			b.fail(where, key, "%v, not %s", err, shown(f.tag, text))
		}
	}
}

// list binds a list that is written with commas.
func (b *binder) list(v reflect.Value, where, key, text string) {
	list := reflect.Zero(v.Type()) // an empty list is nil everywhere
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if err := setScalar(item, part); err != nil {
			b.fail(where, key, "%v, not %q", err, part)
			return
		}
		list = reflect.Append(list, item)
	}
	v.Set(list)
}

func shown(tag reflect.StructTag, text string) string {
	if tag.Get("secret") != "" {
		return "what is there"
	}
	return fmt.Sprintf("%q", text)
}

// sections binds a map of sections, each of which begins with what it inherits.
func (b *binder) sections(n ast.Node, v reflect.Value, key string) {
	pairs, ok := entries(n)
	if !ok {
		b.fail(b.at(n), key, "want a mapping of names")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range pairs {
		section := entry(b.root, v.Type().Elem())
		b.node(p.Value, section, join(key, name(p)), "")
		v.SetMapIndex(reflect.ValueOf(name(p)), section)
	}
}

func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func name(p *ast.MappingValueNode) string {
	if s, ok := p.Key.(*ast.StringNode); ok {
		return s.Value
	}
	return p.Key.String()
}

// pairs binds the keys of a section, which is named by key.
func (b *binder) pairs(pairs []*ast.MappingValueNode, v reflect.Value, key string) {
	all := fields(v)
	for _, p := range pairs {
		own := name(p)
		i := slices.IndexFunc(all, func(f field) bool { return f.key == own })
		if i < 0 {
			names := make([]string, len(all))
			for j, f := range all {
				names[j] = join(key, f.key)
			}
			b.errs = append(b.errs, fmt.Errorf("%s: %s", strings.TrimSpace("configuration "+b.at(p.Key)), unknown("key", join(key, own), names)))
			continue
		}
		b.node(p.Value, all[i].value, join(key, own), all[i].tag)
	}
}

// node binds a value. A key without a value keeps its default.
func (b *binder) node(n ast.Node, v reflect.Value, key string, tag reflect.StructTag) {
	if n.Type() == ast.NullType {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		pairs, ok := entries(n)
		if !ok {
			b.fail(b.at(n), key, "want a mapping of keys to values")
			return
		}
		b.pairs(pairs, v, key)
	case reflect.Map:
		source := b.source
		b.later = append(b.later, func() {
			b.source = source
			b.sections(n, v, key)
		})
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			b.fail(b.at(n), key, "want a list")
			return
		}
		v.SetZero()
		if len(list.Values) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
		}
		for i, item := range list.Values {
			b.node(item, v.Index(i), fmt.Sprintf("%s[%d]", key, i), tag)
		}
	default:
		text, ok := scalar(n)
		if !ok {
			b.fail(b.at(n), key, "want a single value")
			return
		}
		if err := setScalar(v, text); err != nil {
			b.fail(b.at(n), key, "%v, not %s", err, shown(tag, text))
		}
	}
}

// scalar returns the text of a plain or quoted value.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NanNode, *ast.InfinityNode:
		return n.GetToken().Value, true
	}
	return "", false
}
