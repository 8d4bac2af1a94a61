package quantize

import (
	"fmt"
	"math"
)

// Blocks4 quantises weights [in,out], row-major, to 4 bits in blocks of 32 inputs, as com.microsoft's MatMulNBits reads them
// (bits 4, block_size 32, no zero points): packed is [out, in/32, 16], the value of input 2i of a block in the low half of
// byte i; scales is [out, in/32]; weight ≈ (value − 8)·scale. in must be a multiple of 32.
//
// A block's scale is the one of several candidates with the minimum squared error, refined by least squares. importance, nil
// or [in], weighs the errors: the second moment of each input makes it the error of the product.
func Blocks4(weights []float32, in, out int, importance []float32) (packed []byte, scales []float32, err error) {
	if in%Block != 0 {
		return nil, nil, fmt.Errorf("quantize weights of %d inputs: they do not fall into blocks of %d", in, Block)
	}
	scales = scales4(weights, in, out, importance, shrinks)
	packed = make([]byte, in*out/2)
	pack4(packed, weights, in, out, scales)
	return packed, scales, nil
}

// shrinks are the shares of the largest weight that a candidate maps to the end of the range. What lies beyond is clipped.
var shrinks = []float32{1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6}

// quick is shrinks for a search that only compares.
var quick = []float32{1, 0.85}

// scales4 chooses the scales [out, in/32].
func scales4(weights []float32, in, out int, importance, shrinks []float32) []float32 {
	blocks := in / Block
	scales := make([]float32, out*blocks)
	parallel(blocks, func(b int) {
		var v, weight [Block]float32
		for i := range weight {
			weight[i] = 1
			if importance != nil {
				weight[i] = importance[b*Block+i]
			}
		}
		for o := range out {
			for i := range v {
				v[i] = weights[(b*Block+i)*out+o]
			}
			scales[o*blocks+b] = scale4(&v, &weight, shrinks)
		}
	})
	return scales
}

// scale4 is the best scale found for one block. The range has one value more below zero than above, so that a scale may be
// negative: then it is the largest weight that gets the longer end.
func scale4(v, weight *[Block]float32, shrinks []float32) float32 {
	top := float32(0)
	for _, x := range v {
		if abs(x) > abs(top) {
			top = x
		}
	}
	if abs(top) < 8*math.SmallestNonzeroFloat32 {
		return 1
	}
	best, smallest := -top/8, float32(math.Inf(1))
	try := func(scale float32) {
		refined, err := refine4(v, weight, scale)
		if err < smallest {
			best, smallest = refined, err
		}
	}
	for _, share := range shrinks {
		try(-top * share / 8)
		try(top * share / 7)
	}
	return best
}

// refine4 rounds a block with a scale and returns the scale that fits the rounded values best, with its squared error.
func refine4(v, weight *[Block]float32, scale float32) (refined, err float32) {
	inverse := 1 / scale
	var xx, xq, qq float32
	for i, x := range v {
		q := nearest4(float32(x * inverse))
		w := weight[i]
		xx += w * x * x
		xq += w * x * q
		qq += w * q * q
	}
	if qq == 0 {
		return scale, xx
	}
	refined = xq / qq
	if abs(refined) < math.SmallestNonzeroFloat32*8 {
		return scale, xx
	}
	return refined, max(0, xx-xq*refined)
}

// nearest4 is the nearest of −8 to 7, of two the even one: beyond 2²³ a float32 has no fraction.
func nearest4(x float32) float32 {
	const whole = 3 << 22
	if x > 7 {
		return 7
	}
	if x < -8 {
		return -8
	}
	return float32(x+whole) - whole
}

// pack4 rounds weights with given scales.
func pack4(packed []byte, weights []float32, in, out int, scales []float32) {
	blocks := in / Block
	parallel(blocks, func(b int) {
		for o := range out {
			scale := scales[o*blocks+b]
			to := packed[(o*blocks+b)*Block/2:][:Block/2]
			for i := range to {
				low := nearest4(weights[(b*Block+2*i)*out+o] / scale)
				high := nearest4(weights[(b*Block+2*i+1)*out+o] / scale)
				to[i] = byte(int(low)+8) | byte(int(high)+8)<<4
			}
		}
	})
}
