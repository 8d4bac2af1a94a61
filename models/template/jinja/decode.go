package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// From makes a value of what JSON has: nil, bool, int, int64, float64, json.Number, string, []any, map[string]any, whose
// keys come sorted, and json.RawMessage, whose mappings keep their order. Strings are a user's text.
func From(v any) (Value, error) {
	made, err := convert(v, 0)
	return Value{made}, err
}

func convert(v any, depth int) (value, error) {
	if depth > maxNesting {
		return nil, errNested
	}
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("a number is not finite")
		}
		return v, nil
	case string:
		return from(v), nil
	case json.Number:
		return numeral(v.String())
	case json.RawMessage:
		return decodeAll(v)
	case []any:
		out := &list{items: make([]value, len(v))}
		for i, item := range v {
			made, err := convert(item, depth+1)
			if err != nil {
				return nil, err
			}
			out.items[i] = made
		}
		return out, nil
	case map[string]any:
		out := newDict()
		for _, name := range slices.Sorted(maps.Keys(v)) {
			made, err := convert(v[name], depth+1)
			if err != nil {
				return nil, err
			}
			out.set(name, from(name), made)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a %T is no value of a template", v)
}

var errNested = fmt.Errorf("it is nested more than %d levels deep", maxNesting)

// decodeAll reads one JSON value.
func decodeAll(data []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decode(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func decode(d *json.Decoder, depth int) (value, error) {
	if depth > maxNesting {
		return nil, errNested
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case bool:
		return t, nil
	case string:
		return from(t), nil
	case json.Number:
		return numeral(t.String())
	case json.Delim:
		if t == '{' {
			return decodeDict(d, depth)
		}
		out := &list{}
		for d.More() {
			item, err := decode(d, depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		_, err := d.Token()
		return out, err
	}
	return nil, nil
}

func decodeDict(d *json.Decoder, depth int) (value, error) {
	out := newDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errors.New("a key is no string")
		}
		v, err := decode(d, depth+1)
		if err != nil {
			return nil, err
		}
		out.set(name, from(name), v)
	}
	_, err := d.Token()
	return out, err
}

// numeral is a number as JSON writes it.
func numeral(s string) (value, error) {
	if n, err := parseInt(s, 10); err == nil {
		return n, nil
	}
	if f, ok := parseFloat(s); ok && strings.ContainsAny(s, ".eE") {
		return f, nil
	}
	return nil, fmt.Errorf("number %.40s is out of range", s)
}
