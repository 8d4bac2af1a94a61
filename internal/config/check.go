package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Checker is a section with rules that tags cannot say. It reports each key, named from the section on, whose value is not allowed, and what is.
type Checker interface {
	Check(report func(key, format string, args ...any))
}

// Check reports all keys of a section, named by key ("" for a whole configuration), whose values are not allowed, and what is.
func Check(key string, section any) error {
	c := &checker{}
	c.section(reflect.Indirect(reflect.ValueOf(section)), key)
	slices.SortFunc(c.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(c.errs...)
}

// checker collects what is wrong.
type checker struct{ errs []error }

func (c *checker) report(key, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("configuration: %s: %s", key, fmt.Sprintf(format, args...)))
}

// section checks a struct by the tags of its fields and by its own rules.
func (c *checker) section(v reflect.Value, key string) {
	for _, f := range fields(v) {
		c.value(f.value, join(key, f.key), f.tag)
	}
	if own, ok := v.Interface().(Checker); ok {
		own.Check(func(below, format string, args ...any) { c.report(join(key, below), format, args...) })
	}
}

func (c *checker) value(v reflect.Value, key string, tag reflect.StructTag) {
	switch v.Kind() {
	case reflect.Struct:
		c.section(v, key)
	case reflect.Slice:
		for i := range v.Len() {
			c.value(v.Index(i), fmt.Sprintf("%s[%d]", key, i), tag)
		}
	case reflect.Map:
		for _, name := range v.MapKeys() {
			c.section(v.MapIndex(name), join(key, name.String()))
		}
	default:
		if err := checkTag(v, tag); err != nil {
			c.report(key, "%v", err)
		}
	}
}

// join names what is below a key.
func join(key, below string) string {
	if key == "" || below == "" {
		return key + below
	}
	return key + "." + below
}
