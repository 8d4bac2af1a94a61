package families_test

import (
	"errors"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/onnx"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
)

// TestRefused wants the reason why no graph is built.
func TestRefused(t *testing.T) {
	none := func(name string) (onnx.Tensor, error) { return onnx.Tensor{}, errors.New("no such file") }
	good := arch.GPT2(arch.Shape{Layers: 1, Heads: 1, Width: 8, Context: 4, Vocab: 5, Epsilon: 1e-5, TiedHead: true})
	odd := good
	odd.Heads = 3
	for name, test := range map[string]struct {
		model   graphs.Model
		modules []string
		want    string
	}{
		"family":      {families.Of(arch.Shape{Family: "gpt_neox"}), nil, `model_type is "gpt_neox"; supported are gpt2, llama, `},
		"no family":   {families.Of(arch.Shape{}), nil, `model_type is ""`},
		"shape":       {families.Of(odd), nil, "not a multiple of n_head 3"},
		"transformer": {graphs.Model{Shape: good}, nil, "no transformer for models of type gpt2"},
		"module":      {families.Of(good), []string{"q_proj"}, `module "q_proj" is not one of [attn.c_attn`},
		"weights":     {families.Of(good), nil, "find weight wte.weight: no such file"},
	} {
		if _, err := test.model.Decode(none, graphs.DecodeOptions{Modules: test.modules}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
