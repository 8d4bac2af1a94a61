// Package gguf reads GGUF files, the format of llama.cpp, and describes the models in them as Hugging Face does.
//
// A file is a header, key-values, a table of tensors and the tensors' bytes (docs/gguf.md in the repository of ggml). Versions 2 and 3
// in little-endian order are read. The reader trusts no count: it holds every one against the bytes that are left before it allocates,
// so that a file costs memory in proportion to its size, and it refuses what has more than one reading: names that appear twice,
// tensors that overlap, lie outside the file or are not aligned.
//
// Weights come out as float32, row by row (Chunks), as the blocks that they are stored in (Raw, Blocks), or in the layout of an
// operator (Pack). Config, Weights, Vocabulary and Export turn a model of the families llama, qwen2 and qwen3 into what a directory of
// Hugging Face holds. Write makes small files for tests. The package writes no tokenizer files and computes with no weight.
package gguf

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// File is an open GGUF file. It is safe for concurrent readers.
type File struct {
	version uint32
	keys    []string // in the order of the file
	values  map[string]value
	tensors []Tensor
	byName  map[string]int
	r       io.ReaderAt
	c       io.Closer
}

// Tensor describes one tensor of a file.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []int64 // row-major: a linear is [out, in], which the file itself spells in, out
	Offset int64   // of the first byte, from the start of the file
	Length int64   // in bytes
}

// Elements is the number of elements, the product of Shape.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Open opens and checks the file at path. Close it after use.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open GGUF file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("it is not a regular file")
	}
	var file *File
	if err == nil {
		file, err = readHeader(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open GGUF file %s: %w", path, err)
	}
	file.c = f
	return file, nil
}

// Parse checks a file held in memory. The File reads from data, which must not change.
func Parse(data []byte) (*File, error) {
	f, err := readHeader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("parse GGUF file: %w", err)
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

// Version is the version of the format, 2 or 3.
func (f *File) Version() int { return int(f.version) }

// Tensors lists the tensors in the order of the file's table. The caller must not change it.
func (f *File) Tensors() []Tensor { return f.tensors }

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Raw reads the bytes of a tensor as they are stored: the blocks of its type, row after row.
func (f *File) Raw(name string) (*io.SectionReader, error) {
	t, err := f.tensor(name)
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(f.r, t.Offset, t.Length), nil
}

// tensor is Tensor with an error for a name that is not there.
func (f *File) tensor(name string) (Tensor, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return t, fmt.Errorf("read tensor %s: the file has no such tensor", name)
	}
	return t, nil
}
