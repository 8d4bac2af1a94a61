package adapter

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// shape is a model's as far as adapters depend on it.
func shape(layers, width, inner int) arch.Shape {
	return arch.GPT2(arch.Shape{Layers: layers, Width: width, Inner: inner})
}

var small = shape(2, 16, 24)

func fresh(t *testing.T, cfg Config) *Adapter {
	t.Helper()
	a, err := New(cfg, small, 5)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestNewAddsNothingYet(t *testing.T) {
	a := fresh(t, Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_proj", "attn.c_attn"}, Layers: []int{1, 0}})
	if want := []string{"attn.c_attn", "mlp.c_proj"}; !reflect.DeepEqual(a.Config.Modules, want) || !reflect.DeepEqual(a.Config.Layers, []int{0, 1}) {
		t.Errorf("got %v in layers %v, want %v in [0 1]", a.Config.Modules, a.Config.Layers, want)
	}
	for target, f := range a.Factors {
		in, out, _ := small.Dims(target.Module)
		if len(f.A) != in*2 || len(f.B) != 2*out {
			t.Errorf("%s: %d and %d values for [%d, %d]", target, len(f.A), len(f.B), in, out)
		}
		largest := 0.0
		for _, v := range f.A {
			largest = max(largest, math.Abs(float64(v)))
		}
		if bound := 1 / math.Sqrt(float64(in)); largest > bound || largest < bound/2 {
			t.Errorf("%s: the largest |A| is %v, want just below %v", target, largest, bound)
		}
		for _, v := range f.B {
			if v != 0 {
				t.Fatalf("%s: B is not zero", target)
			}
		}
	}
	if again := fresh(t, a.Config); !reflect.DeepEqual(a, again) {
		t.Error("one seed gave two adapters")
	}
	digest, err := a.Digest()
	if err != nil {
		t.Fatal(err)
	}
	a.Config.Modules, a.Config.Layers = []string{"mlp.c_proj", "attn.c_attn"}, []int{1, 0}
	if other, err := a.Digest(); err != nil || other != digest {
		t.Errorf("the order of modules and layers changed the digest (%v)", err)
	}
	if a.Targets()[1].String() != "h.0.mlp.c_proj" {
		t.Errorf("targets are out of order: %v", a.Targets())
	}
}

func TestNewAndCheckRefuse(t *testing.T) {
	good := Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"rank":   {func(c *Config) { c.Rank = 0 }, "r is 0"},
		"alpha":  {func(c *Config) { c.Alpha = math.NaN() }, "lora_alpha is NaN"},
		"none":   {func(c *Config) { c.Modules = nil }, "no modules"},
		"module": {func(c *Config) { c.Modules = []string{"c_fc"} }, `"c_fc" is not one of`},
		"twice":  {func(c *Config) { c.Modules = []string{"mlp.c_fc", "mlp.c_fc"} }, "mlp.c_fc is named twice"},
		"layer":  {func(c *Config) { c.Layers = []int{2} }, "h.2.mlp.c_fc, the base has 2 layers"},
		"layers": {func(c *Config) { c.Layers = []int{-1} }, "layer -1 is not"},
		"again":  {func(c *Config) { c.Layers = []int{1, 0, 1} }, "layer 1 is named twice"},
		"empty":  {func(c *Config) { c.Layers = []int{} }, "nil means all"},
	} {
		c := good
		tc.change(&c)
		if _, err := New(c, small, 1); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
	a := fresh(t, good)
	a.Factors[arch.Target{Layer: 1, Module: "mlp.c_fc"}].B[7] = float32(math.Inf(-1))
	if _, err := a.Digest(); err == nil || !strings.Contains(err.Error(), "B of h.1.mlp.c_fc holds -Inf at index 7") {
		t.Errorf("infinity: got %v", err)
	}
	a = fresh(t, good)
	if err := a.CheckBase(shape(3, 16, 24)); err == nil || !strings.Contains(err.Error(), "model with 2, the base has 3") {
		t.Errorf("a deeper base: got %v", err)
	}
	delete(a.Factors, arch.Target{Layer: 0, Module: "mlp.c_fc"})
	if err := a.Check(); err == nil || !strings.Contains(err.Error(), "leaves out h.0.mlp.c_fc") {
		t.Errorf("a layer left out: got %v", err)
	}
}

// files are the canonical files of a small adapter, for a change of the configuration.
func files(t *testing.T, cfg Config, change func(map[string]any)) ([]byte, []byte) {
	t.Helper()
	config, weights, err := fresh(t, cfg).Files()
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]any{}
	if err := json.Unmarshal(config, &object); err != nil {
		t.Fatal(err)
	}
	change(object)
	config, err = json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return config, weights
}

func TestParseRefusesByName(t *testing.T) {
	cfg := Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc", "mlp.c_proj"}}
	list := func(s ...any) []any { return s }
	for _, tc := range []struct {
		key   string
		value any
		want  string
	}{
		{"peft_type", "IA3", `peft_type is "IA3"`},
		{"peft_type", nil, `peft_type is ""`},
		{"use_dora", true, "use_dora is true: DoRA"},
		{"bias", "lora_only", `bias is "lora_only"`},
		{"lora_bias", true, "lora_bias is true"},
		{"modules_to_save", list("wte"), `modules_to_save is ["wte"]`},
		{"init_lora_weights", "pissa", `init_lora_weights is "pissa"`},
		{"init_lora_weights", "pissa_niter_4", `"pissa_niter_4"`},
		{"init_lora_weights", "olora", `"olora"`},
		{"init_lora_weights", "loftq", `"loftq"`},
		{"init_lora_weights", "corda", `"corda"`},
		{"init_lora_weights", "lora_ga", `"lora_ga"`},
		{"rank_pattern", map[string]any{"c_fc": 4}, "with the rank 4"},
		{"rank_pattern", map[string]any{"c_fc": 0}, "rank_pattern gives the rank 0"},
		{"rank_pattern", map[string]any{"c_fc": 1.5}, "rank_pattern gives the rank 1.5"},
		{"rank_pattern", map[string]any{"c_fc": "4"}, `rank_pattern: "c_fc" is "4"`},
		{"rank_pattern", map[string]any{"c_fc": nil}, `rank_pattern: "c_fc" is null`},
		{"rank_pattern", map[string]any{"(?=c_fc)": 2}, `rank_pattern: regular expression "(?=c_fc)"`},
		{"rank_pattern", list("c_fc"), "rank_pattern: the JSON is not an object"},
		{"alpha_pattern", map[string]any{"c_fc": -1}, "alpha_pattern gives -1"},
		{"alpha_pattern", map[string]any{"c_fc": list(4)}, `alpha_pattern: "c_fc" is [4]`},
		{"trainable_token_indices", list(1), "trainable_token_indices is [1]"},
		{"layer_replication", list(list(0, 2)), "layer_replication"},
		{"target_parameters", list("x"), "target_parameters"},
		{"alora_invocation_tokens", list(5), "alora_invocation_tokens"},
		{"kasa_config", map[string]any{"a": 1}, "kasa_config is"},
		{"a_future_setting", true, "a_future_setting is true, a setting that is not known"},
		{"r", 4, "with the rank 4"},
		{"r", 2.5, "r is 2.5"},
		{"r", "2", `r is "2"`},
		{"lora_alpha", -1, "lora_alpha is -1"},
		{"lora_alpha", "16", `lora_alpha is "16"`},
		{"target_modules", nil, "target_modules is missing"},
		{"target_modules", list(), "target_modules is missing"},
		{"target_modules", 3, "target_modules: 3 is neither"},
		{"target_modules", list("c_fc", "q_proj"), `names "q_proj"`},
		{"target_modules", list("c_fc", "wte"), `names "wte"`},
		{"target_modules", list("c_fc", "lm_head"), `names "lm_head"`},
		{"target_modules", list("mlp"), `names "mlp"`},
		{"target_modules", list("c_fc"), "factors for h.0.mlp.c_proj, which adapter_config.json does not name"},
		{"target_modules", list("c_fc", "c_proj"), "names h.0.attn.c_proj, adapter_model.safetensors has no factors"},
		{"target_modules", `.*\.(?=mlp).*`, "name the modules in a list"},
		{"target_modules", `.*\.c_fc`, "h.0.mlp.c_proj, which adapter_config.json does not name"},
		{"target_modules", "c_fc", "h.0.mlp.c_fc, which adapter_config.json does not name"},
		{"target_modules", "all-linear", "names h.0.attn.c_attn"},
		{"exclude_modules", list("c_proj"), "h.0.mlp.c_proj, which adapter_config.json does not name"},
		{"layers_to_transform", 1, "h.0.mlp.c_fc, which adapter_config.json does not name"},
		{"layers_to_transform", list(0, 1, 2), "names h.2.mlp.c_fc"},
		{"layers_to_transform", list(-1), "layers_to_transform: [-1]"},
		{"layers_to_transform", "1", "layers_to_transform"},
	} {
		config, weights := files(t, cfg, func(m map[string]any) { m[tc.key] = tc.value })
		if _, err := Parse(config, weights); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s = %v: got %v, want an error with %q", tc.key, tc.value, err, tc.want)
		}
	}
	config, weights := files(t, cfg, func(m map[string]any) { m["layers_to_transform"], m["layers_pattern"] = []int{0, 1}, "layers" })
	if _, err := Parse(config, weights); err == nil || !strings.Contains(err.Error(), `layers_pattern is "layers"`) {
		t.Errorf("layers_pattern: got %v", err)
	}
	config, weights = files(t, cfg, func(m map[string]any) { m["layers_to_transform"], m["target_modules"] = []int{0, 1}, `.*mlp.*` })
	if _, err := Parse(config, weights); err == nil || !strings.Contains(err.Error(), "cannot go with a regular expression") {
		t.Errorf("layers with a regular expression: got %v", err)
	}
	if _, err := Parse([]byte(`{"peft_type":"LORA","r":2,"r":8}`), weights); err == nil || !strings.Contains(err.Error(), `"r" appears twice`) {
		t.Errorf("duplicate key: got %v", err)
	}
}

func TestSelectionFollowsPEFT(t *testing.T) {
	mlp := []string{"mlp.c_fc", "mlp.c_proj"}
	for _, tc := range []struct {
		target, layers any
		modules        []string
		want           []int // canonical layers
		stored         []int // layers with factors
	}{
		{[]string{"c_fc", "mlp.c_proj"}, nil, mlp, nil, nil},
		{[]string{"c_fc", "mlp.c_proj"}, []int{}, mlp, nil, nil},
		{[]string{"c_fc", "mlp.c_proj"}, 1, mlp, []int{1}, []int{1}},
		{[]string{"c_fc", "mlp.c_proj"}, []int{1, 0}, mlp, []int{0, 1}, nil},
		{`.*\.mlp\..*`, nil, mlp, nil, nil},
		{`transformer\.h\.[01]\.mlp\.(c_fc|c_proj)`, nil, mlp, []int{0, 1}, nil},
		{[]string{"transformer.h.1.mlp.c_fc"}, nil, mlp[:1], []int{1}, []int{1}},
		{[]string{"transformer.h.1.mlp.c_fc"}, 0, mlp[:1], []int{1}, []int{1}}, // whole names are exempt from layers
		{[]string{"h.1.mlp.c_fc"}, nil, mlp[:1], []int{1}, []int{1}},
		{"ALL-LINEAR", nil, arch.NamingOf("mlp.c_fc").Modules, nil, nil},
	} {
		config, weights := files(t, Config{Rank: 2, Alpha: 4, Modules: tc.modules, Layers: tc.stored}, func(m map[string]any) {
			m["target_modules"], m["layers_to_transform"] = tc.target, tc.layers
		})
		a, err := Parse(config, weights)
		if err != nil {
			t.Errorf("%v in %v: %v", tc.target, tc.layers, err)
			continue
		}
		if !reflect.DeepEqual(a.Config.Modules, tc.modules) || !reflect.DeepEqual(a.Config.Layers, tc.want) {
			t.Errorf("%v in %v: got %v in %v, want %v in %v", tc.target, tc.layers, a.Config.Modules, a.Config.Layers, tc.modules, tc.want)
		}
	}
}

func TestParseRefusesWeights(t *testing.T) {
	config, _ := files(t, Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}, Layers: []int{0}}, func(map[string]any) {})
	const path = "base_model.model.transformer.h.0.mlp.c_fc"
	tensor := func(name string, shape ...int64) safetensors.Tensor {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		return safetensors.Slice(name, shape, make([]float32, n))
	}
	a, b := tensor(path+".lora_A.weight", 2, 16), tensor(path+".lora_B.weight", 24, 2)
	for name, tc := range map[string]struct {
		tensors []safetensors.Tensor
		want    string
	}{
		"none":          {nil, "no tensor"},
		"half":          {[]safetensors.Tensor{a}, "h.0.mlp.c_fc has one factor of two"},
		"swapped":       {[]safetensors.Tensor{tensor(path+".lora_A.weight", 16, 2), b}, "shape [16 2]; with the rank 2, A is [r, in]"},
		"vector":        {[]safetensors.Tensor{tensor(path+".lora_A.weight", 32), b}, "shape [32]"},
		"adapter name":  {[]safetensors.Tensor{tensor(path+".lora_A.default.weight", 2, 16), b}, "lora_A.default.weight is not a LoRA factor"},
		"dora":          {[]safetensors.Tensor{a, b, tensor(path+".lora_magnitude_vector", 24)}, "lora_magnitude_vector is not a LoRA factor"},
		"embedding":     {[]safetensors.Tensor{a, b, tensor("base_model.model.transformer.wte.lora_embedding_A", 2, 50)}, "wte.lora_embedding_A is not"},
		"head":          {[]safetensors.Tensor{a, b, tensor("base_model.model.lm_head.lora_A.weight", 2, 16)}, "lm_head.lora_A.weight is not"},
		"two roots":     {[]safetensors.Tensor{a, b, tensor("base_model.model.h.1.mlp.c_fc.lora_A.weight", 2, 16)}, "is named in another way"},
		"another layer": {[]safetensors.Tensor{a, b, tensor("base_model.model.transformer.h.1.mlp.c_fc.lora_A.weight", 2, 16), tensor("base_model.model.transformer.h.1.mlp.c_fc.lora_B.weight", 24, 2)}, "has factors for h.1.mlp.c_fc"},
		"layer 01":      {[]safetensors.Tensor{tensor("base_model.model.transformer.h.01.mlp.c_fc.lora_A.weight", 2, 16)}, "is not a LoRA factor"},
		"layer 9999":    {[]safetensors.Tensor{tensor("base_model.model.transformer.h.9999.mlp.c_fc.lora_A.weight", 2, 16)}, "out of range"},
		"no width":      {[]safetensors.Tensor{tensor(path+".lora_A.weight", 2, 0), b}, "shape [2 0]"},
		"rank":          {[]safetensors.Tensor{tensor(path+".lora_A.weight", 1, 2), b}, "shape [1 2]"},
	} {
		weights, err := safetensors.Encode(tc.tensors, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(config, weights); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func TestReadRefusesPickles(t *testing.T) {
	dir := t.TempDir()
	config, _ := files(t, Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}, func(map[string]any) {})
	for name, data := range map[string][]byte{ConfigFile: config, "adapter_model.bin": []byte("\x80\x02")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "adapter_model.bin is a pickle") {
		t.Errorf("got %v, want a refusal by name", err)
	}
	if _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), ConfigFile) {
		t.Errorf("an empty folder: got %v", err)
	}
}

func TestCovering(t *testing.T) {
	fc, proj := "mlp.c_fc", "mlp.c_proj"
	c := Config{Rank: 2, Alpha: 4}
	for _, test := range []struct {
		targets []arch.Target
		modules []string
		layers  []int
	}{
		{[]arch.Target{{Layer: 1, Module: fc}, {Layer: 0, Module: fc}}, []string{fc}, nil},
		{[]arch.Target{{Layer: 1, Module: proj}, {Layer: 0, Module: fc}, {Layer: 1, Module: fc}}, []string{fc, proj}, []int{0, 1}},
		{[]arch.Target{{Layer: 1, Module: fc}}, []string{fc}, []int{1}},
	} {
		if got := c.Covering(test.targets, 2); got.Rank != 2 || !reflect.DeepEqual(got.Modules, test.modules) || !reflect.DeepEqual(got.Layers, test.layers) {
			t.Errorf("%v: %+v", test.targets, got)
		}
	}
}
