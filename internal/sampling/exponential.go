package sampling

import "math"

// A pick takes an exponential per token of the vocabulary and is on the path of every generated token, so it has its own:
// half the time of math.Exp for the range that occurs here, and the same bits on every processor that does not fuse
// multiplications.
const (
	steps    = 64 // of the table: 2^(i/64)
	perStep  = steps / math.Ln2
	stepHigh = 0x1.62e42fep-7 // ln 2 / 64 to 29 bits, so that its product with a step count is exact
	stepLow  = math.Ln2/steps - stepHigh
)

var powers = func() (table [steps]float64) {
	for i := range table {
		table[i] = math.Exp2(float64(i) / steps)
	}
	return table
}()

// exponential returns e^x for x in [negligible, 0], within 1e-15 of its value: x = n·ln2/64 + r, e^x = 2^(n/64)·e^r, with
// the Taylor series of e^r to r⁵, whose remainder is below 4e-17 for |r| ≤ ln2/128.
func exponential(x float64) float64 {
	n := int64(x*perStep - 0.5) // the nearest: x is never positive
	f := float64(n)
	r := x - f*stepHigh - f*stepLow
	series := 1 + r*(1+r*(1.0/2+r*(1.0/6+r*(1.0/24+r*(1.0/120)))))
	return series * powers[n&(steps-1)] * math.Float64frombits(uint64(1023+n>>6)<<52)
}
