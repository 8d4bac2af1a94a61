package adapter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nightshift/internal/atomicfile"
	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// File names and the size that Read takes into memory at most.
const (
	ConfigFile  = "adapter_config.json"
	WeightsFile = "adapter_model.safetensors"
	maxConfig   = 1 << 20
	maxWeights  = 2 << 30
)

// Read reads the adapter in dir.
func Read(dir string) (*Adapter, error) {
	config, err := readFile(filepath.Join(dir, ConfigFile), maxConfig)
	if err != nil {
		return nil, fmt.Errorf("read adapter %s: %w", dir, err)
	}
	weights, err := readFile(filepath.Join(dir, WeightsFile), maxWeights)
	if errors.Is(err, fs.ErrNotExist) {
		if _, e := os.Stat(filepath.Join(dir, "adapter_model.bin")); e == nil {
			err = fmt.Errorf("adapter_model.bin is a pickle, and reading a pickle can run code: it is refused; " +
				"load it with PEFT where you trust it and save_pretrained(NEW, safe_serialization=True)")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read adapter %s: %w", dir, err)
	}
	a, err := Parse(config, weights)
	if err != nil {
		return nil, fmt.Errorf("read adapter %s: %w", dir, err)
	}
	return a, nil
}

// Find lists the directories of adapters at dir: dir itself, or else the folders in it, as PEFT saves an adapter under a name.
func Find(dir string) ([]string, error) {
	if isFile(filepath.Join(dir, ConfigFile)) {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for an adapter: %w", err)
	}
	var found []string
	for _, e := range entries {
		if inside := filepath.Join(dir, e.Name()); isFile(filepath.Join(inside, ConfigFile)) {
			found = append(found, inside)
		}
	}
	return found, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes; want a regular file of at most %d", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

// Parse reads an adapter from the contents of its two files.
func Parse(config, weights []byte) (*Adapter, error) {
	s, err := parseSettings(config)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", ConfigFile, err)
	}
	a, by, ranks, err := parseWeights(s, weights)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", WeightsFile, err)
	}
	a.level(s, by, ranks)
	a.Config.BaseModel = s.base
	if err := a.settle(s, by); err != nil {
		return nil, fmt.Errorf("parse adapter: %w", err)
	}
	return a, a.Check()
}

// parseWeights reads the factors, each linear's with a rank of its own; by is how the file names them.
func parseWeights(s settings, weights []byte) (a *Adapter, by scheme, ranks map[arch.Target]int, err error) {
	f, err := safetensors.Parse(weights, safetensors.MaxAdapterHeader)
	if err != nil {
		return nil, by, nil, err
	}
	if len(f.Entries()) == 0 {
		return nil, by, nil, fmt.Errorf("there is no tensor in it")
	}
	a, ranks = &Adapter{Factors: map[arch.Target]Factors{}}, map[arch.Target]int{}
	for i, e := range f.Entries() {
		t, factor, own, err := splitName(e.Name)
		if err != nil {
			return nil, by, nil, err
		}
		if i > 0 && own != by {
			return nil, by, nil, fmt.Errorf("tensor %s is named in another way than %s", e.Name, f.Entries()[0].Name)
		}
		by = own
		rows := 0 // the axis of the rank
		if factor == "B" {
			rows = 1
		}
		if _, known := ranks[t]; !known && len(e.Shape) == 2 {
			ranks[t] = s.rankOf(by, t, e.Shape[rows])
		}
		rank := ranks[t]
		if len(e.Shape) != 2 || e.Shape[rows] != int64(rank) || e.Shape[1-rows] == 0 {
			return nil, by, nil, fmt.Errorf("tensor %s has shape %v; with the rank %d, A is [r, in] and B is [out, r]", e.Name, e.Shape, rank)
		}
		values, err := f.Floats(e.Name)
		if err != nil {
			return nil, by, nil, err
		}
		values = transpose(values, int(e.Shape[0]), int(e.Shape[1]))
		factors := a.Factors[t]
		if factor == "A" {
			factors.A = values
		} else {
			factors.B = values
		}
		a.Factors[t] = factors
	}
	for _, t := range a.Targets() {
		if f := a.Factors[t]; f.A == nil || f.B == nil {
			return nil, by, nil, fmt.Errorf("%s has one factor of two: lora_A and lora_B must both be there", t)
		}
	}
	return a, by, ranks, nil
}

// settle checks the factors against the file's selection of modules and states that selection canonically.
func (a *Adapter) settle(s settings, by scheme) error {
	if err := s.suits(by); err != nil {
		return fmt.Errorf("%s: %w", ConfigFile, err)
	}
	depth := a.depth()
	if n := len(s.layers); n > 0 {
		depth = max(depth, s.layers[n-1]+1)
	}
	for l := range depth {
		for _, m := range by.Modules {
			t := arch.Target{Layer: l, Module: m}
			_, has := a.Factors[t]
			switch chosen := s.chooses(by, t); {
			case chosen && !has:
				return fmt.Errorf("%s names %s, %s has no factors for it", ConfigFile, t, WeightsFile)
			case !chosen && has:
				return fmt.Errorf("%s has factors for %s, which %s does not name", WeightsFile, t, ConfigFile)
			}
		}
	}
	layers := []int{}
	for _, t := range a.Targets() {
		if len(layers) == 0 || layers[len(layers)-1] != t.Layer {
			layers = append(layers, t.Layer)
		}
	}
	for _, m := range by.Modules {
		if slices.ContainsFunc(a.Targets(), func(t arch.Target) bool { return t.Module == m }) {
			a.Config.Modules = append(a.Config.Modules, m)
		}
	}
	if s.layers == nil && len(layers) == depth && a.Regular() && s.everywhere(by, depth, a.Config.Modules) {
		return nil // Layers stay nil: all
	}
	a.Config.Layers = layers
	return nil
}

// everywhere reports whether the selection would go on in layers beyond depth, as one by module names does and one that
// spells out layers does not.
func (s settings) everywhere(by scheme, depth int, modules []string) bool {
	for _, m := range modules {
		if !s.chooses(by, arch.Target{Layer: depth, Module: m}) {
			return false
		}
	}
	return true
}

// transpose turns [rows, columns] into [columns, rows], in blocks of lines that fit the nearest cache.
func transpose(values []float32, rows, columns int) []float32 {
	const block = 64
	out := make([]float32, len(values))
	for r0 := 0; r0 < rows; r0 += block {
		r1 := min(r0+block, rows)
		for c0 := 0; c0 < columns; c0 += block {
			c1 := min(c0+block, columns)
			for r := r0; r < r1; r++ {
				for c, v := range values[r*columns+c0 : r*columns+c1] {
					out[(c0+c)*rows+r] = v
				}
			}
		}
	}
	return out
}

// Files encodes the adapter canonically, as PEFT reads it.
func (a *Adapter) Files() (config, weights []byte, err error) {
	if err := a.Check(); err != nil {
		return nil, nil, fmt.Errorf("encode adapter: %w", err)
	}
	if config, err = a.encodeConfig(); err != nil {
		return nil, nil, fmt.Errorf("encode adapter: %w", err)
	}
	var tensors []safetensors.Tensor
	naming, r := a.naming(), a.Config.Rank
	for _, t := range a.Targets() {
		in, out := a.Dims(t)
		name := "base_model.model." + naming.Path(naming.Root, t)
		f := a.Factors[t]
		tensors = append(tensors,
			safetensors.Slice(name+".lora_A.weight", []int64{int64(r), int64(in)}, transpose(f.A, in, r)),
			safetensors.Slice(name+".lora_B.weight", []int64{int64(out), int64(r)}, transpose(f.B, r, out)))
	}
	weights, err = safetensors.Encode(tensors, map[string]string{"format": "pt"})
	if err != nil {
		return nil, nil, fmt.Errorf("encode adapter: %w", err)
	}
	return config, weights, nil
}

// naming is how PEFT names the linears of the family that the adapter, which is checked, is for.
func (a *Adapter) naming() *arch.Naming { return arch.NamingOf(a.Config.Modules[0]) }

// encodeConfig writes the settings that PEFT needs, keys sorted. A regular adapter names its modules and layers; one that
// differs between layers spells out every path, which layers_to_transform does not touch.
func (a *Adapter) encodeConfig() ([]byte, error) {
	var layers, pattern, base any
	cfg, naming := a.Config.canonical(), a.naming()
	modules := cfg.Modules
	if a.Config.BaseModel != "" {
		base = a.Config.BaseModel
	}
	if a.Config.Layers != nil {
		layers, pattern = cfg.Layers, naming.List
	}
	if !a.Regular() {
		modules, layers, pattern = nil, nil, nil
		for _, t := range a.Targets() {
			modules = append(modules, naming.Path(naming.Root, t))
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(map[string]any{
		"base_model_name_or_path": base,
		"bias":                    "none",
		"fan_in_fan_out":          naming.FanInFanOut,
		"inference_mode":          true,
		"init_lora_weights":       true,
		"layers_pattern":          pattern,
		"layers_to_transform":     layers,
		"lora_alpha":              a.Config.Alpha,
		"lora_dropout":            0,
		"peft_type":               "LORA",
		"r":                       a.Config.Rank,
		"target_modules":          modules,
		"task_type":               "CAUSAL_LM",
		"use_dora":                false,
		"use_rslora":              a.Config.RSLoRA,
	})
	return b.Bytes(), err
}

// Write writes the adapter's two files into dir, each atomically, the configuration last.
func (a *Adapter) Write(dir string) error {
	config, weights, err := a.Files()
	if err != nil {
		return fmt.Errorf("write adapter %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write adapter %s: %w", dir, err)
	}
	if err := atomicfile.Write(filepath.Join(dir, WeightsFile), weights, 0o644); err != nil {
		return fmt.Errorf("write adapter %s: %w", dir, err)
	}
	if err := atomicfile.Write(filepath.Join(dir, ConfigFile), config, 0o644); err != nil {
		return fmt.Errorf("write adapter %s: %w", dir, err)
	}
	return nil
}
