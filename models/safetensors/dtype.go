package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is an element type, spelled as in the file.
type DType string

// The types that the rest of Nightshift reads; others are only measured.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I8   DType = "I8"
	U8   DType = "U8"
)

// sizes holds the bytes of one element. Types below a byte are left out: nothing here has a use for them.
var sizes = map[DType]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, F16: 2, BF16: 2,
	"U32": 4, "I32": 4, F32: 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// Size is the number of bytes of one element, 0 for an unknown type.
func (t DType) Size() int64 { return sizes[t] }

// Convert decodes little-endian elements of type F32, F16 or BF16 from src into dst; it uses len(dst)·Size bytes of src.
// Every F16 and BF16 value has an exact float32, so nothing is rounded.
func (t DType) Convert(dst []float32, src []byte) error {
	if int64(len(src)) < int64(len(dst))*t.Size() {
		return fmt.Errorf("convert %s: %d bytes are too few for %d elements", t, len(src), len(dst))
	}
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = HalfToFloat(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	default:
		return fmt.Errorf("convert %s: only F32, F16 and BF16 become float32", t)
	}
	return nil
}

// HalfToFloat widens an IEEE 754 binary16 value, subnormals, infinities and NaN payloads included.
func HalfToFloat(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch exp {
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case 0:
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}
