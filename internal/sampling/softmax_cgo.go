//go:build cgo

package sampling

/*
#cgo CFLAGS: -O3 -std=c11
#cgo noescape ns_peaks
#cgo nocallback ns_peaks
#cgo noescape ns_weigh
#cgo nocallback ns_weigh
#cgo noescape ns_above
#cgo nocallback ns_above
#include "softmax.h"
*/
import "C"

import "unsafe"

func floats(s []float32) *C.float { return (*C.float)(unsafe.Pointer(unsafe.SliceData(s))) }

func wide() int {
	if widest {
		return 1
	}
	return 0
}

// wholePeaks is portablePeaks for a number of whole blocks, with the processor's vectors.
func wholePeaks(logits, peaks []float32) (usable bool) {
	return C.ns_peaks(floats(logits), C.int64_t(len(peaks)), floats(peaks), C.int(wide())) != 0
}

// wholeTerms is portableTerms for a number of whole blocks, with the processor's vectors.
func wholeTerms(logits []float32, top, scale float32, sums, terms []float32) {
	C.ns_weigh(floats(logits), C.int64_t(len(sums)), C.float(top), C.float(scale), floats(sums), floats(terms), C.int(wide()))
}

// wholeAbove is portableAbove for a number of whole blocks, with the processor's vectors.
func wholeAbove(terms []float32, threshold float32, sums []float32) {
	C.ns_above(floats(terms), C.int64_t(len(sums)), C.float(threshold), floats(sums), C.int(wide()))
}
