package config

import (
	"fmt"
	"reflect"
	"strings"
)

// BadTags finds fields of a section without key or documentation, tags that do not parse, and names in JSON that are not those of the keys.
func BadTags(typ reflect.Type) (bad []string) {
	for _, f := range fields(reflect.New(typ).Elem()) {
		if f.key == "" || f.tag.Get("doc") == "" {
			bad = append(bad, fmt.Sprintf("%v: a field without key or documentation: %+v", typ, f))
		}
		if name, _, _ := strings.Cut(f.tag.Get("json"), ","); name != "" && name != f.key {
			bad = append(bad, fmt.Sprintf("%v: %s is %s in JSON", typ, f.key, name))
		}
		kind := f.value.Type()
		if kind.Kind() == reflect.Slice || kind.Kind() == reflect.Map {
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Struct {
			bad = append(bad, BadTags(kind)...)
		} else if err := checkTag(reflect.New(kind).Elem(), f.tag); err != nil && strings.Contains(err.Error(), "tag ") {
			bad = append(bad, fmt.Sprintf("%s: %v", f.key, err))
		}
	}
	return bad
}
