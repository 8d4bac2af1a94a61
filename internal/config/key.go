package config

import (
	"reflect"
	"strings"
)

// KeyInfo is what is known of a key of the configuration.
type KeyInfo struct {
	Name   string
	Doc    string
	Values []string // that it can have, where these are few
}

// Keys lists the keys of the configuration that have a value, in the order in which it is documented.
func Keys() []KeyInfo {
	var list []KeyInfo
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for _, f := range fields(v) {
			if f.value.Kind() == reflect.Struct {
				walk(f.value, prefix+f.key+".")
				continue
			}
			k := KeyInfo{Name: prefix + f.key, Doc: strings.ReplaceAll(f.tag.Get("doc"), "\n", " ")}
			switch names := f.tag.Get("oneof"); {
			case names != "":
				k.Values = strings.Split(names, ",")
			case f.value.Kind() == reflect.Bool:
				k.Values = []string{"true", "false"}
			}
			list = append(list, k)
		}
	}
	c := Defaults()
	walk(reflect.ValueOf(&c).Elem(), "")
	return list
}
