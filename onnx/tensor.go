package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tensor is constant data of a graph: little-endian bytes in Raw, or a reference to a file in External, never both.
type Tensor struct {
	Type     DType
	Dims     []int64
	Raw      []byte
	External *External
}

// External says where a tensor lies in a file that the runtime maps, in bytes. Location is relative to the folder that
// the session is given.
type External struct {
	Location string
	Offset   int64
	Length   int64
}

// Floats is a float32 tensor of the given dimensions; the data is copied. Fewer or more data than the dimensions hold is
// found by Check and by the builder, when the tensor enters a graph.
func Floats(dims []int64, data ...float32) Tensor {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return Tensor{Type: Float, Dims: append([]int64{}, dims...), Raw: raw}
}

// Ints is an int64 tensor of the given dimensions.
func Ints(dims []int64, data ...int64) Tensor {
	raw := make([]byte, 0, 8*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return Tensor{Type: Int64, Dims: append([]int64{}, dims...), Raw: raw}
}

// Int32s is an int32 tensor of the given dimensions.
func Int32s(dims []int64, data ...int32) Tensor {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return Tensor{Type: Int32, Dims: append([]int64{}, dims...), Raw: raw}
}

// Bytes is a tensor of one-byte elements (Uint8, Int8 or Bool) over the given bytes, which are copied.
func Bytes(t DType, dims []int64, data ...byte) Tensor {
	return Tensor{Type: t, Dims: append([]int64{}, dims...), Raw: append([]byte{}, data...)}
}

// FloatScalar is a float32 tensor without dimensions.
func FloatScalar(v float32) Tensor { return Floats(nil, v) }

// IntScalar is an int64 tensor without dimensions.
func IntScalar(v int64) Tensor { return Ints(nil, v) }

// Elements is the number of elements that the dimensions hold.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Shape is the dimensions as a shape of known sizes.
func (t Tensor) Shape() Shape {
	s := make(Shape, len(t.Dims))
	for i, d := range t.Dims {
		s[i] = Dim{Size: d}
	}
	return s
}

// Float32s reads back the elements of an inline Float tensor; nil for any other.
func (t Tensor) Float32s() []float32 {
	if t.Type != Float || t.External != nil {
		return nil
	}
	out := make([]float32, len(t.Raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Raw[4*i:]))
	}
	return out
}

// Int64s reads back the elements of an inline tensor of an integer type or Bool, widened; nil for any other.
func (t Tensor) Int64s() []int64 {
	size := t.Type.Size()
	if t.External != nil || size == 0 || floats.has(t.Type) {
		return nil
	}
	out := make([]int64, len(t.Raw)/size)
	for i := range out {
		switch t.Type {
		case Int64:
			out[i] = int64(binary.LittleEndian.Uint64(t.Raw[8*i:]))
		case Int32:
			out[i] = int64(int32(binary.LittleEndian.Uint32(t.Raw[4*i:])))
		case Int8:
			out[i] = int64(int8(t.Raw[i]))
		default:
			out[i] = int64(t.Raw[i])
		}
	}
	return out
}

// check reports data that does not fit the type and the dimensions.
func (t Tensor) check() error {
	if t.Type.Size() == 0 {
		return fmt.Errorf("element type %v is not supported", t.Type)
	}
	n := int64(t.Type.Size())
	for _, d := range t.Dims {
		if d < 0 || (d > 0 && n > math.MaxInt64/d) {
			return fmt.Errorf("dimensions %v are not sizes", t.Dims)
		}
		n *= d
	}
	have := int64(len(t.Raw))
	if e := t.External; e != nil {
		if t.Raw != nil || e.Location == "" || e.Offset < 0 {
			return fmt.Errorf("external data needs a location, an offset ≥ 0 and no inline data")
		}
		have = e.Length
	}
	if have != n {
		return fmt.Errorf("%v%v needs %d bytes, has %d", t.Type, t.Shape(), n, have)
	}
	return nil
}
