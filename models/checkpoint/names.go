package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// spec is the name and shape of a tensor that a GPT-2 of some Config has.
type spec struct {
	name  string
	shape []int64
}

func (s spec) elements() int64 {
	n := int64(1)
	for _, d := range s.shape {
		n *= d
	}
	return n
}

// specs lists the tensors of c in their canonical order, which is also the order of the digest. Conv1D weights are
// [in, out].
func (c Config) specs() []spec {
	d, inner := int64(c.Width), int64(c.Inner)
	list := []spec{
		{"wte.weight", []int64{int64(c.Vocab), d}},
		{"wpe.weight", []int64{int64(c.Context), d}},
	}
	for l := range c.Layers {
		for _, s := range []spec{
			{"ln_1.weight", []int64{d}}, {"ln_1.bias", []int64{d}},
			{"attn.c_attn.weight", []int64{d, 3 * d}}, {"attn.c_attn.bias", []int64{3 * d}},
			{"attn.c_proj.weight", []int64{d, d}}, {"attn.c_proj.bias", []int64{d}},
			{"ln_2.weight", []int64{d}}, {"ln_2.bias", []int64{d}},
			{"mlp.c_fc.weight", []int64{d, inner}}, {"mlp.c_fc.bias", []int64{inner}},
			{"mlp.c_proj.weight", []int64{inner, d}}, {"mlp.c_proj.bias", []int64{d}},
		} {
			list = append(list, spec{fmt.Sprintf("h.%d.%s", l, s.name), s.shape})
		}
	}
	list = append(list, spec{"ln_f.weight", []int64{d}}, spec{"ln_f.bias", []int64{d}})
	if !c.TiedHead {
		list = append(list, spec{head, []int64{int64(c.Vocab), d}})
	}
	return list
}

// Names lists the tensors that a checkpoint of c has, in canonical order.
func (c Config) Names() []string {
	specs := c.specs()
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.name
	}
	return names
}

// Shape is the shape of a tensor of c; ok is false for a name that c does not have.
func (c Config) Shape(name string) (shape []int64, ok bool) {
	for _, s := range c.specs() {
		if s.name == name {
			return s.shape, true
		}
	}
	return nil, false
}

const (
	head   = "lm_head.weight"
	prefix = "transformer."
)

// buffers are the causal masks that older versions of transformers saved beside the weights.
var buffers = regexp.MustCompile(`^h\.\d+\.attn\.(bias|masked_bias)$`)

// canonical is the name of a stored tensor without the prefix, "" for a buffer that is no weight.
func canonical(stored string) string {
	name := strings.TrimPrefix(stored, prefix)
	if buffers.MatchString(name) {
		return ""
	}
	return name
}

// otherHeads are modules beside the transformer that other tasks' models put on its outputs: classifiers, reward and value heads,
// answers to multiple choice. A language model computes without them, as transformers does when it loads such a file into one.
var otherHeads = regexp.MustCompile(`^(score|classifier|qa_outputs|pooler|\w+_classifier|\w+_heads?)\.`)

// takeHeads removes from found the tensors of heads that a language model does not have, and returns their names in order.
func takeHeads(found map[string]source) []string {
	var names []string
	for name := range found {
		if otherHeads.MatchString(name) && !strings.HasPrefix(name, "lm_head.") {
			names = append(names, name)
			delete(found, name)
		}
	}
	slices.Sort(names)
	return names
}
