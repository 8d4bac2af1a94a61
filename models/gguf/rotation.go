package gguf

import (
	"fmt"
	"math"
)

// frequencies names the tensor of divisors of the rotation's frequencies, [headDim/2], which files of Llama 3.1 and later have.
const frequencies = "rope_freqs.weight"

// readRotation reads base and scaling of the rotation.
func (m *model) readRotation(s *settings) {
	m.theta = s.positive("rope.freq_base", 10000)
	kind := s.text("rope.scaling.type")
	if kind == "" {
		kind = "linear" // as llama.cpp has it; a factor of 1 is none
	}
	s.ask("rope.scaling.finetuned") // whether somebody trained with it: of no meaning here
	factor := s.factor()
	original := s.size("rope.scaling.original_context_length", m.context)
	fast, slow := s.positive("rope.scaling.yarn_beta_fast", 32), s.positive("rope.scaling.yarn_beta_slow", 1)
	for _, key := range []string{"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_ext_factor"} {
		s.harmless(key, 1.0, "a factor of the attention other than YaRN's own is not supported")
	}
	s.harmless("rope.scaling.yarn_log_multiplier", 0.0, "a factor of the attention other than YaRN's own is not supported")
	if s.err != nil {
		return
	}
	switch kind {
	case "none":
	case "linear":
		if factor != 1 {
			m.scaling = map[string]any{"rope_type": "linear", "factor": factor}
		}
	case "yarn":
		m.scaling = map[string]any{"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original,
			"beta_fast": fast, "beta_slow": slow}
	default:
		s.err = fmt.Errorf("%srope.scaling.type is %.80q, only none, linear and yarn are supported", s.prefix, kind)
	}
}

// factor is rope.scaling.factor, or what files called it earlier; 0 means 1.
func (s *settings) factor() float64 {
	x := 0.0
	for _, key := range []string{"rope.scale_linear", "rope.scaling.factor"} {
		if _, ok := s.ask(key); ok {
			x = s.float(key, 0)
		}
	}
	if s.err == nil && x < 0 {
		s.err = fmt.Errorf("%srope.scaling.factor is %v, want a positive number", s.prefix, x)
	}
	if x == 0 {
		return 1
	}
	return x
}

// readFrequencies recovers the scaling that rope_freqs.weight was computed from.
func (m *model) readFrequencies(f *File) error {
	t, ok := f.Tensor(frequencies)
	if !ok {
		return nil
	}
	if len(t.Shape) != 1 || t.Shape[0] != m.headDim/2 {
		return fmt.Errorf("%s has shape %v, want [%d]", frequencies, t.Shape, m.headDim/2)
	}
	if m.scaling != nil {
		return fmt.Errorf("%s stands beside a scaling of type %v; one of them only is supported", frequencies, m.scaling["rope_type"])
	}
	var divisors []float32
	err := f.Chunks(frequencies, func(chunk []float32) error {
		divisors = append(divisors, chunk...)
		return nil
	})
	if err == nil {
		m.scaling, err = llama3Of(divisors, m.theta)
	}
	return err
}

// The parameters that converters have written divisors for; a file holds the divisors only.
const (
	lowFactor  = 1.0
	highFactor = 4.0
	originally = 8192 // positions
)

// llama3Of finds the factor of Hugging Face's rope_type llama3 whose divisors these are; nil where all are 1.
//
// With frequency i of n, f = theta^(−i/n), and wavelength λ = 2π/f, a frequency stays where λ < 8192/4, is divided by factor where
// λ > 8192/1, and between becomes (1 − s)·f/factor + s·f with s = (8192/λ − 1)/(4 − 1).
func llama3Of(divisors []float32, theta float64) (map[string]any, error) {
	factor := 1.0
	for _, d := range divisors {
		factor = max(factor, float64(d))
	}
	for i, d := range divisors {
		want := llama3Divisor(2*math.Pi*math.Pow(theta, float64(i)/float64(len(divisors))), factor)
		if math.Abs(float64(d)-want) > 1e-4*want {
			return nil, fmt.Errorf("%s divides frequency %d by %v; rope_type llama3 with factor %v, low 1, high 4 and 8192 positions originally would by %v",
				frequencies, i, d, factor, want)
		}
	}
	if factor == 1 {
		return nil, nil
	}
	return map[string]any{"rope_type": "llama3", "factor": shortest(factor), "low_freq_factor": lowFactor, "high_freq_factor": highFactor,
		"original_max_position_embeddings": int64(originally)}, nil
}

// llama3Divisor is what a frequency of a wavelength is divided by.
func llama3Divisor(wavelength, factor float64) float64 {
	switch {
	case wavelength < originally/highFactor:
		return 1
	case wavelength > originally/lowFactor:
		return factor
	}
	s := (originally/wavelength - lowFactor) / (highFactor - lowFactor)
	return 1 / ((1-s)/factor + s)
}
