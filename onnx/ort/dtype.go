package ort

import "fmt"

// DType is the type of a tensor's elements, with the numbers of ONNX's TensorProto.DataType, so that it converts to and
// from the type of the same name in package onnx.
type DType int32

// The element types that tensors here can have.
const (
	Float  DType = 1
	Uint8  DType = 2
	Int8   DType = 3
	Int32  DType = 6
	Int64  DType = 7
	Bool   DType = 9
	Double DType = 11
)

func (d DType) String() string {
	switch d {
	case Float:
		return "float32"
	case Uint8:
		return "uint8"
	case Int8:
		return "int8"
	case Int32:
		return "int32"
	case Int64:
		return "int64"
	case Bool:
		return "bool"
	case Double:
		return "float64"
	}
	return fmt.Sprintf("type %d", int32(d))
}

// Element is the set of Go types that a tensor's memory can have.
type Element interface {
	float32 | float64 | int64 | int32 | int8 | uint8 | bool
}

func dtypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case float32:
		return Float
	case float64:
		return Double
	case int64:
		return Int64
	case int32:
		return Int32
	case int8:
		return Int8
	case uint8:
		return Uint8
	default:
		return Bool
	}
}
