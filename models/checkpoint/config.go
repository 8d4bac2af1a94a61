package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"nightshift/models/internal/strictjson"
)

// Config holds what decides the computation of a GPT-2 model. Fields and order are those of gpt2.Config.
type Config struct {
	Layers, Heads, Width, Context, Vocab, Inner int
	Activation                                  string // gelu_new (tanh form), gelu (erf form) or relu
	Epsilon                                     float64
	ScaleAttn, ScaleAttnByLayer                 bool // divide scores by √(head width); by layer number + 1 as well
	ReorderUpcast                               bool // no effect in float32
	TiedHead                                    bool // the head is wte.weight
	EOS, BOS                                    int  // the first that config.json names, −1 when absent or outside the vocabulary; see Checkpoint.Ends
}

// Limits that keep every product of sizes far from overflow; no GPT-2 comes near them.
const (
	maxLayers = 1 << 10
	maxSize   = 1 << 24
)

// Check reports the first setting that the graphs cannot compute.
func (c Config) Check() error {
	for _, s := range []struct {
		key       string
		value, hi int
	}{
		{"n_layer", c.Layers, maxLayers}, {"n_head", c.Heads, maxSize}, {"n_embd", c.Width, maxSize},
		{"n_positions", c.Context, maxSize}, {"vocab_size", c.Vocab, maxSize}, {"n_inner", c.Inner, maxSize},
	} {
		if s.value < 1 || s.value > s.hi {
			return fmt.Errorf("%s is %d, want 1 to %d", s.key, s.value, s.hi)
		}
	}
	if c.Width%c.Heads != 0 {
		return fmt.Errorf("n_embd %d is not a multiple of n_head %d", c.Width, c.Heads)
	}
	if d := c.Width / c.Heads; d%8 != 0 {
		return fmt.Errorf("n_embd %d over n_head %d makes heads of width %d; the attention operator needs a multiple of 8, so this model cannot be served", c.Width, c.Heads, d)
	}
	if _, ok := activations[c.Activation]; !ok {
		return fmt.Errorf("activation_function %q is not supported; gelu_new, gelu and relu are", c.Activation)
	}
	if !(c.Epsilon > 0) || math.IsInf(c.Epsilon, 0) {
		return fmt.Errorf("layer_norm_epsilon is %v, want a positive number", c.Epsilon)
	}
	return nil
}

// activations maps the spellings of transformers to the three functions that differ.
var activations = map[string]string{
	"gelu_new": "gelu_new", "gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new", "gelu": "gelu", "relu": "relu",
}

// refused lists settings that change the computation in ways the graphs do not have, with the values that are harmless.
var refused = []struct {
	key      string
	harmless []string
	why      string
}{
	{"add_cross_attention", []string{"false"}, "cross-attention is not supported"},
	{"is_encoder_decoder", []string{"false"}, "only decoders are supported"},
	{"pruned_heads", []string{"{}", "[]"}, "pruned heads are not supported"},
	{"quantization_config", nil, "quantised checkpoints are not read; save the model in float32, float16 or bfloat16"},
	{"auto_map", []string{"{}"}, "the model brings Python code of its own, which is never run"},
}

// ParseConfig reads a config.json of model type gpt2. Absent settings take the defaults of transformers' GPT2Config,
// except the sizes, which must be given.
func ParseConfig(data []byte) (Config, error) {
	object, err := strictjson.Object(data)
	if err != nil {
		return Config{}, err
	}
	s := settings{object: object}
	var kind string
	s.get("model_type", &kind)
	if s.err == nil && kind != "gpt2" {
		return Config{}, fmt.Errorf("model_type is %q; only gpt2 is supported", kind)
	}
	for _, r := range refused {
		raw, ok := object[r.key]
		if ok && string(raw) != "null" && !slices.Contains(r.harmless, compact(raw)) {
			return Config{}, fmt.Errorf("%s is %s: %s", r.key, compact(raw), r.why)
		}
	}
	c := Config{Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true}
	for _, size := range []struct {
		key string
		dst *int
	}{
		{"n_layer", &c.Layers}, {"n_head", &c.Heads}, {"n_embd", &c.Width}, {"n_positions", &c.Context}, {"vocab_size", &c.Vocab},
	} {
		if !s.get(size.key, size.dst) && s.err == nil {
			return Config{}, fmt.Errorf("%s is missing", size.key)
		}
	}
	if !s.get("n_inner", &c.Inner) {
		c.Inner = 4 * c.Width
	}
	s.get("activation_function", &c.Activation)
	s.get("layer_norm_epsilon", &c.Epsilon)
	s.get("scale_attn_weights", &c.ScaleAttn)
	s.get("scale_attn_by_inverse_layer_idx", &c.ScaleAttnByLayer)
	s.get("reorder_and_upcast_attn", &c.ReorderUpcast)
	s.get("tie_word_embeddings", &c.TiedHead)
	c.EOS, c.BOS = s.token("eos_token_id", c.Vocab), s.token("bos_token_id", c.Vocab)
	if s.err != nil {
		return Config{}, s.err
	}
	if name, ok := activations[c.Activation]; ok {
		c.Activation = name
	}
	return c, c.Check()
}

// settings reads typed values out of a JSON object and keeps the first error.
type settings struct {
	object map[string]json.RawMessage
	err    error
}

// get fills dst from key and reports whether it was there; null counts as absent, as in transformers.
func (s *settings) get(key string, dst any) bool {
	raw, ok := s.object[key]
	if !ok || string(raw) == "null" || s.err != nil {
		return false
	}
	if err := json.Unmarshal(raw, dst); err != nil {
		s.err = fmt.Errorf("%s is %s: %w", key, compact(raw), err)
		return false
	}
	return true
}

// token reads the first id of a special token, −1 for none.
func (s *settings) token(key string, vocab int) int {
	ids, err := tokenIDs(s.object[key], vocab)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%s: %w", key, err)
	}
	if len(ids) == 0 {
		return -1
	}
	return ids[0]
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// encode writes the config.json that transformers reads, one setting a line, keys sorted.
func (c Config) encode() ([]byte, error) {
	id := func(n int) any {
		if n < 0 {
			return nil
		}
		return n
	}
	data, err := json.MarshalIndent(map[string]any{
		"architectures":                   []string{"GPT2LMHeadModel"},
		"model_type":                      "gpt2",
		"n_layer":                         c.Layers,
		"n_head":                          c.Heads,
		"n_embd":                          c.Width,
		"n_positions":                     c.Context,
		"n_ctx":                           c.Context,
		"vocab_size":                      c.Vocab,
		"n_inner":                         c.Inner,
		"activation_function":             c.Activation,
		"layer_norm_epsilon":              c.Epsilon,
		"scale_attn_weights":              c.ScaleAttn,
		"scale_attn_by_inverse_layer_idx": c.ScaleAttnByLayer,
		"reorder_and_upcast_attn":         c.ReorderUpcast,
		"tie_word_embeddings":             c.TiedHead,
		"eos_token_id":                    id(c.EOS),
		"bos_token_id":                    id(c.BOS),
		"torch_dtype":                     "float32",
	}, "", "  ")
	return append(data, '\n'), err
}
