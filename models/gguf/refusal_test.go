package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// header builds the bytes of a header piece by piece, so that it can say anything.
type header []byte

func (h header) u32(n uint32) header { return binary.LittleEndian.AppendUint32(h, n) }
func (h header) u64(n uint64) header { return binary.LittleEndian.AppendUint64(h, n) }
func (h header) text(s string) header {
	return append(h.u64(uint64(len(s))), s...)
}

// counts begins a header of version 3.
func counts(tensors, pairs uint64) header { return header("GGUF").u32(3).u64(tensors).u64(pairs) }

// tensor adds a row of the table, with dims as the file spells them.
func (h header) tensor(name string, kind Type, offset uint64, dims ...uint64) header {
	h = h.text(name).u32(uint32(len(dims)))
	for _, d := range dims {
		h = h.u64(d)
	}
	return h.u32(uint32(kind)).u64(offset)
}

// data fills up to a multiple of 32 and adds n bytes.
func (h header) data(n int) header { return append(pad(h, 32), make([]byte, n)...) }

// room is what a key-value of many bytes takes, so that claims of counts are held against something.
func (h header) room(n int) header {
	return h.text("room").u32(uint32(kindString)).text(strings.Repeat("x", n))
}

var hostile = map[string]struct {
	data header
	want string
}{
	"empty":            {header{}, "the magic number takes 4 bytes, the file has 0 left"},
	"another format":   {header("PK\x03\x04").u64(0).u64(0), "this is no GGUF file"},
	"only a magic":     {header("GGUF"), "the version takes 4 bytes"},
	"version 1":        {header("GGUF").u32(1).u32(0).u32(0), "version 1 of the format is not read"},
	"version 4":        {header("GGUF").u32(4).u64(0).u64(0), "version 4"},
	"version 0":        {header("GGUF").u32(0).u64(0).u64(0), "version 0"},
	"big-endian":       {header("GGUF\x00\x00\x00\x03").u64(0).u64(0), "big-endian"},
	"counts cut":       {header("GGUF").u32(3).u64(0), "takes 8 bytes"},
	"2^60 tensors":     {counts(1<<60, 0).room(1000), "claims 1152921504606846976 tensors"},
	"2^60 keys":        {counts(0, 1<<60).room(1000), "claims 1152921504606846976 key-values"},
	"2^64 keys":        {counts(0, math.MaxUint64).room(1000), "claims 18446744073709551615 key-values"},
	"both too many":    {counts(25, 40).room(1000), "25 tensors and 40 key-values"},
	"key cut":          {counts(0, 1).u64(30).u64(0).u64(0), "key 0 claims 30 characters of 1 bytes at least, the file has 16 left"},
	"key of 2^60":      {counts(0, 1).u64(1 << 60).room(1000), "key 0 claims 1152921504606846976 characters"},
	"key without name": {counts(0, 1).text("").u32(uint32(kindUint8)).u64(0), "key 0 is empty"},
	"key too long":     {counts(0, 1).text(strings.Repeat("k", 1<<16)).u32(uint32(kindUint8)).u64(0), "the limit is 65535"},
	"key not UTF-8":    {counts(0, 1).text("\xff\xfe").u32(uint32(kindUint8)).u64(0), `key 0, "\xff\xfe", is not UTF-8`},
	"key twice":        {counts(0, 2).text("k").u32(uint32(kindUint8)).u8(1).text("k").u32(uint32(kindUint8)).u8(1), `key "k" appears twice`},
	"type unknown":     {counts(0, 1).text("k").u32(13).u64(0), `the value of "k" has type 13`},
	"element unknown":  {counts(0, 1).text("k").u32(uint32(kindArray)).u32(13).u64(0), `elements of the value of "k" has type 13`},
	"array of arrays":  {counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(kindArray)).u64(1).u64(0), `"k" is an array of arrays`},
	"2^60 elements":    {counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(kindUint8)).u64(1 << 60).room(1000), `"k" claims 1152921504606846976 elements`},
	"2^60 strings":     {counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(kindString)).u64(1 << 60).room(1000), `"k" claims 1152921504606846976 elements of 8 bytes`},
	"string of 2^60":   {counts(0, 1).text("k").u32(uint32(kindString)).u64(1 << 60).room(1000), `"k" claims 1152921504606846976 characters`},
	"element of 2^60":  {counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(kindString)).u64(1).u64(1 << 60), `"k" claims 1152921504606846976 characters`},
	"value cut":        {counts(0, 1).text("key").u32(uint32(kindUint64)).u32(0), `the value of "key" takes 8 bytes, the file has 4 left`},
	"a bool of 2":      {counts(0, 1).text("k").u32(uint32(kindBool)).u8(2), `"k" is a bool of 2`},
	"bools of 2":       {counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(kindBool)).u64(2).u8(1).u8(2), `"k" is a bool of 2`},
	"alignment 0":      {counts(0, 1).text("general.alignment").u32(uint32(kindUint32)).u32(0), "general.alignment is 0"},
	"alignment 4":      {counts(0, 1).text("general.alignment").u32(uint32(kindUint32)).u32(4), "general.alignment is 4"},
	"alignment 48":     {counts(0, 1).text("general.alignment").u32(uint32(kindUint32)).u32(48), "general.alignment is 48"},
	"alignment uint64": {counts(0, 1).text("general.alignment").u32(uint32(kindUint64)).u64(32), "general.alignment is a uint64, want a uint32"},
	"alignment array":  {counts(0, 1).text("general.alignment").u32(uint32(kindArray)).u32(uint32(kindUint32)).u64(1).u32(32), "an array of uint32"},

	"tensor without name": {counts(1, 0).tensor("", F32, 0, 1).data(32), "the name of tensor 0 is empty"},
	"tensor not UTF-8":    {counts(1, 0).tensor("\xc3", F32, 0, 1).data(32), "the name of tensor 0"},
	"tensor twice":        {counts(2, 0).tensor("t", F32, 0, 1).tensor("t", F32, 32, 1).data(64), `tensor "t" appears twice`},
	"no dimensions":       {counts(1, 0).tensor("t", F32, 0).data(32), `tensor "t" has 0 dimensions`},
	"five dimensions":     {counts(1, 0).tensor("t", F32, 0, 1, 1, 1, 1, 1).data(32), `tensor "t" has 5 dimensions`},
	"2^32 dimensions":     {counts(1, 0).text("t").u32(math.MaxUint32).data(64), `tensor "t" has 4294967295 dimensions`},
	"a dimension of 0":    {counts(1, 0).tensor("t", F32, 0, 4, 0).data(32), `tensor "t" has a dimension of 0`},
	"a negative one":      {counts(1, 0).tensor("t", F32, 0, math.MaxUint64).data(32), `tensor "t" has a dimension of 18446744073709551615`},
	"product too large":   {counts(1, 0).tensor("t", F32, 0, 1<<32, 1<<32).data(32), `tensor "t": shape [4294967296 4294967296] is too large`},
	"bytes too large":     {counts(1, 0).tensor("t", F32, 0, 1<<62).data(32), `tensor "t": shape [4611686018427387904] of F32 is too large`},
	"a terabyte":          {counts(1, 0).tensor("t", F32, 0, 1<<20, 1<<18).data(32), `tensor "t" has 1099511627776 bytes at 0 of the data`},
	"half a block":        {counts(1, 0).tensor("t", Q4_0, 0, 48).data(64), `tensor "t": rows of 48 do not fall into the blocks of 32 of Q4_0`},
	"half a super-block":  {counts(1, 0).tensor("t", Q4_K, 0, 128, 2).data(256), "rows of 128 do not fall into the blocks of 256 of Q4_K"},
	"a type removed":      {counts(1, 0).tensor("t", 4, 0, 32).data(64), `tensor "t": type 4 is not known`},
	"a type to come":      {counts(1, 0).tensor("t", 4711, 0, 32).data(64), "type 4711 is not known"},
	"not aligned":         {counts(1, 0).tensor("t", F32, 16, 4).data(64), `tensor "t" begins at 16 of the data`},
	"outside":             {counts(1, 0).tensor("t", F32, 64, 4).data(64), `tensor "t" has 16 bytes at 64 of the data, the file has 64`},
	"far outside":         {counts(1, 0).tensor("t", F32, 1<<62, 4).data(64), `tensor "t" has 16 bytes`},
	"farther outside":     {counts(1, 0).tensor("t", F32, 1<<63, 4).data(64), "which no file reaches"},
	"data cut":            {counts(1, 0).tensor("t", F32, 0, 9).data(32), `tensor "t" has 36 bytes`},
	"no data":             {counts(1, 0).tensor("t", F32, 0, 4), "the file has 0 of data"},
	"table cut":           {counts(2, 0).tensor("the first of two rows", F32, 0, 1).text("second").u32(1).u64(1).u32(0), `tensor "second" takes 8 bytes`},
	"overlap":             {counts(2, 0).tensor("a", F32, 0, 9).tensor("b", F32, 32, 4).data(64), `tensor "b" begins at byte 128 and overlaps "a", which ends at 132`},
	"overlap backwards":   {counts(2, 0).tensor("b", F32, 32, 4).tensor("a", F32, 0, 9).data(64), `overlaps "a"`},
	"the same place":      {counts(2, 0).tensor("a", F32, 0, 4).tensor("b", F32, 0, 4).data(64), `tensor "b" begins at byte 96 and overlaps "a"`},
}

func (h header) u8(n byte) header { return append(h, n) }

// TestHostileHeaders refuses each by name, and with memory in proportion to the file and not to its claims.
func TestHostileHeaders(t *testing.T) {
	for name, tc := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(tc.data)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<18+16*len(tc.data)); used > most {
			t.Errorf("%s: %d bytes were allocated for a file of %d", name, used, len(tc.data))
		}
	}
}

func TestParseAccepts(t *testing.T) {
	for name, data := range map[string]header{
		"nothing":        counts(0, 0),
		"version 2":      header("GGUF").u32(2).u64(0).u64(0),
		"gaps":           counts(2, 0).tensor("b", F32, 128, 1).tensor("a", F32, 32, 1).data(200),
		"alignment 8":    counts(0, 1).text("general.alignment").u32(uint32(kindUint32)).u32(8),
		"no padding":     counts(1, 0).tensor("t", F32, 0, 1).data(4),
		"a measured one": counts(1, 0).tensor("t", 16, 0, 256).data(66),
		"empty array":    counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(kindString)).u64(0),
		"text of bytes":  counts(0, 1).text("k").u32(uint32(kindString)).text("\xff"),
	} {
		if _, err := Parse(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTextsThatAreNotUTF8(t *testing.T) {
	f, err := Parse(counts(0, 2).text("k").u32(uint32(kindString)).text("\xff").text("l").u32(uint32(kindArray)).u32(uint32(kindString)).u64(2).text("a").text("\xff"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.String("k"); err == nil || !strings.Contains(err.Error(), "read k: it is not UTF-8") {
		t.Error(err)
	}
	if _, err := f.Strings("l"); err == nil || !strings.Contains(err.Error(), "at index 1 is not UTF-8") {
		t.Error(err)
	}
}

// zeros is a file of any size that takes no memory; its beginning is given.
type zeros struct{ head []byte }

func (z zeros) ReadAt(b []byte, at int64) (int, error) {
	clear(b)
	if at < int64(len(z.head)) {
		copy(b, z.head[at:])
	}
	return len(b), nil
}

// TestHeadersEnd reads files whose size would hold what they claim: the limit of headers must stop them.
func TestHeadersEnd(t *testing.T) {
	array := func(k kind, n uint64) header {
		return counts(0, 1).text("k").u32(uint32(kindArray)).u32(uint32(k)).u64(n)
	}
	for name, tc := range map[string]struct {
		head header
		want string
	}{
		"a text":       {counts(0, 1).text("k").u32(uint32(kindString)).u64(1 << 29), "that a header may have"},
		"bytes":        {array(kindUint8, 1<<29), "that a header may have"},
		"many strings": {array(kindString, 1<<25-100), "the limit is 16777216"},
		"many keys":    {counts(0, MaxKeys+1), "key-values, the limit is 65536"},
		"many tensors": {counts(MaxTensors+1, 0), "tensors, the limit is 131072"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readHeader(zeros{tc.head}, 1<<40)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<18 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
	if _, err := Open(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := Open(path + "x"); err == nil {
		t.Error("a file that is not there was opened")
	}
}

func TestValuesThatAreNotFinite(t *testing.T) {
	infinite := float32(math.Inf(1))
	data, err := Encode(nil, []Source{
		{Name: "plain", Type: F32, Shape: []int64{2, 2}, Values: []float32{0, 1, float32(math.NaN()), 3}},
		{Name: "halves", Type: F16, Shape: []int64{3}, Values: []float32{0, 1, 1e6}},
		{Name: "blocks", Type: Q4_1, Shape: []int64{2, 32}, Values: append(make([]float32, 40), append(make([]float32, 23), infinite)...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	skip := func([]float32) error { return nil }
	for name, want := range map[string]string{
		"plain": "tensor plain: the value at index 2 is NaN", "halves": "tensor halves: the value at index 2 is +Inf", "blocks": "tensor blocks: the value at index 32",
		"none": "read tensor none: the file has no such tensor",
	} {
		if err := f.Chunks(name, skip); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
	if err := f.Blocks("blocks", func(*Block) error { return nil }); err == nil || !strings.Contains(err.Error(), "the block at index 32 has scale +Inf") {
		t.Errorf("blocks: %v", err)
	}
}

func TestTypesThatAreNotRead(t *testing.T) {
	f, err := Parse(counts(1, 0).tensor("t", 20, 0, 32).data(18))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Chunks("t", func([]float32) error { return nil }); err == nil || !strings.Contains(err.Error(), "tensor t: IQ4_NL is not read") {
		t.Errorf("got %v", err)
	}
	if _, err := f.Raw("u"); err == nil {
		t.Error("a tensor that is not there was read")
	}
	if err := Type(4711).Convert(nil, nil); err == nil || !strings.Contains(err.Error(), "type 4711") {
		t.Errorf("got %v", err)
	}
	for _, n := range []int{31, 64} {
		if err := Q8_0.Convert(make([]float32, n), make([]byte, 34)); err == nil {
			t.Errorf("%d values of a block", n)
		}
	}
}

// TestPieces reads rows that are longer than a piece, rows of which many make a piece, and rows in another order.
func TestPieces(t *testing.T) {
	for _, shape := range [][]int64{{3, pieceElements + 64}, {2*pieceElements + 96}, {5000, 96}, {2, 3, 64}, {pieceElements, 1}} {
		n := Tensor{Shape: shape}.Elements()
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(i%251) - 100
		}
		data, err := Encode(nil, []Source{{Name: "before", Type: F32, Shape: []int64{1}, Values: []float32{7}}, {Name: "t", Type: F32, Shape: shape, Values: values}})
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		width, at := shape[len(shape)-1], 0
		err = f.Chunks("t", func(chunk []float32) error {
			if len(chunk) > pieceElements || width <= pieceElements && int64(len(chunk))%width != 0 {
				return fmt.Errorf("a piece of %d elements", len(chunk))
			}
			if i := same(chunk, values[at:at+len(chunk)]); i >= 0 {
				return fmt.Errorf("another value at index %d", at+i)
			}
			at += len(chunk)
			return nil
		})
		if err != nil || at != len(values) {
			t.Errorf("%v: %v after %d elements", shape, err, at)
		}
		tensor, _ := f.Tensor("t")
		r := f.rowsOf(tensor)
		last := n/width - 1
		r.source = func(row int64) int64 { return last - row }
		at = 0
		err = r.chunks(func(chunk []float32) error {
			from := (last-int64(at)/width)*width + int64(at)%width
			if i := same(chunk, values[from:from+int64(len(chunk))]); i >= 0 {
				return fmt.Errorf("another value at index %d", at+i)
			}
			at += len(chunk)
			return nil
		})
		if err != nil || at != len(values) {
			t.Errorf("%v backwards: %v after %d elements", shape, err, at)
		}
	}
}

func TestAFileThatShrinks(t *testing.T) {
	data, err := Encode(nil, []Source{{Name: "t", Type: F32, Shape: []int64{64}, Values: make([]float32, 64)}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	f.r = bytes.NewReader(data[:len(data)-1])
	if err := f.Chunks("t", func([]float32) error { return nil }); err == nil || !strings.Contains(err.Error(), "tensor t: EOF") {
		t.Errorf("got %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		field  []Field
		source []Source
		want   string
	}{
		"a value":       {[]Field{{"k", struct{}{}}}, nil, "write key k: a struct {}"},
		"a type":        {nil, []Source{{Name: "t", Type: Q4_K, Shape: []int64{256}, Values: make([]float32, 256)}}, "write tensor t: Q4_K is not made here"},
		"values":        {nil, []Source{{Name: "t", Type: F32, Shape: []int64{2, 2}, Values: make([]float32, 3)}}, "3 values do not fill shape [2 2]"},
		"part of block": {nil, []Source{{Name: "t", Type: Q8_0, Shape: []int64{4, 16}, Values: make([]float32, 64)}}, "blocks of 32"},
	} {
		if err := Write(io.Discard, tc.field, tc.source); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}
