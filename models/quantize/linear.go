package quantize

import (
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
)

// weightOf reads the weight of a linear as [in,out], whichever way a checkpoint keeps it.
func weightOf(base *checkpoint.Checkpoint, l arch.Linear) ([]float32, error) {
	stored, err := base.Floats(l.Weight)
	if err != nil || !l.Transposed {
		return stored, err
	}
	turned := make([]float32, len(stored))
	parallel((l.In+63)/64, func(part int) {
		for o := range l.Out {
			for c := part * 64; c < min(l.In, part*64+64); c++ {
				turned[c*l.Out+o] = stored[o*l.In+c]
			}
		}
	})
	return turned, nil
}

// scaled is weights with each row multiplied by its element of s; s may be nil.
func scaled(weights, s []float32) []float32 {
	if s == nil {
		return weights
	}
	out := len(weights) / len(s)
	result := make([]float32, len(weights))
	parallel(len(s), func(c int) {
		for o, w := range weights[c*out : (c+1)*out] {
			result[c*out+o] = w * s[c]
		}
	})
	return result
}
