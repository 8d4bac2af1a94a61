// Package gpt2 builds the ONNX graphs of a GPT-2-family model: decode (prefill and ragged decoding against an
// in-place key/value cache, with a bank of LoRA adapters mixed in one batch), train (log-probabilities and the
// gradients of the trainable inputs) and score (log-probabilities and top-k distributions, no gradients).
//
// The architecture is Radford et al. 2019, in the parametrisation of Hugging Face's GPT2LMHeadModel: Conv1D weights
// are stored [in,out] and feed MatMul as they are. Weights are never copied here: a Weights function says where each
// tensor lies, and the graph refers to it.
//
// The package builds graphs and nothing else: it runs nothing, reads no files and knows no tokenizer.
package gpt2

import (
	"fmt"
	"math"
)

// Config is the shape of a GPT-2 model. Its fields are those of checkpoint.Config, so that one converts to the other.
type Config struct {
	// Layers, Heads, Width, Context, Vocab and Inner are n_layer, n_head, n_embd, n_positions, vocab_size and n_inner.
	Layers, Heads, Width, Context, Vocab, Inner int
	// Activation is "gelu_new" (tanh approximation), "gelu" (erf) or "relu".
	Activation string
	// Epsilon is layer_norm_epsilon.
	Epsilon float64
	// ScaleAttn divides attention scores by sqrt(head size); ScaleAttnByLayer divides them by layer+1 as well.
	ScaleAttn, ScaleAttnByLayer bool
	// ReorderUpcast is reorder_and_upcast_attn; in float32 it changes nothing.
	ReorderUpcast bool
	// TiedHead says that the output head is the token embedding.
	TiedHead bool
	// EOS and BOS are what config.json says of eos_token_id, the first of several, and of bos_token_id; −1 for none. No computation
	// depends on them.
	EOS, BOS int
}

// HeadSize is the width of one attention head.
func (c Config) HeadSize() int { return c.Width / c.Heads }

// Check reports the first setting that no graph can be built for.
func (c Config) Check() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"layers", c.Layers}, {"heads", c.Heads}, {"width", c.Width}, {"context", c.Context}, {"vocabulary", c.Vocab}, {"inner width", c.Inner}} {
		if f.value <= 0 {
			return fmt.Errorf("check GPT-2 config: %s is %d, it must be positive", f.name, f.value)
		}
	}
	if c.Width%c.Heads != 0 {
		return fmt.Errorf("check GPT-2 config: width %d is not a multiple of %d heads", c.Width, c.Heads)
	}
	if c.HeadSize()%8 != 0 {
		return fmt.Errorf("check GPT-2 config: head size %d (width %d / %d heads) must be a multiple of 8", c.HeadSize(), c.Width, c.Heads)
	}
	switch c.Activation {
	case "gelu_new", "gelu", "relu":
	default:
		return fmt.Errorf("check GPT-2 config: activation %q is not supported (gelu_new, gelu or relu)", c.Activation)
	}
	return nil
}

// attentionScale is the factor on q·k of one layer.
func (c Config) attentionScale(layer int) float32 {
	scale := 1.0
	if c.ScaleAttn {
		scale /= math.Sqrt(float64(c.HeadSize()))
	}
	if c.ScaleAttnByLayer {
		scale /= float64(layer + 1)
	}
	return float32(scale)
}

// Modules are the linears of a block that an adapter can change, in the order in which they are applied.
var Modules = []string{"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}

// ModuleShape returns the input and output width of a block's linear.
func (c Config) ModuleShape(module string) (in, out int, err error) {
	switch module {
	case "attn.c_attn":
		return c.Width, 3 * c.Width, nil
	case "attn.c_proj":
		return c.Width, c.Width, nil
	case "mlp.c_fc":
		return c.Width, c.Inner, nil
	case "mlp.c_proj":
		return c.Inner, c.Width, nil
	}
	return 0, 0, fmt.Errorf("module %q is not one of %v", module, Modules)
}

// ParameterShape is one tensor of a checkpoint: its name without the "transformer." prefix and its dimensions.
type ParameterShape struct {
	Name string
	Dims []int64
}

// Parameters lists every tensor of a model of this shape in a fixed order.
func (c Config) Parameters() []ParameterShape {
	w, in := int64(c.Width), int64(c.Inner)
	list := []ParameterShape{{"wte.weight", []int64{int64(c.Vocab), w}}, {"wpe.weight", []int64{int64(c.Context), w}}}
	for l := range c.Layers {
		p := fmt.Sprintf("h.%d.", l)
		list = append(list,
			ParameterShape{p + "ln_1.weight", []int64{w}}, ParameterShape{p + "ln_1.bias", []int64{w}},
			ParameterShape{p + "attn.c_attn.weight", []int64{w, 3 * w}}, ParameterShape{p + "attn.c_attn.bias", []int64{3 * w}},
			ParameterShape{p + "attn.c_proj.weight", []int64{w, w}}, ParameterShape{p + "attn.c_proj.bias", []int64{w}},
			ParameterShape{p + "ln_2.weight", []int64{w}}, ParameterShape{p + "ln_2.bias", []int64{w}},
			ParameterShape{p + "mlp.c_fc.weight", []int64{w, in}}, ParameterShape{p + "mlp.c_fc.bias", []int64{in}},
			ParameterShape{p + "mlp.c_proj.weight", []int64{in, w}}, ParameterShape{p + "mlp.c_proj.bias", []int64{w}})
	}
	list = append(list, ParameterShape{"ln_f.weight", []int64{w}}, ParameterShape{"ln_f.bias", []int64{w}})
	if !c.TiedHead {
		list = append(list, ParameterShape{"lm_head.weight", []int64{int64(c.Vocab), w}})
	}
	return list
}
