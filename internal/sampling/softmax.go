package sampling

import (
	"fmt"
	"math"
)

// A pick goes over all logits two or three times and is on the path of every generated token. So the passes are written for the
// processor's vectors, in C where there is a C compiler (softmax.c), and once more in Go: both compute the same bits.
//
// Logits are taken in blocks of 64, and the terms of a block are summed in float32 in 16 lanes, lane i%16 for the block's term
// i, which are then folded in halves; the sums of blocks are added up in float64, in their order.
const (
	block = 64
	lanes = 16
)

// widest lets the passes in C use the widest vectors that the processor has; only tests change it.
var widest = true

// lowest is the exponent of two below which a term is 0.
const lowest = -125

// term returns 2^((logit-top)·scale), for a logit of at most top: 0 below 2^lowest, exactly 1 for top itself, and otherwise
// within 4e-7 of its value, and 6e-8·|(logit-top)·scale| for rounding that product. The exponent is split into the nearest whole
// number and a fraction f in [-1/2, 1/2], for which 2^f is 1 plus f times the polynomial that meets (2^f-1)/f at five Chebyshev
// nodes. Conversions keep compilers from fusing products with sums.
func term(logit, top, scale float32) float32 {
	const magic = 3 << 22 // adding it rounds to a whole number
	y := float32((logit - top) * scale)
	if !(y >= lowest) {
		return 0
	}
	t := float32(y + magic)
	f := float32(y - float32(t-magic))
	f2 := float32(f * f)
	high := float32(float32(float32(0.0013381302537320797)*f) + 0.009666368515385448)
	middle := float32(float32(float32(0.05550381013796457)*f) + 0.2402234903802036)
	low := float32(float32(float32(0.6931471805599453)*f) + 1)
	p := float32(float32(float32(float32(high*f2)+middle)*f2) + low)
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(t)<<23) // the bits of magic are shifted out
}

// scaleOf turns a temperature into the scale of term. Temperatures beyond any use are clamped, so that no product is undefined.
func scaleOf(temperature float32) float32 {
	return float32(math.Log2E / max(min(float64(temperature), 1e30), 1e-30))
}

// blocks is how many blocks n logits have, the last one may be short.
func blocks(n int) int { return (n + block - 1) / block }

// portablePeaks writes the largest logit of each block, and says whether none is NaN.
func portablePeaks(logits, peaks []float32) (usable bool) {
	usable = true
	for b := range peaks {
		peak := float32(math.Inf(-1))
		for _, v := range logits[b*block : min((b+1)*block, len(logits))] {
			if v > peak {
				peak = v
			} else if v != v {
				usable = false
			}
		}
		peaks[b] = peak
	}
	return usable
}

// portableTerms writes the sum of the terms of each block, and the terms themselves unless terms is nil.
func portableTerms(logits []float32, top, scale float32, sums, terms []float32) {
	for b := range sums {
		var s [lanes]float32
		for i, v := range logits[b*block : min((b+1)*block, len(logits))] {
			w := term(v, top, scale)
			s[i%lanes] += w
			if terms != nil {
				terms[b*block+i] = w
			}
		}
		sums[b] = fold(&s)
	}
}

// portableAbove writes the sum of those terms of each block that are at least threshold.
func portableAbove(terms []float32, threshold float32, sums []float32) {
	for b := range sums {
		var s [lanes]float32
		for i, w := range terms[b*block : min((b+1)*block, len(terms))] {
			if w >= threshold {
				s[i%lanes] += w
			}
		}
		sums[b] = fold(&s)
	}
}

// fold sums the lanes of a block, in halves.
func fold(s *[lanes]float32) float32 {
	for half := lanes / 2; half > 0; half /= 2 {
		for j := range half {
			s[j] += s[j+half]
		}
	}
	return s[0]
}

// row is what is known of a row of logits, with its scratch memory.
type row struct {
	peaks []float32 // the largest logit of each block
	sums  []float32 // of each block's terms
	top   float32   // the largest logit
}

// scan finds the peaks and the top of logits and checks them all; the error wraps ErrLogits.
func (r *row) scan(logits []float32) error {
	n, whole := blocks(len(logits)), len(logits)/block
	if cap(r.peaks) < n {
		r.peaks, r.sums = make([]float32, n), make([]float32, n)
	}
	r.peaks, r.sums = r.peaks[:n], r.sums[:n]
	usable := whole == 0 || wholePeaks(logits, r.peaks[:whole])
	usable = portablePeaks(logits[whole*block:], r.peaks[whole:]) && usable
	if !usable {
		for i, v := range logits {
			if v != v {
				return fmt.Errorf("pick token: logit %d is NaN: %w", i, ErrLogits)
			}
		}
	}
	r.top = float32(math.Inf(-1))
	for _, v := range r.peaks {
		r.top = max(r.top, v)
	}
	switch {
	case math.IsInf(float64(r.top), -1):
		return fmt.Errorf("pick token: no logit above negative infinity: %w", ErrLogits)
	case math.IsInf(float64(r.top), 1):
		return fmt.Errorf("pick token: logit %d is infinite: %w", r.best(logits), ErrLogits)
	}
	return nil
}

// best is the lowest id among the largest of the logits that were scanned.
func (r *row) best(logits []float32) int32 {
	for b, peak := range r.peaks {
		if peak != r.top {
			continue
		}
		for i := b * block; ; i++ {
			if logits[i] == r.top {
				return int32(i)
			}
		}
	}
	return 0 // not reached: top is one of the peaks
}

// weigh sums the terms of the logits that were scanned, by block into r.sums, and writes them to terms unless that is nil. The
// result is at least 1.
func (r *row) weigh(logits []float32, scale float32, terms []float32) float64 {
	whole := len(logits) / block
	if whole > 0 {
		wholeTerms(logits, r.top, scale, r.sums[:whole], terms)
	}
	rest := terms
	if terms != nil {
		rest = terms[whole*block:]
	}
	portableTerms(logits[whole*block:], r.top, scale, r.sums[whole:], rest)
	total := 0.0
	for _, s := range r.sums {
		total += float64(s)
	}
	return total
}

// above sums those terms that are at least threshold, by block into r.sums.
func (r *row) above(terms []float32, threshold float32) float64 {
	whole := len(terms) / block
	if whole > 0 {
		wholeAbove(terms, threshold, r.sums[:whole])
	}
	portableAbove(terms[whole*block:], threshold, r.sums[whole:])
	total := 0.0
	for _, s := range r.sums {
		total += float64(s)
	}
	return total
}

// logProb is the log-probability of a logit, given the sum at temperature 1.
func (r *row) logProb(logit float32, total float64) float32 {
	return float32(float64(logit) - float64(r.top) - logarithm(total))
}

// logarithm is the natural logarithm of a number of at least 1, within 1e-15 of it or, below e, absolutely: ln(m·2^k) is
// k·ln2 + 2·artanh((m-1)/(m+1)) with m in [1/√2, √2), by the series of the inverse hyperbolic tangent to the 21st power. math.Log
// is another program on every processor.
func logarithm(x float64) float64 {
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = 2*m, k-1
	}
	s := (m - 1) / (m + 1)
	s2 := float64(s * s)
	sum := 0.0
	for n := 21; n >= 1; n -= 2 {
		sum = float64(sum*s2) + 1/float64(n)
	}
	return float64(float64(k)*math.Ln2) + float64(2*float64(s*sum))
}
