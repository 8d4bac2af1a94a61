// Package checkpoint reads and writes checkpoints in the Hugging Face layout: config.json beside
// model.safetensors or beside the shards of model.safetensors.index.json.
//
// What Open accepts is complete and sound: every tensor of the configuration is there with its shape and finite values,
// nothing else is but heads of other tasks (see Checkpoint.Unused), and no setting asks for a computation that the graphs do not have. Weights in float32 stay where they
// are, and the graphs point into the file; weights in half precision, spread over several folders, or in pieces that graphs read as
// one, are converted once into a float32 file in the cache, named by its digest. The digest depends on the values and the configuration
// alone, not on shards, precision or the order in a file.
//
// Which tensors a checkpoint has, and what files call them, models/arch says; names here are those of that package. Pickles are never
// read.
package checkpoint

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
	"nightshift/onnx"
)

// Checkpoint is an opened checkpoint. It holds no file open and is safe for concurrent use.
type Checkpoint struct {
	shape   arch.Shape
	dir     string
	digest  string
	sources map[string]source // canonical name → F32 data, all in dir
	ends    []int32
	unused  []string
}

// Open reads the checkpoint in dir. cacheDir takes converted weights and the record of which files were already
// verified; with cacheDir "" every Open verifies anew, and a checkpoint that needs conversion is refused.
func Open(dir, cacheDir string) (*Checkpoint, error) {
	c, err := open(dir, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint %s: %w", dir, err)
	}
	return c, nil
}

func open(dir, cacheDir string) (*Checkpoint, error) {
	data, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	shape, err := arch.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read config.json: %w", err)
	}
	ends, err := readEnds(dir, data, shape.Vocab)
	if err != nil {
		return nil, err
	}
	found, err := find(dir, shape)
	if err != nil {
		return nil, err
	}
	unused := takeHeads(found)
	if err := match(shape, found, arch.Tensor.Files); err != nil {
		return nil, err
	}
	digest, err := verify(shape, found, cacheDir)
	if err != nil {
		return nil, err
	}
	if shape.TiedHead {
		delete(found, arch.HeadWeight)
	}
	if !direct(shape, found) {
		if found, err = convert(shape, found, digest, cacheDir); err != nil {
			return nil, err
		}
	}
	return &Checkpoint{shape, filepath.Dir(found[shape.Embedding()].path), digest, found, ends, unused}, nil
}

// direct reports whether graphs can point at the data as it lies: float32, all in one folder, and none in pieces.
func direct(shape arch.Shape, found map[string]source) bool {
	if slices.ContainsFunc(shape.Tensors(), func(t arch.Tensor) bool { return t.Pieces != nil }) {
		return false
	}
	folder := ""
	for _, s := range found {
		d := filepath.Dir(s.path)
		if s.entry.Type != safetensors.F32 || folder != "" && folder != d {
			return false
		}
		folder = d
	}
	return true
}

// Ends are the ids of the tokens that end a text by config.json and generation_config.json, ascending.
func (c *Checkpoint) Ends() []int32 { return slices.Clone(c.ends) }

// Unused names the stored tensors that a language model does not compute with, in order: heads of other tasks.
func (c *Checkpoint) Unused() []string { return slices.Clone(c.unused) }

// Trimmed is c with a vocabulary of its first tokens only, for a file whose embedding and head have more rows than the tokenizer has
// tokens. The weights stay where they are, and the digest stays that of the file: it names the model that was opened.
func (c *Checkpoint) Trimmed(tokens int) (*Checkpoint, error) {
	if tokens < 1 || tokens > c.shape.Vocab {
		return nil, fmt.Errorf("trim the vocabulary to %d tokens: it has %d", tokens, c.shape.Vocab)
	}
	t := *c
	t.shape.Vocab = tokens
	t.sources = maps.Clone(c.sources)
	beyond := func(id int) bool { return id >= tokens }
	for _, id := range []*int{&t.shape.EOS, &t.shape.BOS} {
		if beyond(*id) {
			*id = -1
		}
	}
	t.ends = slices.DeleteFunc(c.Ends(), func(id int32) bool { return beyond(int(id)) })
	for _, name := range []string{t.shape.Embedding(), arch.HeadWeight} {
		if s, ok := t.sources[name]; ok {
			s.entry.Shape = []int64{int64(tokens), s.entry.Shape[1]}
			s.entry.Length = s.entry.Type.Size() * s.entry.Shape[0] * s.entry.Shape[1]
			t.sources[name] = s
		}
	}
	return &t, nil
}

// Shape is the model's shape.
func (c *Checkpoint) Shape() arch.Shape { return c.shape }

// Dir is the folder that the locations of external data are relative to: a real path, symbolic links resolved.
func (c *Checkpoint) Dir() string { return c.dir }

// Digest names the model: "sha256:" and the hash over the configuration and every tensor as float32.
func (c *Checkpoint) Digest() string { return c.digest }

// Names lists the tensors in canonical order.
func (c *Checkpoint) Names() []string {
	var names []string
	for _, t := range c.shape.Tensors() {
		names = append(names, t.Name)
	}
	return names
}

// Initializer is a reference to the data of a tensor, for a graph whose external data lies in Dir.
func (c *Checkpoint) Initializer(name string) (onnx.Tensor, error) {
	s, ok := c.sources[name]
	if !ok {
		return onnx.Tensor{}, fmt.Errorf("look up tensor %s: the checkpoint has no such tensor", name)
	}
	return onnx.Tensor{
		Type: onnx.Float,
		Dims: append([]int64(nil), s.entry.Shape...),
		External: &onnx.External{
			Location: filepath.Base(s.path), Offset: s.entry.Offset, Length: s.entry.Length,
		},
	}, nil
}

// Floats reads the values of a tensor, row-major.
func (c *Checkpoint) Floats(name string) ([]float32, error) {
	s, ok := c.sources[name]
	if !ok {
		return nil, fmt.Errorf("read tensor %s: the checkpoint has no such tensor", name)
	}
	return s.floats()
}

// takeHeads removes from found the tensors of heads that a language model does not have, and returns their names in order.
func takeHeads(found map[string]source) []string {
	var names []string
	for name := range found {
		if arch.IsOtherHead(name) {
			names = append(names, name)
			delete(found, name)
		}
	}
	slices.Sort(names)
	return names
}

// chunks reads the source's values piece by piece.
func (s source) chunks(visit func([]float32) error) error {
	if s.whole != nil {
		return s.unpack(visit)
	}
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("read tensor %s: %w", s.entry.Name, err)
	}
	defer f.Close()
	r := io.NewSectionReader(f, s.entry.Offset, s.entry.Length)
	return safetensors.Chunks(bufio.NewReaderSize(r, 1<<20), s.entry, visit)
}

// floats reads all of a source's values.
func (s source) floats() ([]float32, error) {
	values := make([]float32, 0, s.entry.Elements())
	err := s.chunks(func(chunk []float32) error {
		values = append(values, chunk...)
		return nil
	})
	return values, err
}
