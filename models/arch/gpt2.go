package arch

import (
	"fmt"
	"math"
	"regexp"
	"strings"
)

// gpt2 is the family of Radford et al. 2019 in the parametrisation of Hugging Face's GPT2LMHeadModel: layers named h, biases on
// every linear, weights stored as [in, out] (Conv1D), queries, keys and values in one linear that adapters change as one.
var gpt2 = family{
	name: gpt2Model, models: []modelType{{gpt2Model, "GPT-2"}},
	naming: Naming{Title: "GPT-2", Root: gpt2Root, List: "h", FanInFanOut: true,
		Modules: []string{"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}},
	parse: parseGPT2, check: checkGPT2, config: gpt2Config, identity: gpt2Identity,
	inputs: gpt2Inputs, layer: gpt2Layer, head: gpt2Head,
	feedForward: []string{"mlp.c_fc", "mlp.c_proj"},
	textsBegin:  true,
	canonical:   gpt2Canonical, stored: gpt2Stored,
}

const (
	gpt2Model     = "gpt2"
	gpt2Root      = "transformer."
	gpt2Embedding = "wte.weight"
)

// GPT2 completes the shape of a GPT-2: its family, its heads' keys and size, and where they are left out, Inner, four times the
// width, and Activation, gelu_new.
func GPT2(s Shape) Shape {
	if s.Inner == 0 {
		s.Inner = 4 * s.Width
	}
	if s.Activation == "" {
		s.Activation = "gelu_new"
	}
	return gpt2Heads(s)
}

// gpt2Heads fills in what a GPT-2's other settings say.
func gpt2Heads(s Shape) Shape {
	s.Family, s.Model, s.KVHeads = gpt2Model, gpt2Model, s.Heads
	if s.Heads > 0 {
		s.HeadSize = s.Width / s.Heads
	}
	return s
}

// gpt2Activations maps the spellings of transformers to the three functions that differ.
var gpt2Activations = map[string]string{
	"gelu_new": "gelu_new", "gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new", "gelu": "gelu", "relu": "relu",
}

func parseGPT2(c *settings) Shape {
	s := Shape{Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true}
	c.need("n_layer", &s.Layers)
	c.need("n_head", &s.Heads)
	c.need("n_embd", &s.Width)
	c.need("n_positions", &s.Context)
	c.need("vocab_size", &s.Vocab)
	if !c.get("n_inner", &s.Inner) {
		s.Inner = 4 * s.Width
	}
	c.get("activation_function", &s.Activation)
	c.get("layer_norm_epsilon", &s.Epsilon)
	c.get("scale_attn_weights", &s.ScaleAttn)
	c.get("scale_attn_by_inverse_layer_idx", &s.ScaleAttnByLayer)
	c.get("reorder_and_upcast_attn", &s.ReorderUpcast)
	c.get("tie_word_embeddings", &s.TiedHead)
	s.EOS, s.BOS = c.token("eos_token_id", s.Vocab), c.token("bos_token_id", s.Vocab)
	if name, ok := gpt2Activations[s.Activation]; ok {
		s.Activation = name
	}
	return gpt2Heads(s)
}

func checkGPT2(s Shape) error {
	err := checkSizes([]size{{"n_layer", s.Layers, MaxLayers}, {"n_head", s.Heads, maxSize}, {"n_embd", s.Width, maxSize},
		{"n_positions", s.Context, maxSize}, {"vocab_size", s.Vocab, maxSize}, {"n_inner", s.Inner, maxSize}})
	if err != nil {
		return err
	}
	if s.Width%s.Heads != 0 {
		return fmt.Errorf("n_embd %d is not a multiple of n_head %d", s.Width, s.Heads)
	}
	if d := s.Width / s.Heads; d%8 != 0 {
		return fmt.Errorf("n_embd %d over n_head %d makes heads of width %d; the attention operator needs a multiple of 8, so this model cannot be served", s.Width, s.Heads, d)
	}
	if s.KVHeads != s.Heads || s.HeadSize*s.Heads != s.Width {
		return fmt.Errorf("%d key-value heads of width %d are not those of a GPT-2 with n_embd %d and n_head %d", s.KVHeads, s.HeadSize, s.Width, s.Heads)
	}
	if _, ok := gpt2Activations[s.Activation]; !ok {
		return fmt.Errorf("activation_function %q is not supported; gelu_new, gelu and relu are", s.Activation)
	}
	if !(s.Epsilon > 0) || math.IsInf(s.Epsilon, 0) {
		return fmt.Errorf("layer_norm_epsilon is %v, want a positive number", s.Epsilon)
	}
	return nil
}

// gpt2Config is the config.json that transformers reads.
func gpt2Config(s Shape) map[string]any {
	id := func(n int) any {
		if n < 0 {
			return nil
		}
		return n
	}
	return map[string]any{
		"architectures":                   []string{"GPT2LMHeadModel"},
		"model_type":                      gpt2Model,
		"n_layer":                         s.Layers,
		"n_head":                          s.Heads,
		"n_embd":                          s.Width,
		"n_positions":                     s.Context,
		"n_ctx":                           s.Context,
		"vocab_size":                      s.Vocab,
		"n_inner":                         s.Inner,
		"activation_function":             s.Activation,
		"layer_norm_epsilon":              s.Epsilon,
		"scale_attn_weights":              s.ScaleAttn,
		"scale_attn_by_inverse_layer_idx": s.ScaleAttnByLayer,
		"reorder_and_upcast_attn":         s.ReorderUpcast,
		"tie_word_embeddings":             s.TiedHead,
		"eos_token_id":                    id(s.EOS),
		"bos_token_id":                    id(s.BOS),
		"torch_dtype":                     "float32",
	}
}

// gpt2Identity keeps names and order of what digests have always covered.
func gpt2Identity(s Shape) any {
	return struct {
		Layers, Heads, Width, Context, Vocab, Inner int
		Activation                                  string
		Epsilon                                     float64
		ScaleAttn, ScaleAttnByLayer                 bool
		ReorderUpcast                               bool
		TiedHead                                    bool
		EOS, BOS                                    int
	}{s.Layers, s.Heads, s.Width, s.Context, s.Vocab, s.Inner, s.Activation, s.Epsilon, s.ScaleAttn, s.ScaleAttnByLayer, s.ReorderUpcast, s.TiedHead, s.EOS, s.BOS}
}

// gpt2Inputs are the embeddings of tokens and of positions.
func gpt2Inputs(s Shape) []Tensor {
	return []Tensor{
		{Name: gpt2Embedding, Dims: []int64{int64(s.Vocab), int64(s.Width)}, Start: Normal},
		{Name: "wpe.weight", Dims: []int64{int64(s.Context), int64(s.Width)}, Start: Normal},
	}
}

func gpt2Layer(s Shape, layer int) []Linear {
	linear := func(module string, in, out int) Linear {
		l := Linear{Target: Target{layer, module}, In: in, Out: out}
		l.Weight, l.Bias = l.String()+".weight", l.String()+".bias"
		return l
	}
	normed := func(l Linear, norm string) Linear {
		l.Norm = gpt2Norm(fmt.Sprintf("h.%d.%s", layer, norm))
		return l
	}
	residual := func(l Linear) Linear {
		l.Residual = true
		return l
	}
	return []Linear{
		normed(linear("attn.c_attn", s.Width, 3*s.Width), "ln_1"),
		residual(linear("attn.c_proj", s.Width, s.Width)),
		normed(linear("mlp.c_fc", s.Width, s.Inner), "ln_2"),
		residual(linear("mlp.c_proj", s.Inner, s.Width)),
	}
}

func gpt2Norm(name string) []string { return []string{name + ".weight", name + ".bias"} }

func gpt2Head(s Shape) Linear {
	l := Linear{Target: Target{-1, HeadName}, In: s.Width, Out: s.Vocab, Weight: HeadWeight, Transposed: true, Norm: gpt2Norm("ln_f")}
	if s.TiedHead {
		l.Weight = gpt2Embedding
	}
	return l
}

// gpt2Buffers are the causal masks that older versions of transformers saved beside the weights.
var gpt2Buffers = regexp.MustCompile(`^h\.\d+\.attn\.(bias|masked_bias)$`)

func gpt2Canonical(stored string) string {
	name := strings.TrimPrefix(stored, gpt2Root)
	if gpt2Buffers.MatchString(name) {
		return ""
	}
	return name
}

func gpt2Stored(name string) string {
	if name == HeadWeight {
		return name
	}
	return gpt2Root + name
}
