package checkpoint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder writes a config.json and weights into a new folder.
func folder(t *testing.T, config string, weights []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if weights != nil {
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), weights, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tinyJSON(t *testing.T) string {
	t.Helper()
	data, err := tiny().Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOpenRefusesWeights(t *testing.T) {
	nan := func(r raw, at int) raw {
		data := slices.Clone(r.data)
		copy(data[4*at:], []byte{0, 0, 0xc0, 0x7f})
		return raw{r.dtype, r.shape, data}
	}
	for name, tc := range map[string]struct {
		change func(map[string]raw)
		want   string
	}{
		"missing": {func(m map[string]raw) { delete(m, "transformer.h.1.mlp.c_fc.bias") }, "tensor h.1.mlp.c_fc.bias is missing"},
		"wrong shape": {func(m map[string]raw) {
			r := m["transformer.wpe.weight"]
			r.shape = []int64{16, 8}
			m["transformer.wpe.weight"] = r
		}, "tensor wpe.weight has shape [16 8], config.json asks for [8 16]"},
		"linear layout": {func(m map[string]raw) {
			r := m["transformer.h.0.attn.c_attn.weight"]
			r.shape = []int64{48, 16}
			m["transformer.h.0.attn.c_attn.weight"] = r
		}, "shape [48 16], config.json asks for [16 48]"},
		"nan":         {func(m map[string]raw) { m["transformer.ln_f.weight"] = nan(m["transformer.ln_f.weight"], 9) }, "tensor ln_f.weight holds NaN at index 9"},
		"extra layer": {func(m map[string]raw) { m["transformer.h.2.ln_1.bias"] = m["transformer.h.1.ln_1.bias"] }, "tensor h.2.ln_1.bias (of 1 such) has no place"},
		"embedding":   {func(m map[string]raw) { m["transformer.wtt.weight"] = m["transformer.wpe.weight"] }, "tensor wtt.weight"},
		"head's bias": {func(m map[string]raw) { m["lm_head.bias"] = m["transformer.ln_f.bias"] }, "tensor lm_head.bias"},
		"twice":       {func(m map[string]raw) { m["wpe.weight"] = m["transformer.wpe.weight"] }, "tensor wpe.weight is stored twice"},
		"integers": {func(m map[string]raw) {
			r := m["transformer.wte.weight"]
			r.dtype = "I32"
			m["transformer.wte.weight"] = r
		}, "tensor wte.weight is I32"},
		"loose head": {func(m map[string]raw) {
			r := m["transformer.wte.weight"]
			r.data = make([]byte, len(r.data))
			m["lm_head.weight"] = r
		}, "set tie_word_embeddings to false"},
		"nan in head": {func(m map[string]raw) { m["lm_head.weight"] = nan(m["transformer.wte.weight"], 0) }, "differs from the token embedding"},
		"unknown type": {func(m map[string]raw) {
			r := m["transformer.wte.weight"]
			r.dtype = "Q4"
			m["transformer.wte.weight"] = r
		}, `unknown dtype "Q4"`},
	} {
		tensors := rawTensors(tiny(), "transformer.")
		tc.change(tensors)
		_, err := Open(folder(t, tinyJSON(t), rawFile(sortedNames(tensors), tensors, 0)), t.TempDir())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}

func TestOpenRefusesConfigs(t *testing.T) {
	for _, tc := range []struct{ old, new, want string }{
		{`"model_type": "gpt2"`, `"model_type": "gpt_neox"`, `model_type is "gpt_neox"; supported are gpt2, llama, `},
		{`"model_type": "gpt2",`, ``, `model_type is ""`},
		{`"n_layer": 2`, `"n_layer": 2, "n_layer": 3`, `"n_layer" appears twice`},
		{`"n_layer": 2,`, ``, `n_layer is missing`},
		{`"n_layer": 2`, `"n_layer": 0`, `n_layer is 0`},
		{`"n_layer": 2`, `"n_layer": 4000000000000`, `n_layer is 4000000000000`},
		{`"n_layer": 2`, `"n_layer": 2.5`, `n_layer is 2.5`},
		{`"n_layer": 2`, `"N_LAYER": 2`, `n_layer is missing`},
		{`"n_head": 2`, `"n_head": 3`, `not a multiple of n_head 3`},
		{`"n_head": 2`, `"n_head": 4`, `heads of width 4`},
		{`"n_head": 2`, `"n_head": 2, "add_cross_attention": true`, `add_cross_attention is true`},
		{`"n_head": 2`, `"n_head": 2, "pruned_heads": {"0": [1]}`, `pruned_heads is {"0":[1]}`},
		{`"n_head": 2`, `"n_head": 2, "is_encoder_decoder": true`, `is_encoder_decoder`},
		{`"n_head": 2`, `"n_head": 2, "quantization_config": {"bits": 4}`, `quantization_config`},
		{`"n_head": 2`, `"n_head": 2, "auto_map": {"AutoModel": "m.M"}`, `never run`},
		{`"gelu_new"`, `"silu"`, `activation_function "silu" is not supported`},
		{`0.00001`, `0`, `layer_norm_epsilon is 0`},
		{`"tie_word_embeddings": true`, `"tie_word_embeddings": "yes"`, `tie_word_embeddings is "yes"`},
		{`"eos_token_id": 10`, `"eos_token_id": "10"`, `eos_token_id: it is "10", want the id`},
		{`"eos_token_id": 10`, `"eos_token_id": [10, null]`, `eos_token_id: it is [10,null], want the id`},
		{`"eos_token_id": 10`, `"eos_token_id": [[10]]`, `eos_token_id: it is [[10]], want the id`},
		{`"eos_token_id": 10`, `"eos_token_id": 1.5`, `eos_token_id: it is 1.5, want the id`},
		{`"eos_token_id": 10`, `"eos_token_id": true`, `eos_token_id: it is true, want the id`},
		{`"bos_token_id": null`, `"bos_token_id": {}`, `bos_token_id: it is {}, want the id`},
		{`}`, ``, `unexpected EOF`},
		{`{`, "\ufeff{", `byte order mark`},
	} {
		config := tinyJSON(t)
		if !strings.Contains(config, tc.old) {
			t.Fatalf("the config has no %s:\n%s", tc.old, config)
		}
		_, err := Open(folder(t, strings.Replace(config, tc.old, tc.new, 1), nil), "")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s → %s: got %v, want an error with %q", tc.old, tc.new, err, tc.want)
		}
	}
}

func TestOpenRefusesPicklesByName(t *testing.T) {
	for _, name := range []string{"pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pt", "last.ckpt"} {
		dir := folder(t, tinyJSON(t), nil)
		if err := os.WriteFile(filepath.Join(dir, name), []byte("\x80\x02"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, "")
		if err == nil || !strings.Contains(err.Error(), name+" is a pickle") || !strings.Contains(err.Error(), "safe_serialization=True") {
			t.Errorf("%s: got %v, want a refusal by name that says what to do", name, err)
		}
	}
	if _, err := Open(folder(t, tinyJSON(t), nil), ""); err == nil || !strings.Contains(err.Error(), "there is no model.safetensors") {
		t.Errorf("an empty folder: got %v", err)
	}
	if _, err := Open(t.TempDir(), ""); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("no config: got %v", err)
	}
}

func TestOpenRefusesDamagedFiles(t *testing.T) {
	tensors := rawTensors(tiny(), "")
	good := rawFile(sortedNames(tensors), tensors, 0)
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":     {[]byte{}, "truncated"},
		"in header": {good[:100], "truncated"},
		"in data":   {good[:len(good)-1], "truncated"},
		"longer":    {append(slices.Clone(good), 0), "1 bytes after the last tensor"},
		"html":      {[]byte("<!DOCTYPE html><html></html>"), "no safetensors file"},
		"lfs":       {[]byte("version https://git-lfs.github.com/spec/v1\n"), "no safetensors file"},
	} {
		if _, err := Open(folder(t, tinyJSON(t), tc.data), ""); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, tc.want)
		}
	}
}
