package safetensors

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// file puts a header of any text before data.
func file(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestParseRefuses(t *testing.T) {
	two := `{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}`
	if _, err := Parse(file(two, 1, 2, 3, 4), 1000); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte {
		if !strings.Contains(two, old) {
			t.Fatalf("%s is not in the header", old)
		}
		return file(strings.Replace(two, old, new, 1), 1, 2, 3, 4)
	}
	huge := file(two, 1, 2, 3, 4)
	huge[7] = 0xff
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "0 bytes, too few"},
		"seven":            {make([]byte, 7), "truncated"},
		"no header":        {make([]byte, 8), "does not begin with a brace"},
		"huge header":      {huge, "the limit is 1000"},
		"long header":      {file(two)[:50], "truncated"},
		"space first":      {file(" "+two, 1, 2, 3, 4), "does not begin with a brace"},
		"not JSON":         {file(two[:40], 1, 2, 3, 4), "header:"},
		"trailing JSON":    {file(two+"{}", 1, 2, 3, 4), "bytes follow"},
		"trailing zero":    {file(two+"\x00", 1, 2, 3, 4), "bytes follow"},
		"truncated data":   {file(two, 1, 2, 3), `"b" ends at byte`},
		"more data":        {file(two, 1, 2, 3, 4, 5), "1 bytes after the last tensor"},
		"no tensors":       {file("{}", 1), "1 bytes after the last tensor"},
		"duplicate":        {replace(`"b":`, `"a":`), `"a" appears twice`},
		"escaped twin":     {replace(`"b":`, `"\u0061":`), `"a" appears twice`},
		"duplicate inside": {replace(`"shape":[2],`, `"shape":[2],"shape":[2],`), `"shape" appears twice`},
		"overlap":          {replace(`[2,4]`, `[1,3]`), `"b" begins at 1 and overlaps "a"`},
		"same place":       {replace(`[2,4]`, `[0,2]`), "overlaps"},
		"gap":              {replace(`[2],"data_offsets":[2,4]`, `[1],"data_offsets":[3,4]`), `1 bytes before tensor "b"`},
		"first gap":        {replace(`[2],"data_offsets":[0,2]`, `[1],"data_offsets":[1,2]`), `1 bytes before tensor "a"`},
		"beyond":           {replace(`[2],"data_offsets":[2,4]`, `[9],"data_offsets":[2,11]`), "truncated"},
		"backwards":        {replace(`[2,4]`, `[4,2]`), "not a begin and an end"},
		"one offset":       {replace(`[2,4]`, `[2]`), "not a begin and an end"},
		"negative":         {replace(`[2,4]`, `[-2,4]`), "-2 is not a size"},
		"fraction":         {replace(`[2,4]`, `[2.0,4]`), "2.0 is not a size"},
		"overflow":         {replace(`[2,4]`, `[2,9223372036854775808]`), "is not a size"},
		"shape overflow":   {replace(`"shape":[2]`, `"shape":[4294967296,4294967296,4294967296]`), "too large"},
		"shape mismatch":   {replace(`"shape":[2]`, `"shape":[3]`), "needs 3 bytes, data_offsets give 2"},
		"null shape":       {replace(`"shape":[2]`, `"shape":null`), "null is not a list"},
		"unknown type":     {replace(`"U8"`, `"Q4_0"`), `unknown dtype "Q4_0"`},
		"type case":        {replace(`"U8"`, `"u8"`), `unknown dtype "u8"`},
		"missing key":      {replace(`"shape":[2],`, ``), "the entry has 2 of them"},
		"unknown key":      {replace(`"shape":[2],`, `"shape":[2],"x":1,`), `unknown key "x"`},
		"null entry":       {file(`{"a":null}`), "not an object"},
		"bad UTF-8":        {file("{\"\xff\":1}"), "UTF-8"},
		"metadata number":  {file(`{"__metadata__":{"n":1}}`), `"n" is not a string`},
		"metadata null":    {file(`{"__metadata__":null}`), "not an object"},
		"metadata twin":    {file(`{"__metadata__":{"n":"1","n":"2"}}`), `"n" appears twice`},
	} {
		if _, err := Parse(tc.data, 1000); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	for name, data := range map[string][]byte{
		"no tensors":    file("{}"),
		"padding":       file("{}   "),
		"zero elements": file(`{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 7),
		"scalar":        file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}`, 0, 0, 128, 63),
		"any order":     file(`{"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 7, 8),
	} {
		if _, err := Parse(data, 1000); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHalfPrecisionIsExact(t *testing.T) {
	for bits := range 1 << 16 {
		raw := binary.LittleEndian.AppendUint16(nil, uint16(bits))
		var half, brain [1]float32
		if err := F16.Convert(half[:], raw); err != nil {
			t.Fatal(err)
		}
		if err := BF16.Convert(brain[:], raw); err != nil {
			t.Fatal(err)
		}
		sign, exp, frac := 1.0, bits>>10&31, float64(bits&1023)
		if bits>>15 == 1 {
			sign = -1
		}
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		switch {
		case exp == 0:
			want = sign * math.Ldexp(frac, -24)
		case exp == 31 && frac == 0:
			want = math.Inf(int(sign))
		case exp == 31:
			want = math.NaN()
		}
		got := float64(half[0])
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (sign < 0) {
			t.Fatalf("F16 %04x: got %v, want %v", bits, got, want)
		}
		if math.Float32bits(brain[0]) != uint32(bits)<<16 {
			t.Fatalf("BF16 %04x: got %v", bits, brain[0])
		}
	}
	if err := DType("I32").Convert(make([]float32, 1), make([]byte, 4)); err == nil {
		t.Error("integers became floats")
	}
	if err := F32.Convert(make([]float32, 2), make([]byte, 7)); err == nil {
		t.Error("too few bytes were accepted")
	}
}

func TestWriteIsCanonical(t *testing.T) {
	big := make([]float32, chunkElements+3)
	for i := range big {
		big[i] = float32(i)
	}
	a := Slice("a<b>", []int64{2, 1}, []float32{1, -2})
	z := Slice("z", []int64{int64(len(big))}, big)
	meta := map[string]string{"format": "pt", "by": "test"}
	first, err := Encode([]Tensor{z, a}, meta)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Encode([]Tensor{a, z}, meta)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the order of tensors changed the bytes (%v)", err)
	}
	const want = `{"__metadata__":{"by":"test","format":"pt"},"a<b>":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},`
	if !strings.HasPrefix(string(first[8:]), want) || binary.LittleEndian.Uint64(first)%8 != 0 {
		t.Errorf("header: %q", first[8:8+len(want)])
	}
	f, err := Parse(first, MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Floats("z"); err != nil || !reflect.DeepEqual(got, big) {
		t.Errorf("values changed in a round trip (%v)", err)
	}
	if !reflect.DeepEqual(f.Metadata(), meta) {
		t.Errorf("metadata: got %v", f.Metadata())
	}
	if _, err := f.Floats("y"); err == nil {
		t.Error("a tensor that is not there was read")
	}
}

// TestWriteRaw mixes widths: the wide elements come first, so that their data is aligned.
func TestWriteRaw(t *testing.T) {
	bytesOf := func(data ...byte) func(func([]byte) error) error {
		return func(visit func([]byte) error) error { return visit(data) }
	}
	var b bytes.Buffer
	err := WriteRaw(&b, []Raw{{"a", I8, []int64{3}, bytesOf(1, 2, 255)}, {"b", U8, []int64{1}, bytesOf(9)}, Slice("z", []int64{1}, []float32{2}).Raw()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b.Bytes(), MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range f.Entries() {
		names = append(names, e.Name+" "+string(e.Type))
	}
	if want := []string{"z F32", "a I8", "b U8"}; !reflect.DeepEqual(names, want) {
		t.Errorf("tensors lie as %v, want %v", names, want)
	}
	e, _ := f.Entry("a")
	if data, err := io.ReadAll(f.Reader(e)); err != nil || !bytes.Equal(data, []byte{1, 2, 255}) {
		t.Errorf("a holds %v (%v)", data, err)
	}
	if err := WriteRaw(io.Discard, []Raw{{"a", "Q3", []int64{3}, bytesOf()}}, nil); err == nil || !strings.Contains(err.Error(), `"Q3"`) {
		t.Errorf("an unknown type: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	ok := func(func([]float32) error) error { return nil }
	for name, tc := range map[string]struct {
		tensors []Tensor
		want    string
	}{
		"twice":    {[]Tensor{{"a", []int64{0}, ok}, {"a", []int64{0}, ok}}, "a appears twice"},
		"negative": {[]Tensor{{"a", []int64{-1}, ok}}, "bad shape [-1]"},
		"overflow": {[]Tensor{{"a", []int64{1 << 40, 1 << 40}, ok}}, "bad shape"},
		"few":      {[]Tensor{{"a", []int64{3}, ok}}, "3 values are missing"},
		"many":     {[]Tensor{Slice("a", []int64{1}, make([]float32, 2))}, "more values than shape [1]"},
		"metadata": {[]Tensor{{"__metadata__", []int64{0}, ok}}, "not a tensor's name"},
	} {
		if err := Write(io.Discard, tc.tensors, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, 100); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
	if _, err := Open(filepath.Dir(path), 100); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: got %v", err)
	}
}

// FuzzParse checks that accepted files cover their data exactly and that their tensors can be read.
func FuzzParse(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}`, 1, 2, 3, 4))
	f.Add(file(`{"__metadata__":{"a":"b"},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[1,1],"data_offsets":[2,3]}} `, 1, 2, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data, MaxAdapterHeader)
		if err != nil {
			return
		}
		end := int64(8) + int64(binary.LittleEndian.Uint64(data))
		for _, e := range file.Entries() {
			if e.Offset != end || e.Elements()*e.Type.Size() != e.Length {
				t.Fatalf("tensor %q at %d, want %d: %+v", e.Name, e.Offset, end, e)
			}
			end += e.Length
			n := int64(1)
			for _, d := range e.Shape {
				n *= d
			}
			if n != e.Elements() {
				t.Fatalf("shape %v has %d elements, not %d", e.Shape, n, e.Elements())
			}
			if e.Type == F32 || e.Type == F16 || e.Type == BF16 {
				if values, err := file.Floats(e.Name); err != nil || int64(len(values)) != n {
					t.Fatalf("read %q: %d values, %v", e.Name, len(values), err)
				}
			}
		}
		if end != int64(len(data)) {
			t.Fatalf("tensors end at %d of %d", end, len(data))
		}
	})
}
