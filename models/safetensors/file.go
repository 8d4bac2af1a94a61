// Package safetensors reads and writes the safetensors file format, strictly.
//
// A file is an 8-byte little-endian header length, a JSON header and the tensors' bytes
// (https://huggingface.co/docs/safetensors). The reader accepts a file only if the header stays under the caller's
// limit, has no duplicate or unknown keys and only known types, if every shape fits its byte range, and if the ranges
// cover the data without gap or overlap: what is accepted has exactly one reading. Data need not be aligned; old files
// are not. The writer is canonical: the same tensors and metadata always give the same bytes.
//
// The package knows nothing of models, and it never reads pickles.
package safetensors

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// File is an open safetensors file. It is safe for concurrent readers.
type File struct {
	entries  []Entry
	byName   map[string]int
	metadata map[string]string
	r        io.ReaderAt
	c        io.Closer
}

// Open opens and checks the file at path; maxHeader bounds the JSON header in bytes. Close it after use.
func Open(path string, maxHeader int64) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open tensors: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("it is not a regular file")
	}
	var file *File
	if err == nil {
		file, err = newFile(f, info.Size(), maxHeader)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open tensors %s: %w", path, err)
	}
	file.c = f
	return file, nil
}

// Parse checks a file held in memory. The File reads from data, which must not change.
func Parse(data []byte, maxHeader int64) (*File, error) {
	f, err := newFile(bytes.NewReader(data), int64(len(data)), maxHeader)
	if err != nil {
		return nil, fmt.Errorf("parse tensors: %w", err)
	}
	return f, nil
}

func newFile(r io.ReaderAt, size, maxHeader int64) (*File, error) {
	entries, meta, err := readHeader(r, size, maxHeader)
	if err != nil {
		return nil, err
	}
	f := &File{entries: entries, metadata: meta, r: r, byName: make(map[string]int, len(entries))}
	for i, e := range entries {
		f.byName[e.Name] = i
	}
	return f, nil
}

// Close releases the file.
func (f *File) Close() error {
	if f.c == nil {
		return nil
	}
	return f.c.Close()
}

// Entries lists the tensors in the order of their data. The caller must not change it.
func (f *File) Entries() []Entry { return f.entries }

// Metadata is the header's __metadata__, nil when absent. The caller must not change it.
func (f *File) Metadata() map[string]string { return f.metadata }

// Entry finds a tensor by name.
func (f *File) Entry(name string) (Entry, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Entry{}, false
	}
	return f.entries[i], true
}

// Reader reads the raw little-endian bytes of e, an entry of this file.
func (f *File) Reader(e Entry) *io.SectionReader { return io.NewSectionReader(f.r, e.Offset, e.Length) }

// Floats reads an F32, F16 or BF16 tensor as float32, row-major.
func (f *File) Floats(name string) ([]float32, error) {
	e, ok := f.Entry(name)
	if !ok {
		return nil, fmt.Errorf("read tensor %s: the file has no such tensor", name)
	}
	dst := make([]float32, 0, e.Elements())
	err := Chunks(f.Reader(e), e, func(chunk []float32) error {
		dst = append(dst, chunk...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return dst, nil
}

// chunkElements bounds the memory of Chunks: 1 MiB of float32.
const chunkElements = 1 << 18

// Chunks reads e from r as float32 values in order and hands them to visit piece by piece; the slice is reused.
func Chunks(r io.Reader, e Entry, visit func([]float32) error) error {
	left := e.Elements()
	n := min(left, chunkElements)
	raw, values := make([]byte, n*e.Type.Size()), make([]float32, n)
	for left > 0 {
		n := min(left, chunkElements)
		if _, err := io.ReadFull(r, raw[:n*e.Type.Size()]); err != nil {
			return fmt.Errorf("read tensor %s: %w", e.Name, err)
		}
		if err := e.Type.Convert(values[:n], raw); err != nil {
			return fmt.Errorf("read tensor %s: %w", e.Name, err)
		}
		if err := visit(values[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}
