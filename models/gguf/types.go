package gguf

import (
	"fmt"

	"nightshift/models/safetensors"
)

// Type is the type of a tensor's elements, with the number that files and ggml's enum ggml_type have for it.
type Type uint32

// The types that become float32. The names are ggml's: Q4_0 has 4 bits and a scale, Q4_1 also a minimum, K types have blocks of blocks.
const (
	F32  Type = 0
	F16  Type = 1
	Q4_0 Type = 2
	Q4_1 Type = 3
	Q5_0 Type = 6
	Q5_1 Type = 7
	Q8_0 Type = 8
	Q2_K Type = 10
	Q3_K Type = 11
	Q4_K Type = 12
	Q5_K Type = 13
	Q6_K Type = 14
	BF16 Type = 30
)

// format is how a type is stored: elements of a row in blocks of so many bytes.
type format struct {
	name     string
	elements int64
	bytes    int64
	decode   func(dst []float32, block []byte) // nil: only measured
}

// formats has the block sizes of ggml's type traits (ggml.c, ggml-common.h).
var formats = map[Type]format{
	F32:  {"F32", 1, 4, plain(safetensors.F32)},
	F16:  {"F16", 1, 2, plain(safetensors.F16)},
	BF16: {"BF16", 1, 2, plain(safetensors.BF16)},
	Q4_0: {"Q4_0", 32, 18, decodeQ4_0},
	Q4_1: {"Q4_1", 32, 20, decodeQ4_1},
	Q5_0: {"Q5_0", 32, 22, decodeQ5_0},
	Q5_1: {"Q5_1", 32, 24, decodeQ5_1},
	Q8_0: {"Q8_0", 32, 34, decodeQ8_0},
	Q2_K: {"Q2_K", 256, 84, decodeQ2_K},
	Q3_K: {"Q3_K", 256, 110, decodeQ3_K},
	Q4_K: {"Q4_K", 256, 144, decodeQ4_K},
	Q5_K: {"Q5_K", 256, 176, decodeQ5_K},
	Q6_K: {"Q6_K", 256, 210, decodeQ6_K},

	9:  {"Q8_1", 32, 36, nil},
	15: {"Q8_K", 256, 292, nil},
	16: {"IQ2_XXS", 256, 66, nil},
	17: {"IQ2_XS", 256, 74, nil},
	18: {"IQ3_XXS", 256, 98, nil},
	19: {"IQ1_S", 256, 50, nil},
	20: {"IQ4_NL", 32, 18, nil},
	21: {"IQ3_S", 256, 110, nil},
	22: {"IQ2_S", 256, 82, nil},
	23: {"IQ4_XS", 256, 136, nil},
	24: {"I8", 1, 1, nil},
	25: {"I16", 1, 2, nil},
	26: {"I32", 1, 4, nil},
	27: {"I64", 1, 8, nil},
	28: {"F64", 1, 8, nil},
	29: {"IQ1_M", 256, 56, nil},
	34: {"TQ1_0", 256, 54, nil},
	35: {"TQ2_0", 256, 66, nil},
	39: {"MXFP4", 32, 17, nil},
	40: {"NVFP4", 64, 36, nil},
	41: {"Q1_0", 128, 18, nil},
}

// String is ggml's name of the type.
func (t Type) String() string {
	if f, ok := formats[t]; ok {
		return f.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block is the number of elements of a block and of the bytes that hold it; 0, 0 for an unknown type.
func (t Type) Block() (elements, bytes int64) { return formats[t].elements, formats[t].bytes }

// Convert decodes whole blocks of src into dst, whose length must be a multiple of the type's block. Values are what ggml computes:
// the products of a block are exact in float32, and a sum is rounded once. They are not checked: a scale may be infinite.
func (t Type) Convert(dst []float32, src []byte) error {
	f, err := t.readable()
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	blocks := int64(len(dst)) / f.elements
	if blocks*f.elements != int64(len(dst)) || int64(len(src)) < blocks*f.bytes {
		return fmt.Errorf("convert %s: %d bytes do not hold %d elements in blocks of %d", t, len(src), len(dst), f.elements)
	}
	if f.elements == 1 {
		f.decode(dst, src)
		return nil
	}
	for i := range blocks {
		f.decode(dst[i*f.elements:(i+1)*f.elements], src[i*f.bytes:(i+1)*f.bytes])
	}
	return nil
}

// readable is the format of a type that becomes float32, else an error that names the type.
func (t Type) readable() (format, error) {
	f, ok := formats[t]
	switch {
	case !ok:
		return f, fmt.Errorf("%s is not known", t)
	case f.decode == nil:
		return f, fmt.Errorf("%s is not read; types that are: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and Q2_K to Q6_K", t)
	}
	return f, nil
}

// plain decodes any number of elements without blocks.
func plain(t safetensors.DType) func([]float32, []byte) {
	return func(dst []float32, src []byte) {
		if err := t.Convert(dst, src); err != nil {
			panic(err) // Convert has measured src
		}
	}
}
