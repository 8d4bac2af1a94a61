package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/atomicfile"
	"nightshift/internal/engine"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/tokenizer"
)

// randomDir is the directory of a shape's random checkpoint, made once and kept in the cache, or of the model that the shape names.
func randomDir(shape, cacheDir string) (string, error) {
	if isModel(shape) {
		return shape, nil
	}
	cfg, err := Shape(shape)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cacheDir, "bench", strings.ReplaceAll(shape, ",", "-"))
	if _, err := os.Stat(filepath.Join(dir, "config.json")); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make random model: %w", err)
	}
	if err := checkpoint.Write(dir, cfg, checkpoint.Random(cfg, 1)); err != nil {
		return "", fmt.Errorf("make random model: %w", err)
	}
	return dir, nil
}

// RandomModel opens a model of a shape with random weights in one of Formats, without a tokenizer, or the model that the shape names, which
// has been imported in that format. Neither has an end-of-text token.
func RandomModel(shape, weights, cacheDir string) (*engine.Model, error) {
	if isModel(shape) {
		m, err := engine.LoadModelAs(shape, cacheDir, weights)
		if err != nil {
			return nil, err
		}
		m.Ends = nil
		return m, nil
	}
	f, err := formatOf(weights)
	if err != nil {
		return nil, err
	}
	dir, err := randomDir(shape, cacheDir)
	if err != nil {
		return nil, err
	}
	c, err := checkpoint.Open(dir, cacheDir)
	if err != nil {
		return nil, err
	}
	m, err := f.open(c, cacheDir)
	if err != nil {
		return nil, err
	}
	m.Ends = nil
	return m, nil
}

// servedDir is randomDir with the files of a tokenizer, as the program's own commands want it.
func servedDir(shape, cacheDir string) (string, error) {
	dir, err := randomDir(shape, cacheDir)
	if err != nil {
		return "", err
	}
	cfg, err := Shape(shape)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); !errors.Is(err, fs.ErrNotExist) {
		return dir, err
	}
	return dir, writeTokenizer(dir, cfg.Vocab)
}

// servedModel is RandomModel with a tokenizer.
func servedModel(shape, weights, cacheDir string) (*engine.Model, error) {
	m, err := RandomModel(shape, weights, cacheDir)
	if err != nil || m.Tokenizer != nil {
		return m, err
	}
	dir, err := servedDir(shape, cacheDir)
	if err != nil {
		return nil, err
	}
	m.Tokenizer, err = tokenizer.Load(dir)
	return m, err
}

// writeTokenizer writes a tokenizer whose tokens are the 256 bytes, which all text is encoded to, and words that fill up
// the vocabulary, so that whatever a random model says has a text.
func writeTokenizer(dir string, vocab int) error {
	fail := func(err error) error { return fmt.Errorf("make tokenizer in %s: %w", dir, err) }
	if vocab < 256 {
		return fail(fmt.Errorf("the vocabulary of %d has no room for the 256 bytes; use a shape with a larger one", vocab))
	}
	v, err := tokenizer.Train(nil, 256, nil)
	if err != nil {
		return fail(err)
	}
	made, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(made)
	if err := v.Write(made); err != nil {
		return fail(err)
	}
	config, err := os.ReadFile(filepath.Join(made, "tokenizer_config.json"))
	if err != nil {
		return fail(err)
	}
	data, err := os.ReadFile(filepath.Join(made, "tokenizer.json"))
	if err != nil {
		return fail(err)
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		return fail(err)
	}
	words := file["model"].(map[string]any)["vocab"].(map[string]any) // as Write writes it
	for id := len(words); id < vocab; id++ {
		words[fmt.Sprintf("Ġw%d", id)] = id
	}
	if data, err = json.Marshal(file); err != nil {
		return fail(err)
	}
	if err := atomicfile.Write(filepath.Join(dir, "tokenizer_config.json"), config, 0o644); err != nil {
		return fail(err)
	}
	if err := atomicfile.Write(filepath.Join(dir, "tokenizer.json"), data, 0o644); err != nil { // the last: where it is, the other is
		return fail(err)
	}
	return nil
}

// randomAdapter is an adapter of every linear, of rank r, that changes what a random model says.
func randomAdapter(c arch.Shape, rank int, seed uint64) (*adapter.Adapter, error) {
	a, err := adapter.New(adapter.Config{Rank: rank, Alpha: float64(2 * rank), Modules: c.Modules()},
		c, seed)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for _, t := range a.Targets() {
		b := a.Factors[t].B
		for i := range b {
			b[i] = float32(random.NormFloat64() * 0.05)
		}
	}
	return a, nil
}

// randomPrompt is n tokens that no other index and seed have.
func randomPrompt(random *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.IntN(vocab))
	}
	return ids
}
