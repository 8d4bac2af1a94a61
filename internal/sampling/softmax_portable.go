//go:build !cgo

package sampling

func wholePeaks(logits, peaks []float32) (usable bool) { return portablePeaks(logits, peaks) }

func wholeTerms(logits []float32, top, scale float32, sums, terms []float32) {
	portableTerms(logits, top, scale, sums, terms)
}

func wholeAbove(terms []float32, threshold float32, sums []float32) {
	portableAbove(terms, threshold, sums)
}
