package gguf

import (
	"bytes"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// goldens opens what testdata/make_goldens.py wrote.
func goldens(t *testing.T) *File {
	t.Helper()
	f, err := Open("testdata/goldens.gguf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// floats reads a whole tensor.
func floats(t *testing.T, f *File, name string) []float32 {
	t.Helper()
	var values []float32
	err := f.Chunks(name, func(chunk []float32) error {
		values = append(values, chunk...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// blocksOf reads a tensor as it is stored.
func blocksOf(t *testing.T, f *File, name string) []byte {
	t.Helper()
	r, err := f.Raw(name)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// same compares bit for bit, so that −0 is not 0.
func same(a, b []float32) int {
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

func TestMetadataOfEveryType(t *testing.T) {
	f := goldens(t)
	if f.Version() != 3 || len(f.Keys()) != 18 || f.Keys()[1] != "a.uint8" || !f.Has("a.bool") || f.Has("a") {
		t.Errorf("version %d, keys %v", f.Version(), f.Keys())
	}
	for key, want := range map[string]int64{
		"a.uint8": 200, "a.int8": -100, "a.uint16": 60000, "a.int16": -30000, "a.uint32": 4e9, "a.int32": -2e9, "a.int64": -1 << 62,
	} {
		if got, err := f.Int(key); got != want || err != nil {
			t.Errorf("%s: got %d, %v; want %d", key, got, err, want)
		}
	}
	text, err := f.String("a.string")
	if text != "Grüße, 世界" || err != nil {
		t.Errorf("string: %q, %v", text, err)
	}
	flag, err := f.Bool("a.bool")
	if !flag || err != nil {
		t.Errorf("bool: %v, %v", flag, err)
	}
	narrow, err := f.Float("a.float32")
	if narrow != float64(float32(1e-5)) || err != nil {
		t.Errorf("float32: %v, %v", narrow, err)
	}
	wide, err := f.Float("a.float64")
	if wide != 1e-5 || err != nil {
		t.Errorf("float64: %v, %v", wide, err)
	}
	strs, err := f.Strings("a.strings")
	if !slices.Equal(strs, []string{"", "Ġt", "世"}) || err != nil {
		t.Errorf("strings: %q, %v", strs, err)
	}
	ints, err := f.Ints("a.ints")
	if !slices.Equal(ints, []int64{3, -1, 2e9}) || err != nil {
		t.Errorf("ints: %v, %v", ints, err)
	}
	numbers, err := f.Floats("a.floats")
	if !slices.Equal(numbers, []float64{0.5, -1e5}) || err != nil {
		t.Errorf("floats: %v, %v", numbers, err)
	}
	if ints, err = f.Ints("a.bytes"); !slices.Equal(ints, []int64{0, 255, 7}) || err != nil {
		t.Errorf("bytes: %v, %v", ints, err)
	}
}

func TestWrongTypesAreNamed(t *testing.T) {
	f := goldens(t)
	of := func(_ any, err error) error { return err }
	for want, err := range map[string]error{
		"a.string: it is a string, want an integer":                of(f.Int("a.string")),
		"a.float32: it is a float32, want an integer":              of(f.Int("a.float32")),
		"a.uint64: 9223372036854775808 is too large":               of(f.Int("a.uint64")),
		"a.ints: it is an array of int32, want an integer":         of(f.Int("a.ints")),
		"a.none: the file has no such key, want an integer":        of(f.Int("a.none")),
		"a.int8: it is a int8, want a float":                       of(f.Float("a.int8")),
		"a.uint8: it is a uint8, want a bool":                      of(f.Bool("a.uint8")),
		"a.bool: it is a bool, want a string":                      of(f.String("a.bool")),
		"a.string: it is a string, want an array of strings":       of(f.Strings("a.string")),
		"a.ints: it is an array of int32, want an array of floats": of(f.Floats("a.ints")),
		"a.bools: it is an array of bool, want an array of integ":  of(f.Ints("a.bools")),
		"a.floats: it is an array of float32, want an array of i":  of(f.Ints("a.floats")),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// TestConvertAsGGMLDoes compares every type with llama.cpp's Python package, bit for bit.
func TestConvertAsGGMLDoes(t *testing.T) {
	f := goldens(t)
	tested := 0
	for kind, format := range formats {
		if format.decode == nil {
			continue
		}
		name := kind.String()
		if kind == F32 {
			name = "source"
		} else if i := same(floats(t, f, name), floats(t, f, "want."+name)); i >= 0 {
			t.Errorf("%s: another value at index %d", name, i)
		}
		tensor, _ := f.Tensor(name)
		if tensor.Type != kind || !slices.Equal(tensor.Shape, []int64{3, 256}) || tensor.Elements() != 768 {
			t.Errorf("%s: %+v", name, tensor)
		}
		tested++
	}
	if tested != 13 {
		t.Errorf("%d types were compared", tested)
	}
}

// TestWriteAsGGMLDoes quantises what llama.cpp's Python package quantised, to the same bytes.
func TestWriteAsGGMLDoes(t *testing.T) {
	f := goldens(t)
	source := floats(t, f, "source")
	for kind := range encoders {
		name := kind.String()
		if kind == F32 {
			name = "source"
		}
		written, err := Source{Type: kind, Shape: []int64{3, 256}, Values: source}.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := blocksOf(t, f, name); !bytes.Equal(written, want) {
			t.Errorf("%s: other bytes, the first at %d", name, slices.IndexFunc(written, func(b byte) bool { return b != want[0] }))
		}
	}
}

// TestWhatIsWrittenIsRead writes the golden file anew from what was read of it.
func TestWhatIsWrittenIsRead(t *testing.T) {
	f := goldens(t)
	fields := []Field{
		{"general.architecture", "golden"}, {"a.uint8", uint8(200)}, {"a.int8", int8(-100)}, {"a.uint16", uint16(60000)},
		{"a.int16", int16(-30000)}, {"a.uint32", uint32(4e9)}, {"a.int32", int32(-2e9)}, {"a.uint64", uint64(1 << 63)},
		{"a.int64", int64(-1 << 62)}, {"a.float32", float32(1e-5)}, {"a.float64", 1e-5}, {"a.bool", true}, {"a.string", "Grüße, 世界"},
		{"a.strings", []string{"", "Ġt", "世"}}, {"a.ints", []int32{3, -1, 2e9}}, {"a.floats", []float32{0.5, -1e5}},
		{"a.bools", []bool{true, false}}, {"a.bytes", []uint8{0, 255, 7}},
	}
	var tensors []Source
	for _, tensor := range f.Tensors() {
		tensors = append(tensors, Source{Name: tensor.Name, Type: tensor.Type, Shape: tensor.Shape, Blocks: blocksOf(t, f, tensor.Name)})
	}
	data, err := Encode(fields, tensors)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.values, f.values) || !reflect.DeepEqual(again.keys, f.keys) || !reflect.DeepEqual(again.tensors, f.tensors) {
		t.Error("header or places of tensors changed in a round trip")
	}
	for _, tensor := range f.Tensors() {
		if !bytes.Equal(blocksOf(t, again, tensor.Name), blocksOf(t, f, tensor.Name)) {
			t.Errorf("%s changed in a round trip", tensor.Name)
		}
	}
}

func TestHalvesAreRounded(t *testing.T) {
	for bits := range uint32(1 << 16) {
		x := half([]byte{byte(bits), byte(bits >> 8)})
		if x != x || math.IsInf(float64(x), 0) {
			continue
		}
		if got := appendHalf(nil, x); got[0] != byte(bits) || got[1] != byte(bits>>8) {
			t.Fatalf("%v of %04x became %x", x, bits, got)
		}
	}
	for x, want := range map[float32]uint16{
		1 + 1.0/2048: 0x3c00, 1 + 3.0/2048: 0x3c02, 1 + 1.01/2048: 0x3c01, 65519: 0x7bff, 65520: 0x7c00, 1e9: 0x7c00, -1e9: 0xfc00,
		1 << 16: 0x7c00, 1.0 / (1 << 25): 0, 1.01 / (1 << 25): 1, float32(math.Inf(1)): 0x7c00,
	} {
		if got := appendHalf(nil, x); uint16(got[0])|uint16(got[1])<<8 != want {
			t.Errorf("%v became %x, want %04x", x, got, want)
		}
	}
	if got := appendHalf(nil, float32(math.NaN())); got[1]&0x7c != 0x7c || got[0]|got[1]&3 == 0 {
		t.Errorf("no number became %x", got)
	}
}
