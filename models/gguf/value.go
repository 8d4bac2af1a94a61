package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// kind is the type of a value in the metadata, with the number that the format has for it.
type kind uint32

const (
	kindUint8 kind = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// kinds has their names and the bytes that one value takes: of a string and an array at least.
var kinds = []struct {
	name  string
	bytes int64
}{
	{"uint8", 1}, {"int8", 1}, {"uint16", 2}, {"int16", 2}, {"uint32", 4}, {"int32", 4}, {"float32", 4}, {"bool", 1},
	{"string", 8}, {"array", 12}, {"uint64", 8}, {"int64", 8}, {"float64", 8},
}

// value is one value of the metadata. Numbers stay the bytes that the file has, so that long arrays cost no more memory than there.
type value struct {
	kind  kind // of the elements, if it is an array
	array bool
	count int64
	raw   []byte   // numbers and bools
	texts []string // strings
}

// describe is the type in words.
func (v value) describe() string {
	if v.array {
		return fmt.Sprintf("an array of %s", kinds[v.kind].name)
	}
	return "a " + kinds[v.kind].name
}

// value reads a type and the value behind it.
func (c *cursor) value(what string) (value, error) {
	v := value{count: 1}
	var err error
	if v.kind, err = c.kind(what); err != nil {
		return v, err
	}
	if v.kind == kindArray {
		v.array = true
		if v.kind, err = c.kind("the elements of " + what); err != nil {
			return v, err
		}
		if v.kind == kindArray {
			return v, fmt.Errorf("%s is an array of arrays, which are not read", what)
		}
		limit := int64(0)
		if v.kind == kindString {
			limit = maxStrings
		}
		if v.count, err = c.count(what, "elements", kinds[v.kind].bytes, limit); err != nil {
			return v, err
		}
	}
	if v.kind != kindString {
		v.raw = make([]byte, v.count*kinds[v.kind].bytes)
		if err := c.read(v.raw, what); err != nil {
			return v, err
		}
		return v, v.checkBools(what)
	}
	v.texts = make([]string, v.count)
	for i := range v.texts {
		if v.texts[i], err = c.text(what); err != nil {
			return v, err
		}
	}
	return v, nil
}

func (c *cursor) kind(what string) (kind, error) {
	n, err := c.u32(what)
	if err == nil && n >= uint32(len(kinds)) {
		err = fmt.Errorf("%s has type %d, which is not known", what, n)
	}
	return kind(n), err
}

// checkBools refuses bools that are neither 0 nor 1.
func (v value) checkBools(what string) error {
	if v.kind == kindBool {
		if i := slices.IndexFunc(v.raw, func(b byte) bool { return b > 1 }); i >= 0 {
			return fmt.Errorf("%s is a bool of %d, want 0 or 1", what, v.raw[i])
		}
	}
	return nil
}

// integer is element i, false for one beyond an int64.
func (v value) integer(i int) (int64, bool) {
	switch v.kind {
	case kindUint8:
		return int64(v.raw[i]), true
	case kindInt8:
		return int64(int8(v.raw[i])), true
	case kindUint16:
		return int64(binary.LittleEndian.Uint16(v.raw[2*i:])), true
	case kindInt16:
		return int64(int16(binary.LittleEndian.Uint16(v.raw[2*i:]))), true
	case kindUint32:
		return int64(binary.LittleEndian.Uint32(v.raw[4*i:])), true
	case kindInt32:
		return int64(int32(binary.LittleEndian.Uint32(v.raw[4*i:]))), true
	}
	n := binary.LittleEndian.Uint64(v.raw[8*i:])
	return int64(n), v.kind == kindInt64 || n <= math.MaxInt64
}

func (v value) float(i int) float64 {
	if v.kind == kindFloat32 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw[4*i:])))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.raw[8*i:]))
}

func (k kind) isInteger() bool {
	return k != kindFloat32 && k != kindFloat64 && k != kindBool && k != kindString
}

// find looks up a key whose value must be, or must not be, an array of kinds that accept says yes to.
func (f *File) find(key, want string, array bool, accept func(kind) bool) (value, error) {
	v, ok := f.values[key]
	if !ok {
		return v, fmt.Errorf("read %s: the file has no such key, want %s", key, want)
	}
	if v.array != array || !accept(v.kind) {
		return v, fmt.Errorf("read %s: it is %s, want %s", key, v.describe(), want)
	}
	return v, nil
}

// Keys lists the keys of the metadata in the order of the file. The caller must not change it.
func (f *File) Keys() []string { return f.keys }

// Has says whether the metadata has a key.
func (f *File) Has(key string) bool {
	_, ok := f.values[key]
	return ok
}

// String is the text of a key, which must be valid UTF-8.
func (f *File) String(key string) (string, error) {
	v, err := f.find(key, "a string", false, func(k kind) bool { return k == kindString })
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(v.texts[0]) {
		return "", fmt.Errorf("read %s: it is not UTF-8", key)
	}
	return v.texts[0], nil
}

// Int is the integer of a key, of whatever width and sign the file has it; one above the largest int64 is an error.
func (f *File) Int(key string) (int64, error) {
	v, err := f.find(key, "an integer", false, kind.isInteger)
	if err != nil {
		return 0, err
	}
	n, ok := v.integer(0)
	if !ok {
		return 0, fmt.Errorf("read %s: %d is too large", key, uint64(n))
	}
	return n, nil
}

// Float is the float32 or float64 of a key. It may be infinite or no number.
func (f *File) Float(key string) (float64, error) {
	v, err := f.find(key, "a float", false, func(k kind) bool { return k == kindFloat32 || k == kindFloat64 })
	if err != nil {
		return 0, err
	}
	return v.float(0), nil
}

// Bool is the bool of a key.
func (f *File) Bool(key string) (bool, error) {
	v, err := f.find(key, "a bool", false, func(k kind) bool { return k == kindBool })
	return err == nil && v.raw[0] == 1, err
}

// Strings is the array of strings of a key, each of them valid UTF-8. The caller must not change it.
func (f *File) Strings(key string) ([]string, error) {
	v, err := f.find(key, "an array of strings", true, func(k kind) bool { return k == kindString })
	if err != nil {
		return nil, err
	}
	for i, s := range v.texts {
		if !utf8.ValidString(s) {
			return nil, fmt.Errorf("read %s: %.80q at index %d is not UTF-8", key, s, i)
		}
	}
	return v.texts, nil
}

// Ints is the array of integers of a key.
func (f *File) Ints(key string) ([]int64, error) {
	v, err := f.find(key, "an array of integers", true, kind.isInteger)
	if err != nil {
		return nil, err
	}
	list := make([]int64, v.count)
	for i := range list {
		var ok bool
		if list[i], ok = v.integer(i); !ok {
			return nil, fmt.Errorf("read %s: %d at index %d is too large", key, uint64(list[i]), i)
		}
	}
	return list, nil
}

// Floats is the array of float32 or float64 of a key.
func (f *File) Floats(key string) ([]float64, error) {
	v, err := f.find(key, "an array of floats", true, func(k kind) bool { return k == kindFloat32 || k == kindFloat64 })
	if err != nil {
		return nil, err
	}
	list := make([]float64, v.count)
	for i := range list {
		list[i] = v.float(i)
	}
	return list, nil
}
