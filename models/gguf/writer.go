package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Field is a key-value to write. Value is a bool, a string, one of Go's sized integers or floats, or a slice of bools, strings, uint8 or
// numbers of 32 and 64 bits.
type Field struct {
	Key   string
	Value any
}

// Source is a tensor to write, with Shape row-major as in Tensor: Values, which are rounded to Type F32, F16, Q8_0, Q4_0 or Q4_1 as
// ggml's reference does, or Blocks of any type as they are.
type Source struct {
	Name   string
	Type   Type
	Shape  []int64
	Values []float32
	Blocks []byte // if not nil, in place of Values
}

// Write writes a small file of version 3, for tests and fixtures: everything lies in memory at once. Tensors begin at multiples of
// general.alignment where fields say so with a uint32, else of 32. What Open refuses for the sake of its names or sizes is written as it
// is told.
func Write(w io.Writer, fields []Field, tensors []Source) error {
	alignment := uint32(32)
	head := binary.LittleEndian.AppendUint32([]byte("GGUF"), 3)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(tensors)))
	head = binary.LittleEndian.AppendUint64(head, uint64(len(fields)))
	for _, f := range fields {
		if n, ok := f.Value.(uint32); ok && f.Key == "general.alignment" && n > 0 {
			alignment = n
		}
		var err error
		if head, err = appendValue(appendText(head, f.Key), f.Value); err != nil {
			return fmt.Errorf("write key %s: %w", f.Key, err)
		}
	}
	var data []byte
	for _, t := range tensors {
		head = appendText(head, t.Name)
		head = binary.LittleEndian.AppendUint32(head, uint32(len(t.Shape)))
		for i := range t.Shape {
			head = binary.LittleEndian.AppendUint64(head, uint64(t.Shape[len(t.Shape)-1-i]))
		}
		head = binary.LittleEndian.AppendUint32(head, uint32(t.Type))
		head = binary.LittleEndian.AppendUint64(head, uint64(len(data)))
		var err error
		if data, err = t.append(data); err != nil {
			return fmt.Errorf("write tensor %s: %w", t.Name, err)
		}
		data = pad(data, alignment)
	}
	if _, err := w.Write(append(pad(head, alignment), data...)); err != nil {
		return fmt.Errorf("write GGUF file: %w", err)
	}
	return nil
}

// Encode is Write into memory.
func Encode(fields []Field, tensors []Source) ([]byte, error) {
	var b bytes.Buffer
	err := Write(&b, fields, tensors)
	return b.Bytes(), err
}

// append appends the blocks of t.
func (t Source) append(data []byte) ([]byte, error) {
	if t.Blocks != nil {
		return append(data, t.Blocks...), nil
	}
	encode, ok := encoders[t.Type]
	if !ok {
		return nil, fmt.Errorf("%s is not made here, only F32, F16, Q8_0, Q4_0 and Q4_1", t.Type)
	}
	if n := (Tensor{Shape: t.Shape}).Elements(); n != int64(len(t.Values)) {
		return nil, fmt.Errorf("%d values do not fill shape %v", len(t.Values), t.Shape)
	}
	elements, _ := t.Type.Block()
	if n := len(t.Shape); n == 0 || t.Shape[n-1]%elements != 0 {
		return nil, fmt.Errorf("rows of shape %v do not fall into blocks of %d", t.Shape, elements)
	}
	for i := int64(0); i < int64(len(t.Values)); i += elements {
		data = encode(data, t.Values[i:i+elements])
	}
	return data, nil
}

func pad(b []byte, alignment uint32) []byte {
	for len(b)%int(alignment) != 0 {
		b = append(b, 0)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// appendValue appends type and value.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case uint8:
		return appendScalar(b, kindUint8, v), nil
	case int8:
		return appendScalar(b, kindInt8, uint8(v)), nil
	case uint16:
		return appendScalar(b, kindUint16, v), nil
	case int16:
		return appendScalar(b, kindInt16, uint16(v)), nil
	case uint32:
		return appendScalar(b, kindUint32, v), nil
	case int32:
		return appendScalar(b, kindInt32, uint32(v)), nil
	case uint64:
		return appendScalar(b, kindUint64, v), nil
	case int64:
		return appendScalar(b, kindInt64, uint64(v)), nil
	case float32:
		return appendScalar(b, kindFloat32, math.Float32bits(v)), nil
	case float64:
		return appendScalar(b, kindFloat64, math.Float64bits(v)), nil
	case bool:
		n := uint8(0)
		if v {
			n = 1
		}
		return appendScalar(b, kindBool, n), nil
	case string:
		return appendText(binary.LittleEndian.AppendUint32(b, uint32(kindString)), v), nil
	case []uint8:
		return appendArray(b, kindUint8, v)
	case []int32:
		return appendArray(b, kindInt32, v)
	case []uint32:
		return appendArray(b, kindUint32, v)
	case []int64:
		return appendArray(b, kindInt64, v)
	case []uint64:
		return appendArray(b, kindUint64, v)
	case []float32:
		return appendArray(b, kindFloat32, v)
	case []float64:
		return appendArray(b, kindFloat64, v)
	case []bool:
		return appendArray(b, kindBool, v)
	case []string:
		return appendArray(b, kindString, v)
	}
	return nil, fmt.Errorf("a %T has no type in GGUF", v)
}

func appendScalar[T uint8 | uint16 | uint32 | uint64](b []byte, k kind, v T) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	for i := range kinds[k].bytes {
		b = append(b, byte(uint64(v)>>(8*i)))
	}
	return b
}

// appendArray writes the elements as appendValue does, without the type that stands before each.
func appendArray[T any](b []byte, k kind, list []T) ([]byte, error) {
	b = binary.LittleEndian.AppendUint32(b, uint32(kindArray))
	b = binary.LittleEndian.AppendUint32(b, uint32(k))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(list)))
	for _, v := range list {
		one, err := appendValue(nil, v)
		if err != nil {
			return nil, err
		}
		b = append(b, one[4:]...)
	}
	return b, nil
}
