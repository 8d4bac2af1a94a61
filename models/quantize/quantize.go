// Package quantize turns the weights of a checkpoint into 8-bit and 4-bit integers and reads what it wrote.
//
// A converted checkpoint is one safetensors file, which graphs point into as they point into the original
// (docs/quantization.md publishes its layout). Linears are int8 (one scale for each output) or int4 (one scale for each block
// of inputs of each output); the token embedding has one scale for each token; what is small stays float32. Every tensor says
// by its type what it is, so that a linear which suffers too much can be kept in a wider one.
//
// int8 weights of a linear are kept so small that no processor loses anything of a product: see pairLimit.
//
// Invariants: on one architecture the same checkpoint, activations and options give the same bytes; a file appears whole or not at all; it names
// the digest of the checkpoint that it was made of and is refused for any other. The package runs nothing: what it knows of
// the inputs of a linear is given to it (see Activation), and what a conversion costs in perplexity is measured elsewhere.
package quantize

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// The formats of weights, as configuration and files name them.
const (
	Float32 = "f32"
	Int8    = "int8"
	Int4    = "int4"
)

// Block is how many inputs of one output share a scale in int4.
const Block = 32

// pairLimit is what the absolute values of the weights of inputs 2i and 2i+1 of one output add up to at most. x86 processors
// without VNNI add the products of two such weights with unsigned bytes in 16 bits, which saturates: 255·128 is the largest multiple of
// 255 that fits.
const pairLimit = 128

// Bytes8 quantises weights [in,out], row-major, to int8 with one scale for each output: weight ≈ value·scale. Values are within
// ±127 and pairs of them within pairLimit, and one of the two is reached.
func Bytes8(weights []float32, in, out int) (values []int8, scales []float32) {
	scales = scales8(weights, in, out)
	values = make([]int8, in*out)
	round8(values, weights, scales)
	return values, scales
}

// scales8 is the scale of each column of weights: the largest sum of the absolute values of a pair over pairLimit − 1, which rounding
// makes pairLimit at most; 1 for a column of zeros.
func scales8(weights []float32, in, out int) []float32 {
	scales := make([]float32, out)
	for i := 0; i < in; i += 2 {
		even, odd := weights[i*out:(i+1)*out], weights[min(i+1, in-1)*out:]
		for o, w := range even {
			sum := abs(w)
			if i+1 < in {
				sum += abs(odd[o])
			}
			scales[o] = max(scales[o], sum)
		}
	}
	for o := range scales {
		scales[o] = step(scales[o], pairLimit-1)
	}
	return scales
}

// step is the distance between neighbours when ±largest are the values ±end.
func step(largest, end float32) float32 {
	if largest < end*math.SmallestNonzeroFloat32 {
		return 1
	}
	return largest / end
}

// round8 rounds rows of weights, each len(scales) long, to the nearest values. Halves go to the even one.
func round8(values []int8, weights, scales []float32) {
	for at := 0; at < len(weights); at += len(scales) {
		row := values[at : at+len(scales)]
		for o, w := range weights[at : at+len(scales)] {
			row[o] = int8(max(-127, min(127, math.RoundToEven(float64(w/scales[o])))))
		}
	}
}

// Rows8 quantises rows [n,width] to int8 with one scale for each row, as the token embedding is kept.
func Rows8(rows []float32, width int) (values []int8, scales []float32) {
	values, scales = make([]int8, len(rows)), make([]float32, len(rows)/width)
	for r := range scales {
		row := rows[r*width : (r+1)*width]
		scales[r] = step(largest(row), 127)
		for i, v := range row {
			values[r*width+i] = int8(max(-127, min(127, math.RoundToEven(float64(v/scales[r])))))
		}
	}
	return values, scales
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func largest(row []float32) (m float32) {
	for _, v := range row {
		m = max(m, abs(v))
	}
	return m
}

// parallel calls f for 0 to n-1 on as many goroutines as there are processors, and waits for all of them.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		}()
	}
	wait.Wait()
}
