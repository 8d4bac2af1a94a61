package train

import "fmt"

// Rounds is meta-experience replay inside a run, MER (Riemer et al. 2019, arXiv:1810.11910), whose meta-step is Reptile's
// (Nichol et al. 2018, arXiv:1803.02999): after every Length steps, and after the last one, the parameters return to
// origin + Share·(reached − origin), where origin is where the round began. To first order that favours directions in which the
// gradients of a round's batches agree: feed it with Alternating, so that a round holds fresh and rehearsed ones.
//
// The optimizer's moments live on through rounds. A share of 1 changes the parameters by rounding alone.
type Rounds struct {
	Length int     // steps of a round, 0 for no rounds
	Share  float64 // in (0,1]
}

// Interpolate replaces params by origin + share·(params − origin).
func Interpolate(params, origin []float32, share float64) {
	for i, o := range origin {
		params[i] = float32(float64(o) + share*(float64(params[i])-float64(o)))
	}
}

// Reptile is the outer step of Reptile (arXiv:1803.02999, its batched form) over tracks: start + share·mean(reached − start),
// where each vector of reached is what a track's training made of start. With a share of 1 it is their mean. The vectors are
// factors A and B, whose mean is not the factors of the mean product: the step is Reptile's only while the moves are small.
func Reptile(start []float32, reached [][]float32, share float64) ([]float32, error) {
	if len(reached) == 0 {
		return nil, fmt.Errorf("step towards tracks: none was given")
	}
	sum := make([]float64, len(start))
	for t, r := range reached {
		if len(r) != len(start) {
			return nil, fmt.Errorf("step towards track %d: it has %d parameters, the start %d", t, len(r), len(start))
		}
		for i, v := range r {
			sum[i] += float64(v) - float64(start[i])
		}
	}
	out := make([]float32, len(start))
	for i, v := range start {
		out[i] = float32(float64(v) + share*sum[i]/float64(len(reached)))
	}
	return out, nil
}
