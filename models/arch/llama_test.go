package arch

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// llamas are shapes of the family that differ in every setting.
func llamas() []Shape {
	base := Shape{Layers: 3, Heads: 4, KVHeads: 2, Width: 48, HeadSize: 16, Context: 32, Vocab: 40, Inner: 56, Epsilon: 1e-6, EOS: 2, BOS: 1}
	with := func(change func(*Shape)) Shape {
		s := base
		change(&s)
		return Llama(s)
	}
	return []Shape{
		with(func(s *Shape) {}),
		with(func(s *Shape) {
			s.AttnBias, s.OutBias, s.InnerBias, s.TiedHead, s.EOS, s.BOS = true, true, true, true, -1, -1
		}),
		with(func(s *Shape) {
			s.Rotation = Rotation{Base: 5e5, Scaling: "llama3", Factor: 8, Low: 1, High: 4, Original: 16}
		}),
		with(func(s *Shape) { s.Model, s.Window = "mistral", 7 }),
		with(func(s *Shape) { s.Model, s.AttnBias, s.Window, s.WindowFrom = "qwen2", true, 5, 1 }),
		with(func(s *Shape) {
			s.Model, s.AttnBias = "qwen2", true
			s.Rotation = Rotation{Base: 1e6, Scaling: "yarn", Factor: 4, Low: 1, High: 32, Original: 8, Attention: 1.5}
		}),
		with(func(s *Shape) { s.Model, s.HeadNorms, s.HeadSize = "qwen3", true, 32 }),
	}
}

// published is a config.json as it is published, in the older dialect, with a place for more keys.
const published = `{"model_type": %q, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
	"vocab_size": 100, "max_position_embeddings": 512, "hidden_act": "silu", "rms_norm_eps": 1e-05, "torch_dtype": "bfloat16", "use_cache": true,
	"attention_dropout": 0.0, "initializer_range": 0.02, "bos_token_id": 1, "eos_token_id": [2, 3] %s}`

func TestParseLlama(t *testing.T) {
	base := Shape{Layers: 4, Heads: 4, KVHeads: 2, Width: 64, Inner: 96, Vocab: 100, Context: 512, Epsilon: 1e-5, EOS: 2, BOS: 1}
	for _, c := range []struct {
		model, more string
		change      func(*Shape)
	}{
		{"llama", ``, func(*Shape) {}},
		{"llama", `, "rope_theta": 500000.0, "tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true`, func(s *Shape) {
			s.Rotation.Base, s.TiedHead, s.AttnBias, s.OutBias, s.InnerBias = 5e5, true, true, true, true
		}},
		{"llama", `, "rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
			"original_max_position_embeddings": 256, "rope_type": "llama3"}`, func(s *Shape) {
			s.Rotation = Rotation{Base: 5e5, Scaling: "llama3", Factor: 32, Low: 1, High: 4, Original: 256}
		}},
		{"llama", `, "rope_parameters": {"rope_theta": 20000.0, "rope_type": "linear", "factor": 2.0}`, func(s *Shape) {
			s.Rotation = Rotation{Base: 2e4, Scaling: "linear", Factor: 2}
		}},
		{"llama", `, "rope_scaling": {"type": "yarn", "factor": 4.0}`, func(s *Shape) {
			s.Rotation = Rotation{Base: 1e4, Scaling: "yarn", Factor: 4, Low: 1, High: 32, Original: 512}
		}},
		{"llama", `, "head_dim": 32, "pretraining_tp": 1, "partial_rotary_factor": 1.0`, func(s *Shape) { s.HeadSize = 32 }},
		{"mistral", ``, func(s *Shape) { s.Window = 4096 }},
		{"mistral", `, "sliding_window": null`, func(s *Shape) {}},
		{"mistral", `, "sliding_window": 16`, func(s *Shape) { s.Window = 16 }},
		{"qwen2", `, "use_sliding_window": false, "sliding_window": 32768, "max_window_layers": 2`, func(s *Shape) { s.AttnBias = true }},
		{"qwen2", `, "use_sliding_window": true, "sliding_window": 64, "max_window_layers": 2`, func(s *Shape) { s.AttnBias, s.Window, s.WindowFrom = true, 64, 2 }},
		{"qwen2", `, "use_sliding_window": true, "sliding_window": 64, "layer_types": ["full_attention", "full_attention", "full_attention", "sliding_attention"]`,
			func(s *Shape) { s.AttnBias, s.Window, s.WindowFrom = true, 64, 3 }},
		{"qwen3", ``, func(s *Shape) { s.HeadNorms, s.HeadSize = true, 128 }},
		{"qwen3", `, "attention_bias": true, "head_dim": 16`, func(s *Shape) { s.HeadNorms, s.AttnBias, s.OutBias = true, true, true }},
	} {
		want := base
		want.Model = c.model
		c.change(&want)
		got, err := Parse(fmt.Appendf(nil, published, c.model, c.more))
		if err != nil || got != Llama(want) {
			t.Errorf("%s%s: %v\n%+v, want\n%+v", c.model, c.more, err, got, Llama(want))
		}
	}
}

func TestParseLlamaRefuses(t *testing.T) {
	for more, want := range map[string]string{
		`, "rope_scaling": {"rope_type": "longrope", "short_factor": [1], "long_factor": [2]}`:           `rope_type "longrope" is not supported`,
		`, "rope_scaling": {"type": "dynamic", "factor": 2}`:                                             `rope_type "dynamic" is not supported`,
		`, "rope_scaling": {"rope_type": "llama3", "factor": 8}`:                                         "llama3 needs low_freq_factor",
		`, "rope_scaling": {"rope_type": "yarn", "factor": 8, "mscale": 0.7}`:                            "mscale",
		`, "rope_scaling": {"rope_type": "linear"}`:                                                      "the factor of rope_type linear is 0",
		`, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}`: "partial_rotary_factor is 0.5",
		`, "partial_rotary_factor": 0.25`:                                                                "partial_rotary_factor is 0.25",
		`, "rope_theta": 0`:                                                                              "rope_theta is 0",
		`, "rope_theta": "much"`:                                                                         "rope_theta is \"much\"",
		`, "pretraining_tp": 2`:                                                                          "pretraining_tp is 2",
		`, "head_dim": 40`:                                                                               "multiple of 16",
		`, "hidden_act": "gelu"`:                                                                         `hidden_act "gelu"`,
		`, "rms_norm_eps": 0`:                                                                            "rms_norm_eps is 0",
		`, "layer_types": ["sliding_attention", "full_attention", "full_attention", "full_attention"]`: "layer_types names layer 1",
		`, "layer_types": ["full_attention"]`:  "layer_types lists 1 layers",
		`, "quantization_config": {"bits": 4}`: "quantised checkpoints are not read",
	} {
		data := strings.Replace(fmt.Sprintf(published, "llama", more), `"hidden_act": "silu", `, "", 1)
		if strings.Contains(more, "rms_norm_eps") {
			data = strings.Replace(data, `"rms_norm_eps": 1e-05, `, "", 1)
		}
		if s, err := Parse([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q (%+v)", more, err, want, s)
		}
	}
	for change, want := range map[[2]string]string{
		{`"num_key_value_heads": 2`, `"num_key_value_heads": 3`}: "not a multiple of num_key_value_heads 3",
		{`"hidden_size": 64,`, ``}:                               "hidden_size is missing",
		{`"num_hidden_layers": 4`, `"num_hidden_layers": 4e9`}:   "num_hidden_layers",
	} {
		if _, err := Parse([]byte(strings.Replace(fmt.Sprintf(published, "llama", ""), change[0], change[1], 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", change, err, want)
		}
	}
	if _, err := Parse([]byte(`{"model_type": "gemma3_text"}`)); err == nil || !strings.Contains(err.Error(), `"gemma3_text"; supported are gpt2, llama, mistral, qwen2, qwen3`) {
		t.Error(err)
	}
}

// TestAngles holds the angles to their definition: no rotation at the first position, one radian a position for the first pair, and what
// scaling does to the fastest and the slowest pair.
func TestAngles(t *testing.T) {
	for _, c := range []struct {
		rotation   Rotation
		fast, slow float64 // factors on the frequencies of the first and the last pair
		length     float64 // of a pair of sine and cosine
	}{
		{Rotation{Base: 1e4}, 1, 1, 1},
		{Rotation{Base: 1e4, Scaling: "linear", Factor: 4}, 0.25, 0.25, 1},
		{Rotation{Base: 1e4, Scaling: "llama3", Factor: 4, Low: 1, High: 4, Original: 64}, 1, 0.25, 1},
		{Rotation{Base: 1e4, Scaling: "yarn", Factor: 4, Low: 1, High: 8, Original: 64}, 1, 0.25, 0.1*math.Log(4) + 1},
		{Rotation{Base: 1e4, Scaling: "yarn", Factor: 4, Low: 1, High: 8, Original: 64, Attention: 2}, 1, 0.25, 2},
	} {
		s := Llama(Shape{Layers: 1, Heads: 2, Width: 32, Context: 9, Vocab: 4, Inner: 8, Epsilon: 1e-6, Rotation: c.rotation})
		cos, sin := s.Angles()
		half := s.HeadSize / 2
		if len(cos) != s.Context*half || len(sin) != len(cos) {
			t.Fatalf("%d and %d numbers", len(cos), len(sin))
		}
		for p := range s.Context {
			for _, pair := range []struct {
				at     int
				factor float64
			}{{0, c.fast}, {half - 1, c.slow}} {
				angle := float64(p) * pair.factor * math.Pow(1e4, -2*float64(pair.at)/float64(s.HeadSize))
				at := p*half + pair.at
				if math.Abs(float64(cos[at])-c.length*math.Cos(angle)) > 1e-5 || math.Abs(float64(sin[at])-c.length*math.Sin(angle)) > 1e-5 {
					t.Errorf("%+v: position %d, pair %d: %g and %g, want the angle %g", c.rotation, p, pair.at, cos[at], sin[at], angle)
				}
			}
		}
	}
}
