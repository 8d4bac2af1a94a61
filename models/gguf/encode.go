package gguf

import (
	"encoding/binary"
	"math"
)

// The formulas here are those of ggml's quantize_row_..._ref functions (ggml-quants.c). Sums and products are rounded one by one, on
// processors with a fused multiply-add too: float32(x * y) + z.

// encoders append one block, or one element, to a file.
var encoders = map[Type]func([]byte, []float32) []byte{
	F32: func(dst []byte, v []float32) []byte {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v[0]))
	},
	F16:  func(dst []byte, v []float32) []byte { return appendHalf(dst, v[0]) },
	Q8_0: encodeQ8_0,
	Q4_0: encodeQ4_0,
	Q4_1: encodeQ4_1,
}

// encodeQ8_0: the value of largest magnitude becomes ±127.
func encodeQ8_0(dst []byte, v []float32) []byte {
	d := magnitude(largest(v)) / 127
	inverse := inverseOf(d)
	dst = appendHalf(dst, d)
	for _, x := range v {
		dst = append(dst, byte(int8(math.Round(float64(x*inverse)))))
	}
	return dst
}

// encodeQ4_0: the value of largest magnitude becomes −8 and so decides the sign of the scale.
func encodeQ4_0(dst []byte, v []float32) []byte {
	d := largest(v) / -8
	inverse := inverseOf(d)
	quantise := func(x float32) byte { return byte(min(15, int(float32(x*inverse)+8.5))) }
	return appendNibbles(appendHalf(dst, d), v, quantise)
}

// encodeQ4_1: the smallest value becomes 0, the largest 15.
func encodeQ4_1(dst []byte, v []float32) []byte {
	low, high := v[0], v[0]
	for _, x := range v {
		low, high = min(low, x), max(high, x)
	}
	d := (high - low) / 15
	inverse := inverseOf(d)
	quantise := func(x float32) byte { return byte(min(15, int(float32((x-low)*inverse)+0.5))) }
	return appendNibbles(appendHalf(appendHalf(dst, d), low), v, quantise)
}

// appendNibbles puts value i beside value i + 16.
func appendNibbles(dst []byte, v []float32, quantise func(float32) byte) []byte {
	for i := range v[:16] {
		dst = append(dst, quantise(v[i])|quantise(v[i+16])<<4)
	}
	return dst
}

// largest is the first value of the largest magnitude.
func largest(v []float32) float32 {
	top := float32(0)
	for _, x := range v {
		if magnitude(x) > magnitude(top) {
			top = x
		}
	}
	return top
}

func magnitude(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func inverseOf(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

// appendHalf rounds to the nearest binary16, of two the even one; beyond 65,504 to infinity.
func appendHalf(dst []byte, x float32) []byte {
	bits := math.Float32bits(x)
	sign := uint16(bits >> 16 & 0x8000)
	rest := bits &^ (1 << 31)
	var h uint32
	switch {
	case rest > 0x7f800000:
		h = 0x7e00
	case rest >= 0x47800000: // 65,536
		h = 0x7c00
	case rest < 0x38800000: // below 2⁻¹⁴: steps of 2⁻²⁴, which adding 1/2 leaves as the last bits
		h = math.Float32bits(math.Float32frombits(rest)+0.5) - math.Float32bits(0.5)
	default:
		h = (rest - 112<<23 + 0xfff + rest>>13&1) >> 13
	}
	return binary.LittleEndian.AppendUint16(dst, sign|uint16(h))
}
