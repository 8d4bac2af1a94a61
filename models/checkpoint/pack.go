package checkpoint

import (
	"io"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// whole is how a converted file keeps a tensor: as it is, whatever pieces other files have of it.
func whole(t arch.Tensor) []arch.Piece { return []arch.Piece{{Name: t.Name, Dims: t.Dims}} }

// pieces are the sources of what files keep of the tensors of a shape, where found has them whole.
func pieces(shape arch.Shape, found map[string]source) map[string]source {
	list := map[string]source{}
	for _, t := range shape.Tensors() {
		if t.Pieces == nil {
			list[t.Name] = found[t.Name]
			continue
		}
		for i, p := range t.Pieces {
			list[p.Name] = source{path: found[t.Name].path, entry: found[t.Name].entry, whole: &t, piece: i}
		}
	}
	return list
}

// unpack reads one piece of a tensor that the source's file has whole, all of which is read.
func (s source) unpack(visit func([]float32) error) error {
	t := *s.whole
	s.whole = nil
	values, err := s.floats()
	if err != nil {
		return err
	}
	return visit(unpack(t, s.piece, values))
}

// writeWhole writes the tensors of a shape as one safetensors file of whole tensors, of what files keep of them.
func writeWhole(w io.Writer, shape arch.Shape, found map[string]source) error {
	var tensors []safetensors.Tensor
	for _, t := range shape.Tensors() {
		read := found[t.Name].chunks
		if t.Pieces != nil {
			read = func(visit func([]float32) error) error {
				values, err := pack(t, found)
				if err != nil {
					return err
				}
				return visit(values)
			}
		}
		tensors = append(tensors, safetensors.Tensor{Name: shape.Stored(t.Name), Shape: t.Dims, Read: read})
	}
	return writeFile(w, tensors)
}

// pack reads the pieces of a tensor and lays them side by side along its last axis.
func pack(t arch.Tensor, found map[string]source) ([]float32, error) {
	values := make([]float32, t.Elements())
	for i, p := range t.Pieces {
		part, err := found[p.Name].floats()
		if err != nil {
			return nil, err
		}
		move(t, i, func(at, in int) { values[at] = part[in] })
	}
	return values, nil
}

// unpack is a piece of a tensor's values.
func unpack(t arch.Tensor, piece int, values []float32) []float32 {
	if t.Pieces == nil {
		return values
	}
	part := make([]float32, arch.Tensor{Dims: t.Pieces[piece].Dims}.Elements())
	move(t, piece, func(at, in int) { part[in] = values[at] })
	return part
}

// move visits the elements of a piece, where each lies in the tensor and where in the piece, in blocks of lines that fit the nearest cache.
func move(t arch.Tensor, piece int, visit func(at, in int)) {
	rows, columns, first := 1, int(t.Dims[len(t.Dims)-1]), 0
	if len(t.Dims) > 1 {
		rows = int(t.Dims[0])
	}
	for _, p := range t.Pieces[:piece] {
		first += p.Width()
	}
	p := t.Pieces[piece]
	width := p.Width()
	const block = 64
	for r0 := 0; r0 < rows; r0 += block {
		for c0 := 0; c0 < width; c0 += block {
			for r := r0; r < min(r0+block, rows); r++ {
				for c := c0; c < min(c0+block, width); c++ {
					in := r*width + c
					if p.Turned {
						in = c*rows + r
					}
					visit(r*columns+first+c, in)
				}
			}
		}
	}
}
