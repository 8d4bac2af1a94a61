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

// Load returns the configuration: defaults, the file at path ("" for none), environ (as of os.Environ), then overrides by
// dotted key ("update.train.rank": "16"). Lists are written with commas, lists of mappings as in YAML. All that is wrong is
// reported at once.
func Load(path string, environ []string, overrides map[string]string) (Config, error) {
	c := Defaults()
	b := &binder{source: path}
	var tracks ast.Node
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("load configuration: %w", err)
		}
		root, err := parse(data)
		if err != nil {
			return Config{}, fmt.Errorf("load configuration %s: %w", path, err)
		}
		b.top(root, &c, &tracks)
	}
	known := map[string]string{} // variable → key
	leaves(reflect.ValueOf(&c).Elem(), "", func(key string, _ reflect.Value) { known[Variable(key)] = key })
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, Prefix) || slices.Contains(foreign, name) {
			continue
		}
		if key, ok := known[name]; ok {
			b.text(&c, name, key, text)
		} else {
			c.Warnings = append(c.Warnings, unknown("variable", name, slices.Sorted(maps.Keys(known))))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		b.text(&c, key, key, overrides[key])
	}
	b.tracks(tracks, &c)
	if err := errors.Join(b.errs...); err != nil {
		return Config{}, err
	}
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	return c, nil
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

// leaves calls visit for every key below v that is no struct.
func leaves(v reflect.Value, prefix string, visit func(key string, v reflect.Value)) {
	for _, f := range fields(v) {
		if f.value.Kind() == reflect.Struct {
			leaves(f.value, prefix+f.key+".", visit)
		} else {
			visit(prefix+f.key, f.value)
		}
	}
}

// binder puts values into a Config and collects what is wrong.
type binder struct {
	source string
	errs   []error
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

// top binds a file, less the tracks: they build on the final update.
func (b *binder) top(root ast.Node, c *Config, tracks *ast.Node) {
	if root == nil {
		return
	}
	pairs, ok := entries(root)
	if !ok {
		b.fail(b.at(root), "the file", "want a mapping of keys to values")
		return
	}
	for i, p := range pairs {
		if name(p) == "tracks" {
			*tracks = p.Value
			pairs = slices.Delete(slices.Clone(pairs), i, i+1)
			break
		}
	}
	b.pairs(pairs, reflect.ValueOf(c).Elem(), "")
}

// text binds a value that did not come from a file.
func (b *binder) text(c *Config, where, key, text string) {
	v := reflect.ValueOf(c).Elem()
	var tag reflect.StructTag
	above := ""
	for part := range strings.SplitSeq(key, ".") {
		if v.Kind() != reflect.Struct {
			b.fail(where, key, "there is no key below %s", above)
			return
		}
		above = strings.TrimPrefix(above+"."+part, ".")
		all := fields(v)
		i := slices.IndexFunc(all, func(f field) bool { return f.key == part })
		if i < 0 {
			var names []string
			leaves(reflect.ValueOf(c).Elem(), "", func(k string, _ reflect.Value) { names = append(names, k) })
			b.errs = append(b.errs, fmt.Errorf("configuration: %s", unknown("key", key, names)))
			return
		}
		v, tag = all[i].value, all[i].tag
	}
	trimmed := strings.TrimSpace(text)
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Struct && !strings.HasPrefix(trimmed, "["):
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
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Map || v.Kind() == reflect.Struct:
		root, err := parse([]byte(text))
		if err != nil {
			b.fail(where, key, "%v", err)
			return
		}
		inner := &binder{}
		if where != key {
			inner.source = where
		}
		if v.Kind() == reflect.Map {
			inner.tracks(root, c)
		} else if root != nil {
			inner.node(root, v, key, tag)
		}
		b.errs = append(b.errs, inner.errs...)
	default:
		if err := setScalar(v, text); err != nil {
			b.fail(where, key, "%v, not %s", err, shown(tag, text))
		}
	}
}

func shown(tag reflect.StructTag, text string) string {
	if tag.Get("secret") != "" {
		return "what is there"
	}
	return fmt.Sprintf("%q", text)
}

// tracks binds the tracks of a file: each begins as a copy of the update for all.
func (b *binder) tracks(n ast.Node, c *Config) {
	if n == nil || n.Type() == ast.NullType {
		return
	}
	pairs, ok := entries(n)
	if !ok {
		b.fail(b.at(n), "tracks", "want a mapping of track names")
		return
	}
	c.Tracks = map[string]Track{}
	for _, p := range pairs {
		t := Track{Update: c.Update}
		v := reflect.ValueOf(&t).Elem()
		if p.Value.Type() != ast.NullType {
			b.node(p.Value, v, "tracks."+name(p), "")
		}
		c.Tracks[name(p)] = t
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

func (b *binder) pairs(pairs []*ast.MappingValueNode, v reflect.Value, prefix string) {
	all := fields(v)
	for _, p := range pairs {
		key := name(p)
		i := slices.IndexFunc(all, func(f field) bool { return f.key == key })
		if i < 0 {
			names := make([]string, len(all))
			for j, f := range all {
				names[j] = prefix + f.key
			}
			b.errs = append(b.errs, fmt.Errorf("%s: %s", strings.TrimSpace("configuration "+b.at(p.Key)), unknown("key", prefix+key, names)))
			continue
		}
		b.node(p.Value, all[i].value, prefix+key, all[i].tag)
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
		b.pairs(pairs, v, strings.TrimSuffix(key, ".")+".")
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
