package quantize

import (
	"math"
	"slices"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
)

// choice is how one linear is quantised.
type choice struct {
	arch.Linear
	kind    string    // Int8, Int4 or Float32
	alpha   float64   // of the smoothing
	smooth  []float32 // [in], nil: none
	scales  []float32 // as Bytes8 or Blocks4 gives them
	copy8   []float32 // [out], the scales of the int8 copy of an int4 weight; nil: none
	bias    []float32 // [out] in place of the checkpoint's, nil: unchanged
	error   float64   // relative error of the outputs on calibration text, NaN when that is not known
	product float64   // the same, squared and not relative
}

// choose finds how to quantise a linear. Without an activation there is nothing to compare: no smoothing, and no linear is
// kept from what the options ask for.
func choose(base *checkpoint.Checkpoint, l arch.Linear, a *Activation, opt Options) (choice, error) {
	weights, err := weightOf(base, l)
	if err != nil {
		return choice{}, err
	}
	wider := slices.Contains(opt.Wider, l.String())
	kind := opt.Format
	if kind == Int4 && (wider || l.In%Block != 0) {
		kind = Int8
	}
	best := search(l, weights, a, kind, opt)
	if kind == Int4 && best.error > opt.Worst4 {
		best = search(l, weights, a, Int8, opt)
	}
	if best.kind == Int8 && l.Layer >= 0 && (best.error > opt.Worst8 || wider && opt.Format == Int8) {
		return choice{Linear: l, kind: Float32}, nil
	}
	smoothed := scaled(weights, best.smooth)
	if best.kind == Int4 && !opt.Compact {
		best.copy8 = scales8(best.read(smoothed), l.In, l.Out)
	}
	if a != nil && l.Bias != "" {
		bias, err := base.Floats(l.Bias)
		if err != nil {
			return choice{}, err
		}
		best.correct(bias, smoothed, a)
	}
	return best, nil
}

// search compares the ways to smooth the inputs of a linear by the error of its outputs.
func search(l arch.Linear, weights []float32, a *Activation, kind string, opt Options) choice {
	best := attempt(l, weights, a, kind, nil, 0, quick)
	if a != nil && (l.Norm != nil || l.Fed != nil) {
		for _, alpha := range opt.Alphas {
			tries := [][]float32{a.smoothing(weights, alpha)}
			if kind == Int4 {
				tries = append(tries, a.salience(alpha))
			}
			for _, s := range tries {
				together(s, l.Fed)
				if c := attempt(l, weights, a, kind, s, alpha, quick); c.product < best.product {
					best = c
				}
			}
		}
	}
	if kind == Int4 {
		best = attempt(l, weights, a, kind, best.smooth, best.alpha, shrinks)
	}
	return best
}

// together makes factors of inputs that are proportional to one output the same: their geometric mean.
func together(s []float32, fed *arch.Fed) {
	if fed == nil || fed.Repeat == 1 {
		return
	}
	logs := map[int]float64{}
	for i, v := range s {
		logs[fed.Output(i)] += math.Log(float64(v)) / float64(fed.Repeat)
	}
	for i := range s {
		s[i] = float32(math.Exp(logs[fed.Output(i)]))
	}
}

// attempt quantises a linear one way.
func attempt(l arch.Linear, weights []float32, a *Activation, kind string, smooth []float32, alpha float64, shrinks []float32) choice {
	c := choice{Linear: l, kind: kind, smooth: smooth, alpha: alpha, error: math.NaN()}
	var moments []float32
	if a != nil {
		moments = a.moments(l.Bias != "")
		for i, s := range smooth {
			moments[i] /= s * s
		}
	}
	weights = scaled(weights, smooth)
	if kind == Int4 {
		c.scales = scales4(weights, l.In, l.Out, moments, shrinks)
	} else {
		c.scales = scales8(weights, l.In, l.Out)
	}
	if a == nil {
		return c
	}
	c.product = c.expected(weights, a, moments)
	c.error = math.Sqrt(c.product / max(a.spread(), math.SmallestNonzeroFloat64))
	return c
}

// expected is the expected squared error of the outputs, summed over them: what rounding the weights does to inputs with the
// given second moments, and what rounding the inputs does to the weights; the errors of different inputs are taken to be
// independent.
func (c *choice) expected(weights []float32, a *Activation, moments []float32) (sum float64) {
	block := c.In
	if c.kind == Int4 {
		block = Block
	}
	inputs := a.rounding(c.smooth, block)
	parts := make([]float64, c.In)
	parallel(c.In, func(i int) {
		var lost, size float64
		for o, w := range weights[i*c.Out : (i+1)*c.Out] {
			d := float64(w - c.rounded(i, o, w))
			lost += d * d
			size += float64(w) * float64(w)
		}
		parts[i] = float64(moments[i])*lost + inputs[i]*size
	})
	for _, p := range parts {
		sum += p
	}
	return sum
}

// rounded is a weight as the quantised one will be read.
func (c *choice) rounded(in, out int, w float32) float32 {
	if c.kind == Int4 {
		scale := c.scales[out*(c.In/Block)+in/Block]
		return nearest4(w/scale) * scale
	}
	scale := c.scales[out]
	return float32(math.RoundToEven(float64(w/scale))) * scale
}

// read is what weights [in,out] become.
func (c *choice) read(weights []float32) []float32 {
	result := make([]float32, len(weights))
	parallel(c.In, func(i int) {
		for o, w := range weights[i*c.Out : (i+1)*c.Out] {
			result[i*c.Out+o] = c.rounded(i, o, w)
		}
	})
	return result
}

// correct moves into the bias what rounding the weights does to the mean of the outputs (Nagel et al. 2019, section 4.2).
func (c *choice) correct(bias, weights []float32, a *Activation) {
	shift := make([]float64, c.Out)
	for i := range c.In {
		mean := float64(a.Mean[i])
		if c.smooth != nil {
			mean /= float64(c.smooth[i])
		}
		for o, w := range weights[i*c.Out : (i+1)*c.Out] {
			shift[o] += mean * float64(w-c.rounded(i, o, w))
		}
	}
	c.bias = make([]float32, c.Out)
	for o := range shift {
		c.bias[o] = float32(float64(bias[o]) + shift[o])
	}
}
