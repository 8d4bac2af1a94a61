package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is a key of a struct.
type field struct {
	key   string
	tag   reflect.StructTag
	value reflect.Value
}

// fields returns the keys of a struct in order, those of embedded structs among them.
func fields(v reflect.Value) []field {
	var all []field
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch key := f.Tag.Get("yaml"); {
		case f.Anonymous && key == "":
			all = append(all, fields(v.Field(i))...)
		case key != "-":
			all = append(all, field{key: key, tag: f.Tag, value: v.Field(i)})
		}
	}
	return all
}

// leaves calls visit for every key below v that is no section.
func leaves(v reflect.Value, prefix string, visit func(key string, f field)) {
	for _, f := range fields(v) {
		if key := join(prefix, f.key); f.value.Kind() == reflect.Struct {
			leaves(f.value, key, visit)
		} else {
			visit(key, f)
		}
	}
}

// entry returns a new entry of a map of sections, in which those that inherit are as in the whole configuration.
func entry(root reflect.Value, of reflect.Type) reflect.Value {
	v := reflect.New(of).Elem()
	for _, f := range fields(v) {
		if from := f.tag.Get("inherits"); from != "" {
			all := fields(root)
			f.value.Set(all[slices.IndexFunc(all, func(g field) bool { return g.key == from })].value)
		}
	}
	return v
}

var durationType = reflect.TypeFor[time.Duration]()

// setScalar parses text into a scalar; the error says what is wanted.
func setScalar(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("want a duration such as 500ms, 30s or 2h")
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("want true or false")
		}
		v.SetBool(text == "true")
	case v.Kind() == reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("want a whole number")
		}
		v.SetInt(n)
	case v.Kind() == reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("want a whole number of at least 0")
		}
		v.SetUint(n)
	case v.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("want a number")
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("want a list or a mapping, not a single value")
	}
	return nil
}

// formatScalar is the inverse of setScalar.
func formatScalar(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		text := v.Interface().(time.Duration).String()
		for _, zero := range []string{"m0s", "h0m"} { // 2h0m0s reads badly
			if short, ok := strings.CutSuffix(text, zero); ok {
				text = short + zero[:1]
			}
		}
		return text
	case v.Kind() == reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case v.Kind() == reflect.String:
		return v.String()
	}
	return fmt.Sprint(v.Interface())
}

// checkTag compares a scalar with the bounds of its tag; the error says what is allowed.
func checkTag(v reflect.Value, tag reflect.StructTag) error {
	if names := tag.Get("oneof"); names != "" && v.Kind() == reflect.String {
		if list := strings.Split(names, ","); !slices.Contains(list, v.String()) {
			return fmt.Errorf("want one of %s, not %q", strings.Join(list, ", "), v.String())
		}
	}
	if v.Kind() == reflect.Float64 && math.IsNaN(v.Float()) {
		return fmt.Errorf("want a number")
	}
	for _, bound := range []string{"min", "max"} {
		text := tag.Get(bound)
		if text == "" {
			continue
		}
		limit := reflect.New(v.Type()).Elem()
		if err := setScalar(limit, text); err != nil {
			return fmt.Errorf("tag %s:%q: %w", bound, text, err) // a mistake of whoever wrote the tag, which tests find
		}
		order := compare(v, limit)
		if bound == "min" && order < 0 {
			return fmt.Errorf("want at least %s, not %s", text, formatScalar(v))
		}
		if bound == "max" && order > 0 {
			return fmt.Errorf("want at most %s, not %s", text, formatScalar(v))
		}
	}
	return nil
}

func compare(a, b reflect.Value) int {
	less, more := false, false
	if a.Kind() == reflect.Float64 {
		less, more = a.Float() < b.Float(), a.Float() > b.Float()
	} else {
		less, more = a.Int() < b.Int(), a.Int() > b.Int()
	}
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}
