package gguf

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"nightshift/models/safetensors"
	"nightshift/models/tokenizer"
)

// tiny is a model of an architecture: 2 layers of width 32, 4 heads over 2 of 16, 48 inner, 40 tokens. Fields and tensors can be changed.
type tiny struct {
	fields  []Field
	tensors []Source
}

func newTiny(architecture string) *tiny {
	m := &tiny{fields: []Field{{"general.architecture", architecture}, {"general.type", "model"}}}
	for _, f := range []Field{
		{"block_count", uint32(2)}, {"embedding_length", uint32(32)}, {"feed_forward_length", uint32(64)}, {"context_length", uint32(512)},
		{"attention.head_count", uint32(4)}, {"attention.head_count_kv", uint32(2)}, {"attention.key_length", uint32(16)},
		{"attention.value_length", uint32(16)}, {"attention.layer_norm_rms_epsilon", float32(1e-5)}, {"rope.freq_base", float32(500000)},
		{"rope.dimension_count", uint32(16)}, {"vocab_size", uint32(40)},
	} {
		m.fields = append(m.fields, Field{architecture + "." + f.Key, f.Value})
	}
	tokens, types := make([]string, 40), make([]int32, 40)
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("t%d", i), tokenizer.GGUFNormal
	}
	tokens[38], types[38], tokens[39], types[39] = "<|im_end|>", tokenizer.GGUFControl, "<|im_start|>", tokenizer.GGUFControl
	m.fields = append(m.fields, Field{"tokenizer.ggml.model", "gpt2"}, Field{"tokenizer.ggml.pre", "smollm"}, Field{"tokenizer.ggml.tokens", tokens},
		Field{"tokenizer.ggml.token_type", types}, Field{"tokenizer.ggml.merges", []string{"t 0"}}, Field{"tokenizer.ggml.eos_token_id", uint32(3)},
		Field{"tokenizer.ggml.bos_token_id", uint32(4)})
	m.add("token_embd.weight", Q8_0, 40, 32)
	for i := range 2 {
		b := fmt.Sprintf("blk.%d.", i)
		m.add(b+"attn_norm.weight", F32, 32)
		m.add(b+"attn_q.weight", Q4_1, 64, 32)
		m.add(b+"attn_k.weight", Q4_0, 32, 32)
		m.add(b+"attn_v.weight", F16, 32, 32)
		m.add(b+"attn_output.weight", F32, 32, 64)
		m.add(b+"ffn_norm.weight", F32, 32)
		m.add(b+"ffn_gate.weight", Q4_0, 64, 32)
		m.add(b+"ffn_up.weight", Q4_0, 64, 32)
		m.add(b+"ffn_down.weight", Q4_0, 32, 64)
		if architecture == "qwen2" {
			m.add(b+"attn_q.bias", F32, 64)
			m.add(b+"attn_k.bias", F32, 32)
			m.add(b+"attn_v.bias", F32, 32)
		}
		if architecture == "qwen3" {
			m.add(b+"attn_q_norm.weight", F32, 16)
			m.add(b+"attn_k_norm.weight", F32, 16)
		}
	}
	m.add("output_norm.weight", F32, 32)
	return m
}

// add gives a tensor values that tell its elements apart.
func (m *tiny) add(name string, kind Type, shape ...int64) *tiny {
	values := make([]float32, Tensor{Shape: shape}.Elements())
	for i := range values {
		values[i] = float32(math.Sin(float64(len(m.tensors)*10000 + i)))
	}
	m.tensors = append(m.tensors, Source{Name: name, Type: kind, Shape: shape, Values: values})
	return m
}

func (m *tiny) set(key string, value any) *tiny {
	m.unset(key)
	m.fields = append(m.fields, Field{key, value})
	return m
}

func (m *tiny) unset(key string) *tiny {
	m.fields = slices.DeleteFunc(m.fields, func(f Field) bool { return f.Key == key })
	return m
}

func (m *tiny) drop(name string) *tiny {
	m.tensors = slices.DeleteFunc(m.tensors, func(s Source) bool { return s.Name == name })
	return m
}

func (m *tiny) encode(t testing.TB) []byte {
	t.Helper()
	data, err := Encode(m.fields, m.tensors)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (m *tiny) parse(t testing.TB) *File {
	t.Helper()
	f, err := Parse(m.encode(t))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (m *tiny) config(t *testing.T) map[string]any {
	t.Helper()
	c, err := m.parse(t).Config()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigOfFamilies(t *testing.T) {
	common := map[string]any{
		"vocab_size": int64(40), "hidden_size": int64(32), "intermediate_size": int64(64), "num_hidden_layers": int64(2),
		"num_attention_heads": int64(4), "num_key_value_heads": int64(2), "head_dim": int64(16), "max_position_embeddings": int64(512),
		"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "rope_scaling": nil, "hidden_act": "silu", "tie_word_embeddings": true,
		"bos_token_id": int64(4), "eos_token_id": int64(3), "torch_dtype": "float32",
	}
	with := func(more map[string]any) map[string]any {
		c := maps.Clone(common)
		maps.Copy(c, more)
		return c
	}
	for name, tc := range map[string]struct {
		model *tiny
		want  map[string]any
	}{
		"llama": {newTiny("llama"), with(map[string]any{"model_type": "llama", "architectures": []string{"LlamaForCausalLM"},
			"attention_bias": false, "mlp_bias": false})},
		"mistral": {newTiny("llama").set("llama.attention.sliding_window", uint32(64)), with(map[string]any{"model_type": "mistral",
			"architectures": []string{"MistralForCausalLM"}, "sliding_window": int64(64)})},
		"qwen2": {newTiny("qwen2").add("output.weight", Q8_0, 40, 32), with(map[string]any{"model_type": "qwen2",
			"architectures": []string{"Qwen2ForCausalLM"}, "use_sliding_window": false, "tie_word_embeddings": false})},
		"qwen3": {newTiny("qwen3").set("qwen3.attention.sliding_window", uint32(0)), with(map[string]any{"model_type": "qwen3",
			"architectures": []string{"Qwen3ForCausalLM"}, "use_sliding_window": false, "attention_bias": false})},
		"qwen3 with a window": {newTiny("qwen3").set("qwen3.attention.sliding_window", uint32(64)), with(map[string]any{"model_type": "qwen3",
			"architectures": []string{"Qwen3ForCausalLM"}, "use_sliding_window": true, "sliding_window": int64(64), "max_window_layers": int64(0), "attention_bias": false})},
	} {
		if got := tc.model.config(t); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, tc.want)
		}
	}
}

func TestConfigTakesDefaults(t *testing.T) {
	c := newTiny("llama").unset("llama.attention.head_count_kv").unset("llama.attention.key_length").unset("llama.attention.value_length").
		unset("llama.rope.dimension_count").unset("llama.rope.freq_base").unset("llama.vocab_size").unset("general.type").
		unset("tokenizer.ggml.bos_token_id").drop("blk.0.attn_q.weight").drop("blk.1.attn_q.weight").drop("blk.0.attn_output.weight").drop("blk.1.attn_output.weight").
		add("blk.0.attn_q.weight", F32, 32, 32).add("blk.1.attn_q.weight", F32, 32, 32).add("blk.0.attn_output.weight", F32, 32, 32).add("blk.1.attn_output.weight", F32, 32, 32).
		config(t)
	for key, want := range map[string]any{"num_key_value_heads": int64(4), "head_dim": int64(8), "rope_theta": 10000.0, "vocab_size": int64(40), "bos_token_id": nil} {
		if c[key] != want {
			t.Errorf("%s is %v, want %v", key, c[key], want)
		}
	}
}

// biased gives a llama biases everywhere.
func biased() *tiny {
	m := newTiny("llama")
	for i := range 2 {
		b := fmt.Sprintf("blk.%d.", i)
		m.add(b+"attn_q.bias", F16, 64).add(b+"attn_k.bias", F32, 32).add(b+"attn_v.bias", F32, 32).add(b+"attn_output.bias", F32, 32)
		m.add(b+"ffn_gate.bias", F32, 64).add(b+"ffn_up.bias", F32, 64).add(b+"ffn_down.bias", F32, 32)
	}
	return m
}

func TestConfigOfBiases(t *testing.T) {
	c := biased().config(t)
	if c["attention_bias"] != true || c["mlp_bias"] != true {
		t.Errorf("biases: %v, %v", c["attention_bias"], c["mlp_bias"])
	}
	for name, m := range map[string]*tiny{
		"tensor blk.1.attn_output.bias is missing": biased().drop("blk.1.attn_output.bias"),
		"tensor blk.0.ffn_up.bias is missing":      biased().drop("blk.0.ffn_up.bias"),
		"tensor blk.0.attn_output.bias is none":    newTiny("qwen2").add("blk.0.attn_output.bias", F32, 32),
		"tensor blk.0.attn_k.bias is missing":      newTiny("qwen2").drop("blk.0.attn_k.bias"),
		"tensor blk.1.ffn_up.bias is none":         newTiny("qwen3").add("blk.1.ffn_up.bias", F32, 64),
		"a bias is read as F32, F16 or BF16 only":  biased().drop("blk.1.attn_q.bias").add("blk.1.attn_q.bias", Q8_0, 64),
	} {
		if _, err := m.parse(t).Config(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}

func TestConfigOfRotations(t *testing.T) {
	set := func(fields ...any) *tiny {
		m := newTiny("llama")
		for i := 0; i < len(fields); i += 2 {
			m.set("llama.rope."+fields[i].(string), fields[i+1])
		}
		return m
	}
	llama3 := func(factor float64) *tiny {
		m := set()
		values := make([]float32, 8)
		for i := range values {
			values[i] = float32(llama3Divisor(2*math.Pi*math.Pow(500000, float64(i)/8), factor))
		}
		m.tensors = append(m.tensors, Source{Name: frequencies, Type: F32, Shape: []int64{8}, Values: values})
		return m
	}
	for name, tc := range map[string]struct {
		model *tiny
		want  any
	}{
		"none":          {set("scaling.type", "none", "scaling.factor", float32(2)), nil},
		"linear by 1":   {set("scaling.type", "linear", "scaling.factor", float32(1)), nil},
		"linear":        {set("scaling.type", "linear", "scaling.factor", float32(2.5)), map[string]any{"rope_type": "linear", "factor": 2.5}},
		"no type":       {set("scaling.factor", float32(4)), map[string]any{"rope_type": "linear", "factor": 4.0}},
		"earlier":       {set("scale_linear", float32(4)), map[string]any{"rope_type": "linear", "factor": 4.0}},
		"a factor of 0": {set("scale_linear", float32(0)), nil},
		"yarn": {set("scaling.type", "yarn", "scaling.factor", float32(4), "scaling.original_context_length", uint32(128), "scaling.finetuned", true),
			map[string]any{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": int64(128), "beta_fast": 32.0, "beta_slow": 1.0}},
		"llama3": {llama3(8), map[string]any{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
			"original_max_position_embeddings": int64(8192)}},
		"ones": {llama3(1), nil},
	} {
		if got := tc.model.config(t)["rope_scaling"]; !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
	other := llama3(8)
	other.tensors[len(other.tensors)-1].Values[4] *= 1.5
	for want, m := range map[string]*tiny{
		`llama.rope.scaling.type is "longrope"`:     set("scaling.type", "longrope"),
		"llama.rope.scaling.factor is -1":           set("scaling.factor", float32(-1)),
		"llama.rope.scaling.attn_factor is 2":       set("scaling.attn_factor", float32(2)),
		"llama.rope.scaling.yarn_log_multiplier is": set("scaling.yarn_log_multiplier", float32(0.1)),
		"rope_freqs.weight divides frequency 4":     other,
		"rope_freqs.weight has shape [7], want [8]": set().add(frequencies, F32, 7),
		"beside a scaling of type linear":           llama3(8).set("llama.rope.scaling.factor", float32(2)),
		"llama.rope.freq_base is 0":                 set("freq_base", float32(0)),
		"llama.rope.freq_base is +Inf":              set("freq_base", float32(math.Inf(1))),
		"qwen3 has in Hugging":                      newTiny("qwen3").add(frequencies, F32, 8),
	} {
		if _, err := m.parse(t).Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestModelsThatAreRefused(t *testing.T) {
	llama := func(key string, value any) *tiny { return newTiny("llama").set("llama."+key, value) }
	for want, m := range map[string]*tiny{
		`architecture "gemma3" is not supported`:               newTiny("gemma3"),
		`architecture "mistral" is not supported`:              newTiny("mistral"),
		`architecture "qwen3moe" is not supported`:             newTiny("qwen3moe"),
		"general.architecture: the file has no such key":       newTiny("llama").unset("general.architecture"),
		`general.type is "adapter": the file is no model`:      newTiny("llama").set("general.type", "adapter"),
		"split over 3 files":                                   newTiny("llama").set("split.count", uint16(3)),
		"llama.block_count: the file has no such key":          newTiny("llama").unset("llama.block_count"),
		"llama.attention.layer_norm_rms_epsilon: the file has": newTiny("llama").unset("llama.attention.layer_norm_rms_epsilon"),
		"llama.embedding_length is 0":                          llama("embedding_length", uint32(0)),
		"llama.feed_forward_length is -5":                      llama("feed_forward_length", int32(-5)),
		"llama.context_length is 4294967295":                   llama("context_length", uint32(math.MaxUint32)),
		"4 heads cannot share 3 heads":                         llama("attention.head_count_kv", uint32(3)),
		"head_count: it is an array of int32":                  llama("attention.head_count", []int32{4, 4}),
		"5 heads do not divide a width of 32":                  llama("attention.head_count", uint32(5)).unset("llama.attention.key_length"),
		"heads of width 15 cannot":                             llama("attention.key_length", uint32(15)),
		"value_length is 8, with keys of 16":                   llama("attention.value_length", uint32(8)),
		"rope.dimension_count is 8 of heads of 16":             llama("rope.dimension_count", uint32(8)),
		"sliding_window is -1":                                 llama("attention.sliding_window", int32(-1)),
		"llama.expert_count is 8: mixtures of experts":         llama("expert_count", uint32(8)),
		"llama.use_parallel_residual is true":                  llama("use_parallel_residual", true),
		"llama.attention.causal is false":                      llama("attention.causal", false),
		"llama.final_logit_softcapping is 30":                  llama("final_logit_softcapping", float32(30)),
		"llama.logit_scale is not known":                       llama("logit_scale", float32(0.5)),
		"llama.vocab_size is 41, token_embd.weight has 40":     llama("vocab_size", uint32(41)),
		"token_embd.weight: the file has no such tensor":       newTiny("llama").drop("token_embd.weight"),
		"token_embd.weight has shape [40], want a matrix":      newTiny("llama").drop("token_embd.weight").add("token_embd.weight", F32, 40),
		"the vocabulary has 40 tokens, token_embd.weight has":  newTiny("llama").unset("llama.vocab_size").drop("token_embd.weight").add("token_embd.weight", F32, 39, 32),
		"tensor blk.1.ffn_norm.weight is missing":              newTiny("llama").drop("blk.1.ffn_norm.weight"),
		"tensor blk.2.attn_norm.weight is missing":             llama("block_count", uint32(1<<30)),
		"tensor blk.0.attn_q.weight has shape [64 32], want":   llama("attention.head_count", uint32(8)),
		"tensor blk.2.attn_norm.weight is none":                newTiny("llama").add("blk.2.attn_norm.weight", F32, 32),
		"tensor blk.0.attn_q_norm.weight is none":              newTiny("llama").add("blk.0.attn_q_norm.weight", F32, 16),
		"tensor blk.0.attn_k_norm.weight is missing":           newTiny("qwen3").drop("blk.0.attn_k_norm.weight"),
		"tokenizer.ggml.model: the file has no such key":       newTiny("llama").unset("tokenizer.ggml.model"),
	} {
		f := m.parse(t)
		if _, err := f.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if _, err := f.Weights(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("weights: got %v, want an error with %q", err, want)
		}
		if err := Export(f, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("export: got %v, want an error with %q", err, want)
		}
	}
}

// restored puts the rows of heads of 16 in Hugging Face's order, written from the definition.
func restored(values []float32, width int) []float32 {
	result := make([]float32, len(values))
	for row := range len(values) / width {
		head, pair, second := row/16, row%16/2, row%2
		copy(result[(head*16+second*8+pair)*width:], values[row*width:(row+1)*width])
	}
	return result
}

// TestExport reads an exported directory and compares names, types, shapes, order of rows and values.
func TestExport(t *testing.T) {
	for architecture, m := range map[string]*tiny{"llama": biased(), "qwen2": newTiny("qwen2"), "qwen3": newTiny("qwen3").add("output.weight", BF16, 40, 32)} {
		if architecture == "qwen3" {
			last := &m.tensors[len(m.tensors)-1]
			last.Blocks = make([]byte, 40*32*2) // zeros in BF16, which is not made here
		}
		f, dir := m.parse(t), t.TempDir()
		if err := Export(f, dir); err != nil {
			t.Fatal(err)
		}
		out, err := safetensors.Open(filepath.Join(dir, "model.safetensors"), safetensors.MaxCheckpointHeader)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if out.Metadata()["format"] != "pt" || len(out.Entries()) != len(m.tensors) {
			t.Errorf("%s: %d tensors, want %d; metadata %v", architecture, len(out.Entries()), len(m.tensors), out.Metadata())
		}
		for name, to := range map[string]string{
			"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight",
			"blk.1.attn_norm.weight": "model.layers.1.input_layernorm.weight", "blk.0.ffn_norm.weight": "model.layers.0.post_attention_layernorm.weight",
			"blk.1.attn_q.weight": "model.layers.1.self_attn.q_proj.weight", "blk.0.attn_k.weight": "model.layers.0.self_attn.k_proj.weight",
			"blk.0.attn_q.bias": "model.layers.0.self_attn.q_proj.bias", "blk.1.attn_k.bias": "model.layers.1.self_attn.k_proj.bias",
			"blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight", "blk.0.attn_output.bias": "model.layers.0.self_attn.o_proj.bias",
			"blk.0.ffn_gate.weight": "model.layers.0.mlp.gate_proj.weight", "blk.1.ffn_up.weight": "model.layers.1.mlp.up_proj.weight",
			"blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight", "blk.1.attn_q_norm.weight": "model.layers.1.self_attn.q_norm.weight",
			"blk.0.attn_k_norm.weight": "model.layers.0.self_attn.k_norm.weight",
		} {
			tensor, ok := f.Tensor(name)
			entry, found := out.Entry(to)
			if ok != found {
				t.Errorf("%s: %s is there: %v, %s: %v", architecture, name, ok, to, found)
			}
			if !ok || !found {
				continue
			}
			want := floats(t, f, name)
			if architecture == "llama" && (strings.Contains(name, "attn_q") || strings.Contains(name, "attn_k")) {
				want = restored(want, len(want)/int(tensor.Shape[0]))
			}
			got, err := out.Floats(to)
			if i := same(got, want); err != nil || i >= 0 || !slices.Equal(entry.Shape, tensor.Shape) {
				t.Errorf("%s: %s has another value at index %d of %v (%v)", architecture, to, i, entry.Shape, err)
			}
			kept := map[Type]safetensors.DType{F16: safetensors.F16, BF16: safetensors.BF16}[tensor.Type]
			if kept == "" {
				kept = safetensors.F32
			}
			if entry.Type != kept {
				t.Errorf("%s: %s of %s became %s", architecture, to, tensor.Type, entry.Type)
			}
		}
		compareJSON(t, filepath.Join(dir, "config.json"), m.config(t))
		compareJSON(t, filepath.Join(dir, "generation_config.json"), map[string]any{"bos_token_id": 4, "eos_token_id": []int{3, 38}})
	}
}

func compareJSON(t *testing.T, path string, want any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s is %s, want %s", path, data, text)
	}
}

func TestExportRefuses(t *testing.T) {
	unread := newTiny("llama").drop("blk.0.ffn_up.weight")
	unread.tensors = append(unread.tensors, Source{Name: "blk.0.ffn_up.weight", Type: 20, Shape: []int64{64, 32}, Blocks: make([]byte, 64*18)})
	spoilt := newTiny("llama")
	for i, s := range spoilt.tensors {
		if s.Name == "blk.1.attn_v.weight" {
			spoilt.tensors[i].Values[100] = 1e9
		}
	}
	for name, tc := range map[string]struct {
		model *tiny
		want  string
		files int // what was written before
	}{
		"a type":  {unread, "tensor blk.0.ffn_up.weight: IQ4_NL is not read", 0},
		"a value": {spoilt, "tensor blk.1.attn_v.weight: the value at index 100 is +Inf", 4},
	} {
		dir := t.TempDir()
		if err := Export(tc.model.parse(t), dir); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != tc.files {
			t.Errorf("%s: %v is left (%v)", name, files, err)
		}
	}
	if err := Export(newTiny("llama").parse(t), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there was written to")
	}
}

// TestWeightsAsTheyAreStored reads blocks in Hugging Face's order of rows, and their type's bytes.
func TestWeightsAsTheyAreStored(t *testing.T) {
	f := newTiny("llama").parse(t)
	weights, err := f.Weights()
	if err != nil {
		t.Fatal(err)
	}
	permuted := 0
	for _, w := range weights {
		var raw []byte
		if err := w.Raw(func(b []byte) error { raw = append(raw, b...); return nil }); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, w.Tensor.Elements())
		if err := w.Tensor.Type.Convert(got, raw); err != nil {
			t.Fatal(err)
		}
		want := floats(t, f, w.Tensor.Name)
		if w.Permuted {
			permuted++
			want = restored(want, 32)
		}
		if i := same(got, want); i >= 0 {
			t.Errorf("%s: another value at index %d", w.Name, i)
		}
	}
	if permuted != 4 || len(weights) != len(f.Tensors()) || weights[0].Name != "model.embed_tokens.weight" {
		t.Errorf("%d of %d weights are permuted, the first is %s", permuted, len(weights), weights[0].Name)
	}
	i := slices.IndexFunc(weights, func(w Weight) bool { return w.Name == "model.layers.1.self_attn.q_proj.weight" })
	p, err := weights[i].Pack()
	if err != nil {
		t.Fatal(err)
	}
	want, n := restored(floats(t, f, "blk.1.attn_q.weight"), 32), 0
	err = weights[i].Blocks(func(b *Block) error {
		for j, v := range b.Values {
			packed := p.Weights[(n+j)/2] >> ((n + j) % 2 * 4) & 15
			if b.Scale*float32(v)+b.Minimum != want[n+j] || p.Scales[n/32]*float32(packed)+p.Minimums[n/32] != want[n+j] {
				return fmt.Errorf("another value at index %d", n+j)
			}
		}
		n += BlockSize
		return nil
	})
	if err != nil || n != len(want) {
		t.Errorf("%v after %d", err, n)
	}
}

func TestTypeOfTheCheckpoint(t *testing.T) {
	of := func(kinds ...Type) []Weight {
		weights := []Weight{{Tensor: Tensor{Type: F32, Shape: []int64{4}}}}
		for _, k := range kinds {
			weights = append(weights, Weight{Tensor: Tensor{Type: k, Shape: []int64{4, 4}}})
		}
		return weights
	}
	for want, weights := range map[string][][]Weight{
		"float32": {of(F32), of(F16, BF16), of(F16, Q8_0), of(Q8_0, F16)}, "float16": {of(F16, F16)}, "bfloat16": {of(BF16)},
	} {
		for _, w := range weights {
			if got := dtypeOf(w); got != want {
				t.Errorf("%v: got %s, want %s", w, got, want)
			}
		}
	}
}

func TestRowsComeBackInHuggingFacesOrder(t *testing.T) {
	f := goldens(t)
	tensor, _ := f.Tensor("stored")
	r := f.rowsOf(tensor)
	r.source = func(row int64) int64 { return permutedRow(row, 8) }
	var got []float32
	if err := r.chunks(func(chunk []float32) error { got = append(got, chunk...); return nil }); err != nil {
		t.Fatal(err)
	}
	if i := same(got, floats(t, f, "restored")); i >= 0 {
		t.Errorf("another value at index %d: %v", i, got)
	}
}

func TestDivisorsOfLlama3(t *testing.T) {
	f := goldens(t)
	for name, factor := range map[string]float64{"llama3.8": 8, "llama3.32": 32} {
		got, err := llama3Of(floats(t, f, name), 500000)
		want := map[string]any{"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
			"original_max_position_embeddings": int64(8192)}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	ones := slices.Repeat([]float32{1}, 32)
	if got, err := llama3Of(ones, 500000); got != nil || err != nil {
		t.Errorf("ones: got %v, %v", got, err)
	}
	ones[3] = 0.5
	for name, divisors := range map[string][]float32{"spoilt": floats(t, f, "spoilt"), "below one": ones} {
		if _, err := llama3Of(divisors, 500000); err == nil || !strings.Contains(err.Error(), "rope_freqs.weight divides frequency") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzModel changes files of whole models: whatever is asked of one ends in an answer or in an error.
func FuzzModel(f *testing.F) {
	for _, architecture := range []string{"llama", "qwen2", "qwen3"} {
		m := newTiny(architecture).set(architecture+".block_count", uint32(1))
		m.tensors = slices.DeleteFunc(m.tensors, func(s Source) bool { return strings.HasPrefix(s.Name, "blk.1.") })
		for i, s := range m.tensors {
			if len(s.Shape) == 2 {
				m.tensors[i].Type = Q4_0 // small files make more tries
			}
		}
		f.Add(m.encode(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		_, configErr := file.Config()
		weights, err := file.Weights()
		if (configErr == nil) != (err == nil) {
			t.Fatalf("config: %v, weights: %v", configErr, err)
		}
		for _, w := range weights {
			left := w.Tensor.Elements()
			err := w.Chunks(func(chunk []float32) error {
				left -= int64(len(chunk))
				return nil
			})
			if err == nil && left != 0 {
				t.Fatalf("%s: %d elements are left", w.Name, left)
			}
		}
		if _, err := file.Vocabulary(); err != nil && configErr == nil {
			t.Fatalf("a model without a vocabulary: %v", err)
		}
	})
}
