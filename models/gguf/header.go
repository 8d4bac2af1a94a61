package gguf

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// Limits of a header. Real ones have a thousand tensors, some fifty keys and, where the vocabulary is large, ten megabytes.
const (
	MaxHeader  = 256 << 20
	MaxKeys    = 1 << 16
	MaxTensors = 1 << 17
	maxName    = 1<<16 - 1 // bytes of a key, as the format says; ggml takes tensor names of 63
	maxDims    = 4         // ggml's GGML_MAX_DIMS
	maxStrings = 1 << 24   // of an array: in memory an empty one takes twice what it takes in the file
)

// The least that a key-value and a row of the tensor table take in a file.
const (
	leastPair   = 8 + 1 + 4 + 1
	leastTensor = 8 + 1 + 4 + 8 + 4 + 8
)

// readHeader reads and checks the header of a file of size bytes.
func readHeader(r io.ReaderAt, size int64) (*File, error) {
	end := min(size, MaxHeader)
	c := &cursor{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, end), 1<<16), end: end, whole: end == size}
	f := &File{r: r, values: map[string]value{}, byName: map[string]int{}}
	tensors, pairs, err := c.preamble(f)
	if err != nil {
		return nil, err
	}
	for i := range pairs {
		key, err := c.name(fmt.Sprintf("key %d", i))
		if err != nil {
			return nil, err
		}
		if _, ok := f.values[key]; ok {
			return nil, fmt.Errorf("key %.80q appears twice", key)
		}
		if f.values[key], err = c.value(fmt.Sprintf("the value of %.80q", key)); err != nil {
			return nil, err
		}
		f.keys = append(f.keys, key)
	}
	alignment, err := f.alignment()
	if err != nil {
		return nil, err
	}
	for i := range tensors {
		t, err := c.tensor(i)
		if err != nil {
			return nil, err
		}
		if _, ok := f.byName[t.Name]; ok {
			return nil, fmt.Errorf("tensor %.80q appears twice", t.Name)
		}
		f.byName[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	return f, place(f.tensors, (c.at+alignment-1)/alignment*alignment, size, alignment)
}

// alignment is general.alignment, the multiple of bytes at which tensors begin: 32 where the file does not say.
func (f *File) alignment() (int64, error) {
	const key = "general.alignment"
	v, ok := f.values[key]
	if !ok {
		return 32, nil
	}
	if v.kind != kindUint32 {
		return 0, fmt.Errorf("%s is %s, want a uint32", key, v.describe())
	}
	n, err := f.Int(key)
	if err == nil && (n < 8 || n&(n-1) != 0) {
		err = fmt.Errorf("%s is %d, want a power of two from 8 on", key, n)
	}
	return n, err
}

// place checks where tensors lie and makes their offsets absolute. Bytes between tensors are left alone.
func place(tensors []Tensor, start, size, alignment int64) error {
	order := make([]int, len(tensors))
	for i := range tensors {
		t := &tensors[i]
		order[i] = i
		if t.Offset%alignment != 0 {
			return fmt.Errorf("tensor %.80q begins at %d of the data, which is no multiple of the alignment %d", t.Name, t.Offset, alignment)
		}
		if start > size || t.Offset > size-start || t.Length > size-start-t.Offset {
			return fmt.Errorf("tensor %.80q has %d bytes at %d of the data, the file has %d of data: it is truncated", t.Name, t.Length, t.Offset, max(0, size-start))
		}
		t.Offset += start
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(tensors[a].Offset, tensors[b].Offset) })
	for i := 1; i < len(order); i++ {
		a, b := tensors[order[i-1]], tensors[order[i]]
		if b.Offset < a.Offset+a.Length {
			return fmt.Errorf("tensor %.80q begins at byte %d and overlaps %.80q, which ends at %d", b.Name, b.Offset, a.Name, a.Offset+a.Length)
		}
	}
	return nil
}

// cursor reads a header from its beginning. It holds every count against what is left.
type cursor struct {
	r       *bufio.Reader
	at, end int64
	whole   bool // the end is that of the file and not the limit of headers
	small   [8]byte
}

// preamble reads magic number, version and the two counts.
func (c *cursor) preamble(f *File) (tensors, pairs int64, err error) {
	if err := c.read(c.small[:4], "the magic number"); err != nil {
		return 0, 0, err
	}
	if magic := string(c.small[:4]); magic != "GGUF" {
		return 0, 0, fmt.Errorf("the file begins with %q and not with GGUF: this is no GGUF file", magic)
	}
	if f.version, err = c.u32("the version"); err != nil {
		return 0, 0, err
	}
	switch {
	case f.version == 2 || f.version == 3:
	case f.version != 0 && f.version&0xffff == 0:
		return 0, 0, fmt.Errorf("the file is big-endian; only little-endian files are read, gguf_convert_endian.py of llama.cpp makes one")
	default:
		return 0, 0, fmt.Errorf("version %d of the format is not read, only 2 and 3; convert the model again with a current llama.cpp", f.version)
	}
	if tensors, err = c.count("the file", "tensors", leastTensor, MaxTensors); err != nil {
		return 0, 0, err
	}
	if pairs, err = c.count("the file", "key-values", leastPair, MaxKeys); err != nil {
		return 0, 0, err
	}
	if least := tensors*leastTensor + pairs*leastPair; least > c.left() {
		return 0, 0, fmt.Errorf("the file claims %d tensors and %d key-values, which take %d bytes at least, %s", tensors, pairs, least, c.remains())
	}
	return tensors, pairs, nil
}

// tensor reads row i of the table; its offset is still that in the data.
func (c *cursor) tensor(i int64) (Tensor, error) {
	var t Tensor
	var err error
	if t.Name, err = c.name(fmt.Sprintf("the name of tensor %d", i)); err != nil {
		return t, err
	}
	what := fmt.Sprintf("tensor %.80q", t.Name)
	dims, err := c.u32(what)
	if err != nil {
		return t, err
	}
	if dims < 1 || dims > maxDims {
		return t, fmt.Errorf("%s has %d dimensions, want 1 to %d", what, dims, maxDims)
	}
	t.Shape = make([]int64, dims)
	for j := range t.Shape {
		d, err := c.u64(what)
		if err != nil {
			return t, err
		}
		if d == 0 || d > math.MaxInt64 {
			return t, fmt.Errorf("%s has a dimension of %d", what, d)
		}
		t.Shape[len(t.Shape)-1-j] = int64(d)
	}
	number, err := c.u32(what)
	if err != nil {
		return t, err
	}
	t.Type = Type(number)
	if t.Length, err = size(t.Type, t.Shape); err != nil {
		return t, fmt.Errorf("%s: %w", what, err)
	}
	offset, err := c.u64(what)
	if err == nil && offset > math.MaxInt64 {
		err = fmt.Errorf("%s begins at %d of the data, which no file reaches", what, offset)
	}
	t.Offset = int64(offset)
	return t, err
}

// size is the number of bytes of a tensor.
func size(t Type, shape []int64) (int64, error) {
	elements, bytes := t.Block()
	if elements == 0 {
		return 0, fmt.Errorf("%s is not known", t)
	}
	if row := shape[len(shape)-1]; row%elements != 0 {
		return 0, fmt.Errorf("rows of %d do not fall into the blocks of %d of %s", row, elements, t)
	}
	n := int64(1)
	for _, d := range shape {
		if n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= d
	}
	if n/elements > math.MaxInt64/bytes {
		return 0, fmt.Errorf("shape %v of %s is too large", shape, t)
	}
	return n / elements * bytes, nil
}

// left is the number of bytes that are left for the header.
func (c *cursor) left() int64 { return c.end - c.at }

// remains says left in words.
func (c *cursor) remains() string {
	if c.whole {
		return fmt.Sprintf("the file has %d left: it is truncated, or not one to trust", c.left())
	}
	return fmt.Sprintf("%d are left of the %d that a header may have", c.left(), int64(MaxHeader))
}

// read fills b with what comes next.
func (c *cursor) read(b []byte, what string) error {
	if int64(len(b)) > c.left() {
		return fmt.Errorf("%s takes %d bytes, %s", what, len(b), c.remains())
	}
	if _, err := io.ReadFull(c.r, b); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	c.at += int64(len(b))
	return nil
}

func (c *cursor) u32(what string) (uint32, error) {
	err := c.read(c.small[:4], what)
	return binary.LittleEndian.Uint32(c.small[:4]), err
}

func (c *cursor) u64(what string) (uint64, error) {
	err := c.read(c.small[:8], what)
	return binary.LittleEndian.Uint64(c.small[:8]), err
}

// count reads the number of things, each of which takes least bytes; limit, if not 0, bounds it too.
func (c *cursor) count(what, things string, least, limit int64) (int64, error) {
	n, err := c.u64(what)
	if err != nil {
		return 0, err
	}
	if n > uint64(c.left()/least) {
		return 0, fmt.Errorf("%s claims %d %s of %d bytes at least, %s", what, n, things, least, c.remains())
	}
	if limit != 0 && n > uint64(limit) {
		return 0, fmt.Errorf("%s claims %d %s, the limit is %d", what, n, things, limit)
	}
	return int64(n), nil
}

// text reads a string.
func (c *cursor) text(what string) (string, error) {
	n, err := c.count(what, "characters", 1, 0)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	err = c.read(b, what)
	return string(b), err
}

// name reads a string that names something.
func (c *cursor) name(what string) (string, error) {
	s, err := c.text(what)
	switch {
	case err != nil:
		return "", err
	case s == "":
		return "", fmt.Errorf("%s is empty", what)
	case len(s) > maxName:
		return "", fmt.Errorf("%s has %d bytes, the limit is %d", what, len(s), maxName)
	case !utf8.ValidString(s):
		return "", fmt.Errorf("%s, %.80q, is not UTF-8", what, s)
	}
	return s, nil
}
