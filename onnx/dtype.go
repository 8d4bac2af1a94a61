package onnx

import "fmt"

// DType is the element type of a tensor, with the numbers of onnx.proto.
type DType int32

// The element types that graphs here use.
const (
	Float   DType = 1
	Uint8   DType = 2
	Int8    DType = 3
	Int32   DType = 6
	Int64   DType = 7
	Bool    DType = 9
	Float16 DType = 10
)

var dtypes = map[DType]struct {
	name string
	size int
}{
	Float: {"float", 4}, Uint8: {"uint8", 1}, Int8: {"int8", 1}, Int32: {"int32", 4},
	Int64: {"int64", 8}, Bool: {"bool", 1}, Float16: {"float16", 2},
}

// String is the name that the print form uses.
func (t DType) String() string {
	if d, ok := dtypes[t]; ok {
		return d.name
	}
	return fmt.Sprintf("dtype(%d)", int32(t))
}

// Size is the number of bytes of one element, 0 for a type this package does not know.
func (t DType) Size() int { return dtypes[t].size }

// typeSet is a set of element types, for the op table.
type typeSet uint32

func setOf(types ...DType) (s typeSet) {
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

func (s typeSet) has(t DType) bool { return t > 0 && t < 32 && s&(1<<t) != 0 }

var (
	floats  = setOf(Float, Float16)
	ints    = setOf(Int32, Int64)
	bytes8  = setOf(Uint8, Int8)
	numbers = floats | ints | bytes8
	every   = numbers | setOf(Bool)
)
