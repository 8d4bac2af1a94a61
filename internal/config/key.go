package config

import (
	"reflect"
	"strings"
)

// KeyInfo is what is known of a key of a configuration.
type KeyInfo struct {
	Name   string
	Doc    string
	Values []string // that it can have, where these are few
}

// Keys lists the keys of a configuration that have a value, in the order in which it is documented.
func Keys(configuration any) []KeyInfo {
	var list []KeyInfo
	leaves(reflect.Indirect(reflect.ValueOf(configuration)), "", func(key string, f field) {
		k := KeyInfo{Name: key, Doc: strings.ReplaceAll(f.tag.Get("doc"), "\n", " ")}
		switch names := f.tag.Get("oneof"); {
		case names != "":
			k.Values = strings.Split(names, ",")
		case f.value.Kind() == reflect.Bool:
			k.Values = []string{"true", "false"}
		}
		list = append(list, k)
	})
	return list
}
