package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"nightshift/models/arch"
	"nightshift/models/internal/strictjson"
	"nightshift/models/safetensors"
)

// source says where the values of one tensor lie.
type source struct {
	path  string // the real file, symbolic links resolved
	entry safetensors.Entry
	whole *arch.Tensor // of which it is a piece, where the entry has it whole; nil elsewhere
	piece int
}

const (
	single = "model.safetensors"
	index  = "model.safetensors.index.json"
)

// find locates every tensor of the checkpoint in dir by canonical name.
func find(dir string, shape arch.Shape) (map[string]source, error) {
	if _, err := os.Stat(filepath.Join(dir, single)); err == nil {
		found := map[string]source{}
		return found, addFile(found, shape, dir, single, nil)
	}
	data, err := os.ReadFile(filepath.Join(dir, index))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missingWeights(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read shard index: %w", err)
	}
	shards, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("read shard index %s: %w", index, err)
	}
	found := map[string]source{}
	files := slices.Sorted(maps.Keys(shards))
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			return nil, fmt.Errorf("find shard %s of %d, which %s names; was the download complete? %w", file, len(files), index, err)
		}
	}
	for _, file := range files {
		if err := addFile(found, shape, dir, file, shards[file]); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// parseIndex reads a shard index: for each file, the stored names that it must hold.
func parseIndex(data []byte) (map[string]map[string]bool, error) {
	object, err := strictjson.Object(data)
	if err != nil {
		return nil, err
	}
	members, err := strictjson.Members(object["weight_map"])
	if err != nil {
		return nil, fmt.Errorf("weight_map: %w", err)
	}
	shards := map[string]map[string]bool{}
	for _, m := range members {
		var file string
		if err := json.Unmarshal(m.Value, &file); err != nil {
			return nil, fmt.Errorf("weight_map: %s: %w", m.Key, err)
		}
		if file == "" || strings.ContainsAny(file, `/\:`) || filepath.Ext(file) != ".safetensors" {
			return nil, fmt.Errorf("weight_map: tensor %s lies in %q; shards are .safetensors files in the same folder", m.Key, file)
		}
		if shards[file] == nil {
			shards[file] = map[string]bool{}
		}
		shards[file][m.Key] = true
	}
	return shards, nil
}

// addFile adds the tensors of one file; want, when given, are exactly the stored names that it must have.
func addFile(found map[string]source, shape arch.Shape, dir, file string, want map[string]bool) error {
	path, err := filepath.EvalSymlinks(filepath.Join(dir, file))
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	f, err := safetensors.Open(path, safetensors.MaxCheckpointHeader)
	if err != nil {
		return err
	}
	defer f.Close()
	for name := range want {
		if _, ok := f.Entry(name); !ok {
			return fmt.Errorf("tensor %s is missing from %s, where %s says it lies", name, file, index)
		}
	}
	for _, e := range f.Entries() {
		if want != nil && !want[e.Name] {
			return fmt.Errorf("%s holds tensor %s, which %s does not place there", file, e.Name, index)
		}
		name := shape.Canonical(e.Name)
		if name == "" {
			continue
		}
		if other, ok := found[name]; ok {
			return fmt.Errorf("tensor %s is stored twice, as %s and as %s", name, other.entry.Name, e.Name)
		}
		found[name] = source{path: path, entry: e}
	}
	return nil
}

// missingWeights explains what a folder without safetensors files needs.
func missingWeights(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for weights: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		switch ext := filepath.Ext(name); {
		case ext == ".bin" && strings.HasPrefix(name, "pytorch_model"), ext == ".pt", ext == ".pth", ext == ".ckpt", ext == ".pkl":
			return fmt.Errorf("%s is a pickle, and reading a pickle can run code: it is refused; "+
				"convert it where you trust it, with transformers: "+
				"AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW, safe_serialization=True)", name)
		case ext == ".h5", ext == ".msgpack", ext == ".gguf", ext == ".onnx":
			return fmt.Errorf("%s is not read; bring the checkpoint as model.safetensors", name)
		}
	}
	return fmt.Errorf("there is no %s and no %s", single, index)
}

// match checks that found holds exactly the tensors of a shape with their shapes, in a type that can be read; kept says how each is
// kept. A head that the config ties is left in found only when it is stored; the caller compares it.
func match(shape arch.Shape, found map[string]source, kept func(arch.Tensor) []arch.Piece) error {
	known := map[string]bool{}
	check := func(t arch.Piece, src source) error {
		if !slices.Equal(src.entry.Shape, t.Dims) {
			return fmt.Errorf("tensor %s has shape %v, config.json asks for %v", t.Name, src.entry.Shape, t.Dims)
		}
		switch src.entry.Type {
		case safetensors.F32, safetensors.F16, safetensors.BF16:
			return nil
		}
		return fmt.Errorf("tensor %s is %s; F32, F16 and BF16 are supported", t.Name, src.entry.Type)
	}
	for _, whole := range shape.Tensors() {
		for _, t := range kept(whole) {
			known[t.Name] = true
			src, ok := found[t.Name]
			if !ok {
				return fmt.Errorf("tensor %s is missing", t.Name)
			}
			if err := check(t, src); err != nil {
				return err
			}
		}
	}
	if src, ok := found[arch.HeadWeight]; ok && shape.TiedHead {
		known[arch.HeadWeight] = true
		if err := check(arch.Piece{Name: arch.HeadWeight, Dims: []int64{int64(shape.Vocab), int64(shape.Width)}}, src); err != nil {
			return err
		}
	}
	var unknown []string
	for name := range found {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	if sort.Strings(unknown); len(unknown) > 0 {
		return fmt.Errorf("tensor %s (of %d such) has no place in a %s of %d layers with a language-model head", unknown[0], len(unknown), shape.Title(), shape.Layers)
	}
	return nil
}
