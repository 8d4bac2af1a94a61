package arch

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// llama is the family of Llama in the parametrisation of Hugging Face's LlamaForCausalLM, and of what differs from it in settings alone:
// Mistral's sliding window, the biases of Qwen2, the norms of queries and keys of Qwen3.
//
// Files keep every matrix as [out, in]. Those that read the same input are one linear here, [in, out]: queries, keys and values, and the
// two halves of the feed-forward part.
var llama = family{
	name:   "llama",
	models: llamaTypes,
	naming: Naming{Title: "Llama", Root: llamaRoot, List: "layers",
		Modules: slices.Concat(llamaAttention, []string{llamaOut}, llamaFeedForward)},
	parse: parseLlama, check: checkLlama, config: llamaConfig, identity: llamaIdentity,
	inputs: llamaInputs, layer: llamaLayer, head: llamaHead,
	feedForward: llamaFeedForward,
	canonical:   llamaCanonical, stored: llamaStored,
}

const (
	llamaRoot      = "model."
	llamaEmbedding = "embed_tokens.weight"
	llamaOut       = "self_attn.o_proj"
	llamaDown      = "mlp.down_proj"
)

var llamaTypes = []modelType{{"llama", "Llama"}, {"mistral", "Mistral"}, {"qwen2", "Qwen2"}, {"qwen3", "Qwen3"}}

var (
	llamaAttention   = []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}
	llamaFeedForward = []string{"mlp.gate_proj", "mlp.up_proj", llamaDown}
)

// Llama is the shape of a model of the family from its sizes, the rest filled in where it is zero: as many key-value heads as heads, heads
// as wide as the width allows, a rotation of base 10,000, SiLU.
func Llama(s Shape) Shape {
	s.Family, s.ScaleAttn = "llama", true
	if s.Model == "" {
		s.Model = "llama"
	}
	if s.KVHeads == 0 {
		s.KVHeads = s.Heads
	}
	if s.HeadSize == 0 && s.Heads > 0 {
		s.HeadSize = s.Width / s.Heads
	}
	if s.Activation == "" {
		s.Activation = "silu"
	}
	if s.Rotation.Base == 0 {
		s.Rotation.Base = 1e4
	}
	return s
}

// parseLlama reads what transformers' configurations of these models read, with their defaults where a file leaves something out.
func parseLlama(c *settings) Shape {
	s := Shape{Model: c.model, Activation: "silu", Epsilon: 1e-6}
	c.need("num_hidden_layers", &s.Layers)
	c.need("num_attention_heads", &s.Heads)
	c.need("hidden_size", &s.Width)
	c.need("intermediate_size", &s.Inner)
	c.need("vocab_size", &s.Vocab)
	c.need("max_position_embeddings", &s.Context)
	c.get("num_key_value_heads", &s.KVHeads)
	c.get("head_dim", &s.HeadSize)
	c.get("hidden_act", &s.Activation)
	c.get("rms_norm_eps", &s.Epsilon)
	c.get("tie_word_embeddings", &s.TiedHead)
	s.Rotation = c.rotation(1e4, s.Context)
	s.EOS, s.BOS = c.token("eos_token_id", s.Vocab), c.token("bos_token_id", s.Vocab)
	c.llamaBiases(&s)
	c.llamaWindow(&s)
	c.only("partial_rotary_factor", 1)
	c.only("pretraining_tp", 1)
	return Llama(s)
}

// llamaBiases reads which linears have biases, and whether heads have norms.
func (c *settings) llamaBiases(s *Shape) {
	switch s.Model {
	case "llama":
		c.get("attention_bias", &s.AttnBias)
		s.OutBias = s.AttnBias
		c.get("mlp_bias", &s.InnerBias)
	case "qwen2":
		s.AttnBias = true
	case "qwen3":
		c.get("attention_bias", &s.AttnBias)
		s.OutBias, s.HeadNorms = s.AttnBias, true
		if s.HeadSize == 0 {
			s.HeadSize = 128
		}
	}
}

// llamaWindow reads which layers see a sliding window.
func (c *settings) llamaWindow(s *Shape) {
	var window int
	switch s.Model {
	case "mistral":
		window = 4096
		if raw, ok := c.object["sliding_window"]; ok && string(raw) == "null" {
			window = 0
		}
		c.get("sliding_window", &window)
	case "qwen2", "qwen3":
		var on bool
		s.WindowFrom = 28
		c.get("max_window_layers", &s.WindowFrom)
		if c.get("use_sliding_window", &on); on {
			window = 4096
			c.get("sliding_window", &window)
		}
	}
	var kinds []string
	if c.get("layer_types", &kinds) && c.err == nil {
		c.err = s.layerTypes(kinds, &window)
	}
	if s.Window = window; window == 0 || s.WindowFrom >= s.Layers {
		s.Window, s.WindowFrom = 0, 0
	}
}

// layerTypes takes the layers with a window from a list that names the kind of each.
func (s *Shape) layerTypes(kinds []string, window *int) error {
	if len(kinds) != s.Layers {
		return fmt.Errorf("layer_types lists %d layers, num_hidden_layers is %d", len(kinds), s.Layers)
	}
	first := slices.Index(kinds, "sliding_attention")
	if first < 0 {
		first = len(kinds)
	}
	for i, kind := range kinds {
		if want := map[bool]string{true: "sliding_attention", false: "full_attention"}[i >= first]; kind != want {
			return fmt.Errorf("layer_types names layer %d %q; supported are layers of full_attention with layers of sliding_attention after them", i, kind)
		}
	}
	if first == len(kinds) {
		*window = 0
	}
	s.WindowFrom = first
	return nil
}

// only refuses a number other than the one that can be computed.
func (c *settings) only(key string, want float64) {
	v := want
	if c.get(key, &v); v != want && c.err == nil {
		c.err = fmt.Errorf("%s is %g; only %g is supported", key, v, want)
	}
}

// llamaTitle is the title of a model_type of the family, which transformers' classes begin with; "" for another.
func llamaTitle(model string) string { return titleOf(llamaTypes, model) }

func checkLlama(s Shape) error {
	err := checkSizes([]size{{"num_hidden_layers", s.Layers, MaxLayers}, {"num_attention_heads", s.Heads, maxSize}, {"num_key_value_heads", s.KVHeads, maxSize},
		{"head_dim", s.HeadSize, 1 << 12}, {"hidden_size", s.Width, maxSize}, {"intermediate_size", s.Inner, maxSize},
		{"max_position_embeddings", s.Context, maxSize}, {"vocab_size", s.Vocab, maxSize}})
	switch {
	case err != nil:
		return err
	case llamaTitle(s.Model) == "":
		return fmt.Errorf("model_type %q is not of the Llama family", s.Model)
	case s.Heads%s.KVHeads != 0:
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", s.Heads, s.KVHeads)
	case s.HeadSize%16 != 0:
		return fmt.Errorf("heads have a width of %d; the attention operator needs a multiple of 16 to rotate them, so this model cannot be served", s.HeadSize)
	case s.Activation != "silu":
		return fmt.Errorf("hidden_act %q is not supported; silu is", s.Activation)
	case !(s.Epsilon > 0) || math.IsInf(s.Epsilon, 0):
		return fmt.Errorf("rms_norm_eps is %v, want a positive number", s.Epsilon)
	case s.Window < 0 || s.Window > maxSize || s.WindowFrom < 0 || s.WindowFrom > MaxLayers:
		return fmt.Errorf("sliding_window is %d from layer %d on, want a positive number", s.Window, s.WindowFrom)
	}
	return s.Rotation.check()
}

func llamaConfig(s Shape) map[string]any {
	id := func(n int) any {
		if n < 0 {
			return nil
		}
		return n
	}
	c := map[string]any{
		"architectures":           []string{llamaTitle(s.Model) + "ForCausalLM"},
		"model_type":              s.Model,
		"num_hidden_layers":       s.Layers,
		"num_attention_heads":     s.Heads,
		"num_key_value_heads":     s.KVHeads,
		"head_dim":                s.HeadSize,
		"hidden_size":             s.Width,
		"intermediate_size":       s.Inner,
		"max_position_embeddings": s.Context,
		"vocab_size":              s.Vocab,
		"hidden_act":              s.Activation,
		"rms_norm_eps":            s.Epsilon,
		"rope_theta":              s.Rotation.Base,
		"rope_scaling":            s.Rotation.keys(),
		"tie_word_embeddings":     s.TiedHead,
		"eos_token_id":            id(s.EOS),
		"bos_token_id":            id(s.BOS),
		"torch_dtype":             "float32",
	}
	switch s.Model {
	case "llama":
		c["attention_bias"], c["mlp_bias"] = s.AttnBias, s.InnerBias
	case "mistral":
		c["sliding_window"] = nil
		if s.Window > 0 {
			c["sliding_window"] = s.Window
		}
	case "qwen3":
		c["attention_bias"] = s.AttnBias
	}
	if strings.HasPrefix(s.Model, "qwen") {
		if c["use_sliding_window"] = s.Window > 0; s.Window > 0 {
			c["sliding_window"], c["max_window_layers"] = s.Window, s.WindowFrom
		}
	}
	return c
}

func llamaIdentity(s Shape) any {
	return struct {
		Model                                                          string
		Layers, Heads, KVHeads, HeadSize, Width, Context, Vocab, Inner int
		Epsilon                                                        float64
		Rotation                                                       Rotation
		Window, WindowFrom                                             int
		TiedHead                                                       bool
		EOS, BOS                                                       int
	}{s.Model, s.Layers, s.Heads, s.KVHeads, s.HeadSize, s.Width, s.Context, s.Vocab, s.Inner, s.Epsilon, s.Rotation, s.Window, s.WindowFrom, s.TiedHead, s.EOS, s.BOS}
}

func llamaInputs(s Shape) []Tensor {
	return []Tensor{{Name: llamaEmbedding, Dims: []int64{int64(s.Vocab), int64(s.Width)}, Start: Normal}}
}

func llamaLayer(s Shape, layer int) []Linear {
	name := func(part string) string { return fmt.Sprintf("h.%d.%s.weight", layer, part) }
	linear := func(module string, in, out int, bias bool) Linear {
		l := Linear{Target: Target{layer, module}, In: in, Out: out, Split: true}
		if l.Weight = l.String() + ".weight"; bias {
			l.Bias = l.String() + ".bias"
		}
		return l
	}
	queries, keys := s.Heads*s.HeadSize, s.KVWidth()
	qkv := linear("self_attn.qkv_proj", s.Width, queries+2*keys, s.AttnBias)
	qkv.Norm = []string{name("input_layernorm")}
	for i, width := range []int{queries, keys, keys} {
		qkv.Parts = append(qkv.Parts, Part{llamaAttention[i], width})
	}
	if s.HeadNorms {
		for _, norm := range []string{"self_attn.q_norm", "self_attn.k_norm"} {
			qkv.HeadNorms = append(qkv.HeadNorms, Tensor{Name: name(norm), Dims: []int64{int64(s.HeadSize)}, Start: Ones})
		}
	}
	out := linear(llamaOut, queries, s.Width, s.OutBias)
	inner := linear("mlp.gate_up_proj", s.Width, 2*s.Inner, s.InnerBias)
	inner.Norm = []string{name("post_attention_layernorm")}
	inner.Parts = []Part{{llamaFeedForward[0], s.Inner}, {llamaFeedForward[1], s.Inner}}
	down := linear(llamaDown, s.Inner, s.Width, s.InnerBias)
	out.Residual, down.Residual = true, true
	out.Fed = &Fed{Of: qkv.Target, Column: queries + keys, Width: s.HeadSize, Repeat: s.Heads / s.KVHeads} // shares of values
	down.Fed = &Fed{Of: inner.Target, Column: s.Inner, Width: s.Inner, Repeat: 1}                          // SiLU(gate)·up
	return []Linear{qkv, out, inner, down}
}

func llamaHead(s Shape) Linear {
	l := Linear{Target: Target{-1, HeadName}, In: s.Width, Out: s.Vocab, Weight: HeadWeight, Transposed: true, Norm: []string{"norm.weight"}}
	if s.TiedHead {
		l.Weight = llamaEmbedding
	}
	return l
}

// llamaBuffers are frequencies of the rotation that older files store and that are no weights.
var llamaBuffers = regexp.MustCompile(`(^|\.)rotary_emb\.inv_freq$`)

// llamaCanonical takes LlamaForCausalLM's prefix off and names layers h.
func llamaCanonical(stored string) string {
	name := strings.TrimPrefix(stored, llamaRoot)
	if llamaBuffers.MatchString(name) {
		return ""
	}
	if rest, ok := strings.CutPrefix(name, "layers."); ok {
		return "h." + rest
	}
	return name
}

// llamaStored is the name that LlamaForCausalLM gives a tensor.
func llamaStored(name string) string {
	if name == HeadWeight {
		return name
	}
	if rest, ok := strings.CutPrefix(name, "h."); ok {
		name = "layers." + rest
	}
	return llamaRoot + name
}
