package adapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"nightshift/models/arch"
	"nightshift/models/internal/strictjson"
)

// settings is an adapter_config.json, read but not yet matched against tensors.
type settings struct {
	rank            int
	alpha           float64
	ranks, alphas   pattern // of some linears
	rslora          bool
	base            string
	target, exclude selector
	layers          []int    // layers_to_transform; nil: all
	lists           []string // layers_pattern: what the list of layers may be called; nil: anything
}

// harmless are settings that matter to training or to bookkeeping only.
var harmless = []string{
	"auto_mapping", "corda_config", "ensure_weight_tying", "eva_config", "fan_in_fan_out", "inference_mode", "loftq_config",
	"lora_dropout", "lora_ga_config", "megatron_core", "peft_version", "qalora_group_size", "revision", "runtime_config", "task_type",
}

// unsupported are settings that change the computation; unless empty they are refused with a reason.
var unsupported = map[string]string{
	"use_dora":                "DoRA rescales the base weights; only plain LoRA can be swapped at run time",
	"lora_bias":               "biases on B are not supported",
	"modules_to_save":         "the adapter replaces whole modules of the base, which cannot be swapped",
	"trainable_token_indices": "trained embeddings are not supported",
	"layer_replication":       "replicated layers are not supported",
	"target_parameters":       "only linear layers can be adapted",
	"alora_invocation_tokens": "activated LoRA switches on in mid-sequence, which is not supported",
	"use_qalora":              "QALoRA needs a quantised base",
	"megatron_config":         "Megatron layers are not supported",
}

// plainInits are the values of init_lora_weights that leave the base model as it was.
var plainInits = []string{`true`, `false`, `null`, `"gaussian"`, `"eva"`, `"mica"`, `"orthogonal"`}

// parseSettings reads an adapter_config.json.
func parseSettings(data []byte) (settings, error) {
	s := settings{rank: 8, alpha: 8}
	object, err := strictjson.Object(data)
	if err != nil {
		return s, err
	}
	take := func(key string, dst any) {
		raw, ok := object[key]
		if !ok || err != nil {
			return
		}
		delete(object, key)
		if e := json.Unmarshal(raw, dst); e != nil {
			err = fmt.Errorf("%s is %s: %w", key, compact(raw), e)
		}
	}
	var kind, bias string
	take("peft_type", &kind)
	if err == nil && kind != "LORA" {
		return s, fmt.Errorf("peft_type is %q; only LORA is supported", kind)
	}
	take("r", &s.rank)
	take("lora_alpha", &s.alpha)
	take("use_rslora", &s.rslora)
	take("base_model_name_or_path", &s.base)
	bias = "none"
	take("bias", &bias)
	if err == nil && bias != "none" {
		return s, fmt.Errorf("bias is %q: trained biases belong to the base and cannot be swapped", bias)
	}
	if init := compact(object["init_lora_weights"]); init != "" && !slices.Contains(plainInits, strings.ToLower(init)) {
		return s, fmt.Errorf("init_lora_weights is %s: it may change the base model, so the adapter would be wrong on the original; "+
			"convert it with PEFT's path_initial_model_for_weight_conversion", init)
	}
	delete(object, "init_lora_weights")
	if err == nil {
		err = s.takePatterns(object)
	}
	if err == nil {
		err = s.takeSelection(object)
	}
	if err != nil {
		return s, err
	}
	return s, refuseRest(object)
}

// takeSelection reads the settings that choose layers and removes them from object.
func (s *settings) takeSelection(object map[string]json.RawMessage) (err error) {
	if s.target, err = parseSelector(object["target_modules"]); err != nil {
		return fmt.Errorf("target_modules: %w", err)
	}
	if s.exclude, err = parseSelector(object["exclude_modules"]); err != nil {
		return fmt.Errorf("exclude_modules: %w", err)
	}
	if s.target.all() {
		s.target = selector{names: arch.Modules(), source: s.target.source}
	}
	if s.target.empty() {
		return fmt.Errorf("target_modules is missing")
	}
	if s.layers, err = parseLayers(object["layers_to_transform"]); err != nil {
		return fmt.Errorf("layers_to_transform: %w", err)
	}
	if s.layers != nil && s.target.pattern != nil {
		return fmt.Errorf("layers_to_transform cannot go with a regular expression in target_modules")
	}
	pattern, err := parseSelector(object["layers_pattern"])
	if err != nil {
		return fmt.Errorf("layers_pattern: %w", err)
	}
	if pattern.pattern != nil {
		pattern.names = []string{pattern.source}
	}
	s.lists = pattern.names
	for _, key := range []string{"target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"} {
		delete(object, key)
	}
	return nil
}

// suits refuses names that a model whose linears are named by a scheme does not have. PEFT would adapt nothing by them.
func (s settings) suits(by scheme) error {
	for _, name := range s.target.names {
		if !s.target.all() && !by.reaches(name) {
			return fmt.Errorf("target_modules names %q, which is no linear layer of a %s block; %v are", name, by.Title, by.Modules)
		}
	}
	if s.layers != nil && len(s.lists) > 0 && !slices.Contains(s.lists, by.List) {
		return fmt.Errorf("layers_pattern is %q; the layers of a %s are named %s", strings.Join(s.lists, ", "), by.Title, by.List)
	}
	return nil
}

// refuseRest refuses what remains in object unless it is harmless or empty.
func refuseRest(object map[string]json.RawMessage) error {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := compact(object[key])
		if slices.Contains(harmless, key) || slices.Contains([]string{"null", "false", "{}", "[]", `""`}, value) {
			continue
		}
		if why, ok := unsupported[key]; ok {
			return fmt.Errorf("%s is %s: %s", key, value, why)
		}
		return fmt.Errorf("%s is %s, a setting that is not known here; set it to null if the adapter does not depend on it", key, value)
	}
	return nil
}

// selector chooses modules by name as PEFT does: a list matches whole names or their ends at a dot, a string is a regular
// expression for the whole name.
type selector struct {
	names   []string
	pattern *regexp.Regexp
	source  string
}

func (s selector) empty() bool { return len(s.names) == 0 && s.pattern == nil }

// all recognises PEFT's word for every linear layer.
func (s selector) all() bool { return strings.EqualFold(s.source, "all-linear") }

func parseSelector(raw json.RawMessage) (selector, error) {
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return selector{}, nil
	case raw[0] != '"':
		var names []string
		if err := json.Unmarshal(raw, &names); err != nil {
			return selector{}, fmt.Errorf("%s is neither a list of names nor a regular expression", compact(raw))
		}
		return selector{names: names}, nil
	}
	var source string
	if err := json.Unmarshal(raw, &source); err != nil {
		return selector{}, err
	}
	if source == "" {
		return selector{}, nil
	}
	pattern, err := regexp.Compile(`\A(?:` + source + `)\z`)
	if err != nil {
		return selector{}, fmt.Errorf("regular expression %q: %w; name the modules in a list instead", source, err)
	}
	return selector{pattern: pattern, source: source}, nil
}

// match reports whether key is chosen, and whether by its whole name, which PEFT exempts from layers_to_transform.
func (s selector) match(key string) (chosen, whole bool) {
	if s.pattern != nil {
		return s.pattern.MatchString(key), true
	}
	for _, name := range s.names {
		if key == name {
			return true, true
		}
		chosen = chosen || strings.HasSuffix(key, "."+name)
	}
	return chosen, false
}

// chooses reports whether the settings adapt t, in a model whose linears are named by a scheme.
func (s settings) chooses(by scheme, t arch.Target) bool {
	key := by.path(t)
	if out, _ := s.exclude.match(key); out {
		return false
	}
	chosen, whole := s.target.match(key)
	return chosen && (whole || s.layers == nil || slices.Contains(s.layers, t.Layer))
}

func parseLayers(raw json.RawMessage) ([]int, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var layers []int
	if raw[0] != '[' {
		layers = []int{0}
		if err := json.Unmarshal(raw, &layers[0]); err != nil {
			return nil, err
		}
	} else if err := json.Unmarshal(raw, &layers); err != nil {
		return nil, err
	}
	slices.Sort(layers)
	layers = slices.Compact(layers)
	if len(layers) == 0 {
		return nil, nil // PEFT takes an empty list for all layers
	}
	if layers[0] < 0 || layers[len(layers)-1] >= arch.MaxLayers {
		return nil, fmt.Errorf("%v are not all layer numbers", layers)
	}
	return layers, nil
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
