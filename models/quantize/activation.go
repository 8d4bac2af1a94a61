package quantize

import "math"

// Activation is what was seen of one linear while a model read calibration text: of its inputs x, and of its outputs y with
// their bias.
type Activation struct {
	Max, Mean, Square []float32 // [in] the largest |x|, the mean of x and that of x² of each channel
	Rows              []float32 // [n,in] some of the inputs
	OutMean, OutSqr   []float32 // [out] the mean of y and that of y²
}

// Activations are by the linear's name, such as h.0.attn.c_attn; that of the head is lm_head.
type Activations map[string]*Activation

// spread is the variance of the outputs, summed: what the error of a linear is compared with.
func (a *Activation) spread() (sum float64) {
	for o, m := range a.OutMean {
		sum += max(0, float64(a.OutSqr[o])-float64(m)*float64(m))
	}
	return sum
}

// moments are the second moments of the inputs: about zero, or about the mean where a bias takes up the error of the mean.
func (a *Activation) moments(bias bool) []float32 {
	m := make([]float32, len(a.Square))
	for c, v := range a.Square {
		if m[c] = v; bias {
			m[c] = max(0, v-a.Mean[c]*a.Mean[c])
		}
	}
	return m
}

// rounding is the mean squared error of each input x/s after it is rounded to 8 bits at run time, with one scale for every
// block inputs of a row.
func (a *Activation) rounding(smooth []float32, block int) []float64 {
	in := len(a.Max)
	errors := make([]float64, in)
	row := make([]float32, in)
	n := len(a.Rows) / in
	for r := range n {
		for c, v := range a.Rows[r*in : (r+1)*in] {
			row[c] = v
			if smooth != nil {
				row[c] /= smooth[c]
			}
		}
		for at := 0; at < in; at += block {
			part := row[at:min(in, at+block)]
			scale := step(largest(part), 127)
			for c, v := range part {
				e := float64(v) - float64(scale)*math.RoundToEven(float64(v/scale))
				errors[at+c] += e * e / float64(n)
			}
		}
	}
	return errors
}

// smoothing is the vector s of SmoothQuant (Xiao et al. 2022, equation 4): s_c = max|x_c|^α / max|w_c|^(1−α) for each input
// channel c. Inputs are divided by s and the weight's rows multiplied, which moves the spread of the inputs into the
// weights. It is scaled to a geometric mean of 1.
func (a *Activation) smoothing(weights []float32, alpha float64) []float32 {
	in := len(a.Max)
	out := len(weights) / in
	return normalized(in, func(c int) float64 {
		return math.Pow(float64(a.Max[c]), alpha) / math.Pow(float64(largest(weights[c*out:(c+1)*out])), 1-alpha)
	})
}

// salience is the vector s = √(mean x_c²)^α (Lin et al. 2023, AWQ, section 3.2): channels with large inputs get finer steps.
func (a *Activation) salience(alpha float64) []float32 {
	return normalized(len(a.Square), func(c int) float64 { return math.Pow(float64(a.Square[c]), alpha/2) })
}

// normalized divides factors by their geometric mean. A factor that is no positive number becomes 1, and all stay within a
// range in which nothing is lost.
func normalized(n int, factor func(c int) float64) []float32 {
	logs := make([]float64, n)
	sum, count := 0.0, 0
	for c := range logs {
		logs[c] = math.Log(factor(c))
		if !math.IsInf(logs[c], 0) && !math.IsNaN(logs[c]) {
			sum += logs[c]
			count++
		}
	}
	s := make([]float32, n)
	for c, l := range logs {
		s[c] = 1
		if !math.IsInf(l, 0) && !math.IsNaN(l) {
			s[c] = float32(math.Exp(max(-7, min(7, l-sum/float64(count)))))
		}
	}
	return s
}
