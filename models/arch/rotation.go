package arch

import (
	"errors"
	"fmt"
	"math"
)

// Rotation is a rotary position embedding (Su et al. 2021): element i of a head of width D is rotated with element i+D/2 by the angle
// position·f_i, f_i = Base^(−2i/D). Scaling changes the frequencies for contexts that are longer than those of pretraining.
type Rotation struct {
	Base float64 // 0: no rotation
	// Scaling is none, "", or the rope_type of config.json: linear, llama3 or yarn.
	Scaling string
	// Factor is how many times longer the context is, Original the context before.
	Factor   float64
	Original int
	// Low and High bound what changes. Of llama3: frequencies with fewer than Low periods in Original are divided by Factor, those with
	// more than High stay, between them the change is gradual. Of yarn: beta_slow and beta_fast, which mean the same.
	Low, High float64
	// Attention multiplies sines and cosines, of yarn; 0: 0.1·ln(Factor) + 1.
	Attention float64
}

// rotationKeys are the keys of config.json that describe a rotation, in either dialect: rope_theta beside rope_scaling, or both in
// rope_parameters.
type rotationKeys struct {
	Theta    *float64 `json:"rope_theta"`
	Type     string   `json:"rope_type"`
	OldType  string   `json:"type"`
	Factor   float64  `json:"factor"`
	Original int      `json:"original_max_position_embeddings"`
	Low      *float64 `json:"low_freq_factor"`
	High     *float64 `json:"high_freq_factor"`
	Slow     *float64 `json:"beta_slow"`
	Fast     *float64 `json:"beta_fast"`

	Attention *float64 `json:"attention_factor"`
	Truncate  *bool    `json:"truncate"`
	Mscale    *float64 `json:"mscale"`
	MscaleAll *float64 `json:"mscale_all_dim"`
	Partial   *float64 `json:"partial_rotary_factor"`
}

// rotation reads the keys of a rotation; base is what rope_theta is where the file does not say.
func (c *settings) rotation(base float64, context int) Rotation {
	var old, nested rotationKeys
	r := Rotation{Base: base}
	c.get("rope_theta", &r.Base)
	key := "rope_parameters"
	k := &nested
	if !c.get(key, &nested) {
		key, k = "rope_scaling", &old
		c.get(key, &old)
	}
	if k.Theta != nil {
		r.Base = *k.Theta
	}
	if c.err == nil {
		c.err = errors.Join(r.scale(*k, key, context), r.check())
	}
	return r
}

// scale takes the scaling from keys that stand under a key of config.json.
func (r *Rotation) scale(k rotationKeys, key string, context int) error {
	kind := k.Type
	if kind == "" {
		kind = k.OldType
	}
	if k.Partial != nil && *k.Partial != 1 {
		return fmt.Errorf("%s: partial_rotary_factor is %g: heads that are rotated in part are not supported", key, *k.Partial)
	}
	r.Factor, r.Original = k.Factor, k.Original
	if r.Original == 0 {
		r.Original = context
	}
	switch kind {
	case "", "default":
		r.Factor, r.Original = 0, 0
		return nil
	case "linear":
		r.Original = 0
	case "llama3":
		if k.Low == nil || k.High == nil || k.Original == 0 {
			return fmt.Errorf("%s: llama3 needs low_freq_factor, high_freq_factor and original_max_position_embeddings", key)
		}
		r.Low, r.High = *k.Low, *k.High
	case "yarn":
		if k.Mscale != nil || k.MscaleAll != nil || k.Truncate != nil && !*k.Truncate {
			return fmt.Errorf("%s: yarn with mscale, mscale_all_dim or without truncate is not supported", key)
		}
		r.Low, r.High = 1, 32
		for _, b := range []struct{ from, to *float64 }{{k.Slow, &r.Low}, {k.Fast, &r.High}, {k.Attention, &r.Attention}} {
			if b.from != nil {
				*b.to = *b.from
			}
		}
	default:
		return fmt.Errorf("%s: rope_type %q is not supported; default, linear, llama3 and yarn are", key, kind)
	}
	r.Scaling = kind
	return nil
}

// check reports the first number that no angles can be computed from.
func (r Rotation) check() error {
	if !(r.Base > 1) || math.IsInf(r.Base, 0) {
		return fmt.Errorf("rope_theta is %v, want a number above 1", r.Base)
	}
	if r.Scaling == "" {
		return nil
	}
	if !(r.Factor >= 1) || math.IsInf(r.Factor, 0) {
		return fmt.Errorf("the factor of rope_type %s is %v, want 1 or more", r.Scaling, r.Factor)
	}
	if r.Scaling == "linear" {
		return nil
	}
	if !(r.Low > 0 && r.High > r.Low) || math.IsInf(r.High, 0) || r.Original < 1 || r.Original > maxSize || !(r.Attention >= 0) || math.IsInf(r.Attention, 0) {
		return fmt.Errorf("rope_type %s has the bounds %v and %v, the original context %d and the attention factor %v, of which no angles can be computed",
			r.Scaling, r.Low, r.High, r.Original, r.Attention)
	}
	return nil
}

// keys are rope_scaling as config.json has it; nil for none.
func (r Rotation) keys() any {
	switch r.Scaling {
	case "linear":
		return map[string]any{"rope_type": r.Scaling, "factor": r.Factor}
	case "llama3":
		return map[string]any{"rope_type": r.Scaling, "factor": r.Factor, "low_freq_factor": r.Low, "high_freq_factor": r.High,
			"original_max_position_embeddings": r.Original}
	case "yarn":
		k := map[string]any{"rope_type": r.Scaling, "factor": r.Factor, "beta_slow": r.Low, "beta_fast": r.High,
			"original_max_position_embeddings": r.Original}
		if r.Attention != 0 {
			k["attention_factor"] = r.Attention
		}
		return k
	}
	return nil
}

// Angles are the cosines and sines of the rotation, [Context, HeadSize/2] each, computed in single precision as transformers does.
func (s Shape) Angles() (cos, sin []float32) {
	half := s.HeadSize / 2
	frequencies, attention := s.Rotation.frequencies(half)
	cos, sin = make([]float32, s.Context*half), make([]float32, s.Context*half)
	for p := range s.Context {
		for i, f := range frequencies {
			y, x := math.Sincos(float64(float32(p) * f))
			cos[p*half+i], sin[p*half+i] = float32(x)*attention, float32(y)*attention
		}
	}
	return cos, sin
}

// frequencies are radians a position of each pair of elements, and the factor on sines and cosines.
func (r Rotation) frequencies(half int) (list []float32, attention float32) {
	list, attention = make([]float32, half), 1
	for i := range list {
		list[i] = float32(1 / float32(math.Pow(r.Base, float64(float32(2*i)/float32(2*half)))))
	}
	switch r.Scaling {
	case "linear":
		for i := range list {
			list[i] /= float32(r.Factor)
		}
	case "llama3":
		for i, f := range list {
			list[i] = float32(r.llama3(float64(f)))
		}
	case "yarn":
		r.yarn(list)
		if attention = float32(r.Attention); r.Attention == 0 {
			attention = float32(0.1*math.Log(r.Factor) + 1)
		}
	}
	return list, attention
}

// llama3 is the scaling of Llama 3.1: by the number of periods of a frequency in the original context.
func (r Rotation) llama3(f float64) float64 {
	periods := float64(r.Original) * f / (2 * math.Pi)
	switch {
	case periods < r.Low:
		return f / r.Factor
	case periods > r.High:
		return f
	}
	smooth := (periods - r.Low) / (r.High - r.Low)
	return (1-smooth)*f/r.Factor + smooth*f
}

// yarn is the scaling of Peng et al. 2023 (YaRN, section 3.2): between the pairs that have High and Low periods in the original context,
// rounded to whole pairs, frequencies go over from unchanged to divided.
func (r Rotation) yarn(list []float32) {
	width := float64(2 * len(list))
	pair := func(periods float64) float64 {
		return width * math.Log(float64(r.Original)/(periods*2*math.Pi)) / (2 * math.Log(r.Base))
	}
	first, last := max(math.Floor(pair(r.High)), 0), min(math.Ceil(pair(r.Low)), width-1)
	if first == last {
		last += 0.001
	}
	for i, f := range list {
		divided := max(0, min(1, (float64(i)-first)/(last-first)))
		list[i] = float32(float64(f)/r.Factor*divided + float64(f)*(1-divided))
	}
}
