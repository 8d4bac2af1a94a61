package quantize

import (
	"fmt"

	"nightshift/models/checkpoint"
)

// HeadName is what the output head is called among the linears.
const HeadName = "lm_head"

// linear is one matrix product of a model: where its weights are, and the layer norm that makes its inputs, if one does.
type linear struct {
	name    string // its weight is name.weight
	norm    string // h.0.ln_1; "" when its inputs come from elsewhere
	in, out int
	bias    bool
}

// linears lists those of a model, in the order in which they are computed.
func linears(c checkpoint.Config) []linear {
	w := c.Width
	var list []linear
	for l := range c.Layers {
		h := fmt.Sprintf("h.%d.", l)
		list = append(list,
			linear{h + "attn.c_attn", h + "ln_1", w, 3 * w, true}, linear{h + "attn.c_proj", "", w, w, true},
			linear{h + "mlp.c_fc", h + "ln_2", w, c.Inner, true}, linear{h + "mlp.c_proj", "", c.Inner, w, true})
	}
	return append(list, linear{HeadName, "ln_f", w, c.Vocab, false})
}

// Linears names the linears of a model, whose inputs a calibration looks at: those of its blocks, and its head.
func Linears(c checkpoint.Config) []string {
	var names []string
	for _, l := range linears(c) {
		names = append(names, l.name)
	}
	return names
}

// weights reads [in,out]. The head, which a checkpoint keeps as [out,in], is transposed.
func (l linear) weights(base *checkpoint.Checkpoint) ([]float32, error) {
	if l.name != HeadName {
		return base.Floats(l.name + ".weight")
	}
	name := "lm_head.weight"
	if base.Config().TiedHead {
		name = "wte.weight"
	}
	stored, err := base.Floats(name)
	if err != nil {
		return nil, err
	}
	turned := make([]float32, len(stored))
	parallel((l.in+63)/64, func(part int) {
		for o := range l.out {
			for c := part * 64; c < min(l.in, part*64+64); c++ {
				turned[c*l.out+o] = stored[o*l.in+c]
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
