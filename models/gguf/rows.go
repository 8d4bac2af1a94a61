package gguf

import (
	"fmt"
	"io"
	"math"
)

// pieceElements bounds the memory of everything that reads weights: 1 MiB of float32 and the bytes of as many elements.
const pieceElements = 1 << 18

// rows reads a tensor row by row, in the order of the file or in another.
type rows struct {
	t      Tensor
	r      io.ReaderAt
	source func(row int64) int64 // the row of the file that comes at a place; nil: the same
	width  int64                 // elements of a row
}

// rowsOf reads t in the order of the file. A vector is one row.
func (f *File) rowsOf(t Tensor) rows { return rows{t: t, r: f.r, width: t.Shape[len(t.Shape)-1]} }

// each hands the bytes of a tensor to visit piece by piece: as many whole rows as fit into a piece, or one row in pieces of whole
// blocks. at is the index of the piece's first element; the slice is reused.
func (r rows) each(visit func(at int64, raw []byte) error) error {
	elements, bytes := r.t.Type.Block()
	piece := max(1, pieceElements/r.width) // rows
	if r.source != nil {
		piece = 1
	}
	step := piece * r.width
	if r.width > pieceElements {
		step = pieceElements / elements * elements
	}
	count := r.t.Elements() / r.width
	var buffer []byte
	for row := int64(0); row < count; row += piece {
		from := row
		if r.source != nil {
			from = r.source(row)
		}
		length := min(piece, count-row) * r.width
		for done := int64(0); done < length; done += step {
			n := min(step, length-done) / elements * bytes
			if int64(len(buffer)) < n {
				buffer = make([]byte, n)
			}
			if read, err := r.r.ReadAt(buffer[:n], r.t.Offset+(from*r.width+done)/elements*bytes); int64(read) < n {
				return fmt.Errorf("read tensor %s: %w", r.t.Name, err)
			}
			if err := visit(row*r.width+done, buffer[:n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunks is each with values as float32, all of them finite.
func (r rows) chunks(visit func([]float32) error) error {
	if _, err := r.t.Type.readable(); err != nil {
		return fmt.Errorf("read tensor %s: %w", r.t.Name, err)
	}
	elements, bytes := r.t.Type.Block()
	var values []float32
	return r.each(func(at int64, raw []byte) error {
		n := int64(len(raw)) / bytes * elements
		if int64(len(values)) < n {
			values = make([]float32, n)
		}
		if err := r.decode(values[:n], raw, at); err != nil {
			return err
		}
		return visit(values[:n])
	})
}

// decode turns a piece that begins at element at into finite values.
func (r rows) decode(values []float32, raw []byte, at int64) error {
	if err := r.t.Type.Convert(values, raw); err != nil {
		return fmt.Errorf("read tensor %s: %w", r.t.Name, err)
	}
	if i := notFinite(values); i >= 0 {
		return fmt.Errorf("read tensor %s: the value at index %d is %v, want a finite number", r.t.Name, at+int64(i), values[i])
	}
	return nil
}

// notFinite is the index of the first value that is infinite or no number, −1 for none.
func notFinite(values []float32) int {
	for i, v := range values {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}

// Chunks reads a tensor as float32 and hands the values to visit in order, row-major, in pieces: whole rows where rows have at most
// 262,144 elements, else parts of one row. The slice is reused. A type that is not read, or a value that is not finite, is an error that
// names the tensor, and the type or the index.
func (f *File) Chunks(name string, visit func([]float32) error) error {
	t, err := f.tensor(name)
	if err != nil {
		return err
	}
	return f.rowsOf(t).chunks(visit)
}
