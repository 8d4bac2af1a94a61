package gguf

import (
	"encoding/binary"

	"nightshift/models/safetensors"
)

// The formulas here are those of ggml's dequantize_row functions (ggml-quants.c) for the blocks of ggml-common.h. A product of scales
// and a quantised integer has at most 24 significant bits and so is exact in float32; where a minimum is added or subtracted, the sum is
// rounded once, with a fused multiply-add too.

// half reads a binary16 value.
func half(b []byte) float32 { return safetensors.HalfToFloat(binary.LittleEndian.Uint16(b)) }

// decodeQ4_0: d, 16 bytes; value i is d·(q − 8), q the low half of byte i for i < 16, the high half of byte i − 16 beyond.
func decodeQ4_0(dst []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// decodeQ4_1: d, m, 16 bytes; value i is d·q + m, q as in Q4_0.
func decodeQ4_1(dst []float32, b []byte) {
	d, m := half(b), half(b[2:])
	for i, q := range b[4:20] {
		dst[i] = d*float32(q&15) + m
		dst[i+16] = d*float32(q>>4) + m
	}
}

// decodeQ5_0: d, 32 bits, 16 bytes; value i is d·(q − 16), where bit i is bit 4 of q and the rest is as in Q4_0.
func decodeQ5_0(dst []float32, b []byte) {
	d, high := half(b), binary.LittleEndian.Uint32(b[2:])
	for i, q := range b[6:22] {
		dst[i] = d * float32(int(q&15)+int(high>>i&1)*16-16)
		dst[i+16] = d * float32(int(q>>4)+int(high>>(i+16)&1)*16-16)
	}
}

// decodeQ5_1: d, m, 32 bits, 16 bytes; value i is d·q + m, q as in Q5_0.
func decodeQ5_1(dst []float32, b []byte) {
	d, m, high := half(b), half(b[2:]), binary.LittleEndian.Uint32(b[4:])
	for i, q := range b[8:24] {
		dst[i] = d*float32(uint32(q&15)+high>>i&1*16) + m
		dst[i+16] = d*float32(uint32(q>>4)+high>>(i+16)&1*16) + m
	}
}

// decodeQ8_0: d, 32 signed bytes; value i is d·q.
func decodeQ8_0(dst []float32, b []byte) {
	d := half(b)
	for i, q := range b[2:34] {
		dst[i] = d * float32(int8(q))
	}
}

// decodeQ2_K: 16 bytes of scales, 64 bytes, d, dmin; value i is d·s·q − dmin·m, where s and m are the low and the high half of scale
// byte i/16. Each 32 bytes hold 128 values of 2 bits: the lowest bits of all bytes first.
func decodeQ2_K(dst []float32, b []byte) {
	scales, qs, d, low := b[:16], b[16:80], half(b[80:]), half(b[82:])
	for i := range dst {
		q := qs[i/128*32+i%32] >> (i / 32 % 4 * 2) & 3
		s := scales[i/16]
		dst[i] = d*float32(s&15)*float32(q) - low*float32(s>>4)
	}
}

// decodeQ3_K: 32 bytes of high bits, 64 bytes as in Q2_K, 12 bytes of scales, d; value i is d·(s − 32)·(q − 4 where the high bit is
// not set), the high bit being bit i/32 of byte i%32.
func decodeQ3_K(dst []float32, b []byte) {
	high, qs, scales, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for i := range dst {
		j := i / 16
		s := scales[j%8]>>(j/8*4)&15 | scales[8+j%4]>>(j/4*2)&3<<4
		q := int(qs[i/128*32+i%32]>>(i/32%4*2)&3) - 4 + int(high[i%32]>>(i/32)&1)*4
		dst[i] = d * float32(int(s)-32) * float32(q)
	}
}

// scaleAndMinimum reads pair j of the eight that Q4_K and Q5_K pack into 12 bytes: 6 bits of scale, 6 of minimum.
func scaleAndMinimum(b []byte, j int) (s, m float32) {
	if j < 4 {
		return float32(b[j] & 63), float32(b[j+4] & 63)
	}
	return float32(b[j+4]&15 | b[j-4]>>6<<4), float32(b[j+4]>>4 | b[j]>>6<<4)
}

// decodeQ4_K: d, dmin, 12 bytes of scales, 128 bytes; value i is d·s·q − dmin·m with pair i/32. Each 32 bytes hold 64 values: the low
// halves of all bytes first.
func decodeQ4_K(dst []float32, b []byte) {
	d, low, scales, qs := half(b), half(b[2:]), b[4:16], b[16:144]
	for j := range 8 {
		s, m := scaleAndMinimum(scales, j)
		s, m = d*s, low*m
		for i, q := range qs[j/2*32 : j/2*32+32] {
			dst[j*32+i] = s*float32(q>>(j%2*4)&15) - m
		}
	}
}

// decodeQ5_K: d, dmin, 12 bytes of scales, 32 bytes of high bits, 128 bytes; as Q4_K, with bit i/32 of byte i%32 as bit 4 of q.
func decodeQ5_K(dst []float32, b []byte) {
	d, low, scales, high, qs := half(b), half(b[2:]), b[4:16], b[16:48], b[48:176]
	for j := range 8 {
		s, m := scaleAndMinimum(scales, j)
		s, m = d*s, low*m
		for i, q := range qs[j/2*32 : j/2*32+32] {
			dst[j*32+i] = s*float32(q>>(j%2*4)&15|high[i]>>j&1<<4) - m
		}
	}
}

// decodeQ6_K: 128 bytes of low halves, 64 bytes of high pairs, 16 signed scales, d; value i is d·s·(q − 32) with scale i/16. Each 64
// bytes hold the low halves of 128 values, each 32 bytes their high pairs: the lowest bits of all bytes first.
func decodeQ6_K(dst []float32, b []byte) {
	ql, qh, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for i := range dst {
		q := ql[i/128*64+i%64]>>(i/64%2*4)&15 | qh[i/128*32+i%32]>>(i/32%4*2)&3<<4
		dst[i] = d * float32(int8(scales[i/16])) * float32(int(q)-32)
	}
}
