package quantize

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/safetensors"
	"nightshift/onnx"
)

// Checkpoint is a converted checkpoint. It holds no file open and is safe for concurrent use.
type Checkpoint struct {
	dir      string
	metadata map[string]string
	entries  map[string]safetensors.Entry
	smooth   map[string][]float32 // by linear
}

// Open reads what Convert wrote to dir.
func Open(dir string) (*Checkpoint, error) {
	c, err := open(dir)
	if err != nil {
		return nil, fmt.Errorf("open quantised checkpoint %s: %w", dir, err)
	}
	return c, nil
}

func open(dir string) (*Checkpoint, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	f, err := safetensors.Open(path, safetensors.MaxCheckpointHeader)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := &Checkpoint{dir: filepath.Dir(path), metadata: f.Metadata(), entries: map[string]safetensors.Entry{}, smooth: map[string][]float32{}}
	if c.metadata["format"] != "nightshift-quantized" || c.metadata["version"] != version {
		return nil, fmt.Errorf("format %q, version %q is not one that this program reads; convert the model again: %w", c.metadata["format"], c.metadata["version"], fs.ErrNotExist)
	}
	if filepath.Base(path) != FileName {
		return nil, fmt.Errorf("%s is a link to a file of another name", FileName)
	}
	for _, e := range f.Entries() {
		c.entries[e.Name] = e
		if name, ok := strings.CutSuffix(e.Name, ".input_scale"); ok {
			if c.smooth[name], err = f.Floats(e.Name); err != nil {
				return nil, err
			}
			for i, s := range c.smooth[name] {
				if !(s > 0) {
					return nil, fmt.Errorf("%s holds %v at index %d, want a positive number", e.Name, s, i)
				}
			}
		}
	}
	return c, nil
}

// Dir is the folder that the locations of external data are relative to: a real path.
func (c *Checkpoint) Dir() string { return c.dir }

// Format is Int8 or Int4.
func (c *Checkpoint) Format() string { return c.metadata["weights"] }

// BaseDigest is the digest of the checkpoint that this one was made of.
func (c *Checkpoint) BaseDigest() string { return c.metadata["base"] }

// Text is the digest of the calibration text, "" without one.
func (c *Checkpoint) Text() string { return c.metadata["calibration"] }

// Bytes is the size of all tensors.
func (c *Checkpoint) Bytes() (n int64) {
	for _, e := range c.entries {
		n += e.Length
	}
	return n
}

// InputScale is the vector s [in] by which the inputs of a linear, such as h.0.attn.c_attn or lm_head, were divided; nil for
// none. What else is multiplied with these inputs, as the first factor of an adapter is, must have its rows multiplied by s; and what
// else is added to the outputs that the inputs are proportional to (arch.Fed), as the second factor of an adapter is, its columns divided.
// The caller must not change it.
func (c *Checkpoint) InputScale(linear string) []float32 { return c.smooth[linear] }

// Has says whether there is a tensor of that name.
func (c *Checkpoint) Has(name string) bool {
	_, ok := c.entries[name]
	return ok
}

// Initializer is a reference to the data of a tensor, for a graph whose external data lies in Dir.
func (c *Checkpoint) Initializer(name string) (onnx.Tensor, error) {
	e, ok := c.entries[name]
	if !ok {
		return onnx.Tensor{}, fmt.Errorf("look up tensor %s: the quantised checkpoint has no such tensor", name)
	}
	kinds := map[safetensors.DType]onnx.DType{safetensors.F32: onnx.Float, safetensors.I8: onnx.Int8, safetensors.U8: onnx.Uint8}
	return onnx.Tensor{Type: kinds[e.Type], Dims: slices.Clone(e.Shape),
		External: &onnx.External{Location: FileName, Offset: e.Offset, Length: e.Length}}, nil
}

// Int8Copy is Initializer for products of many rows: of an int4 weight and its scales it is the int8 copy, the same numbers rounded once more, to int8.
// For few rows the time of a product is that of reading the weight, for many that of arithmetic, which takes longer on 4 bits than on 8.
func (c *Checkpoint) Int8Copy(name string) (onnx.Tensor, error) {
	if copy8 := copyOf(name); c.Has(copy8) {
		name = copy8
	}
	return c.Initializer(name)
}

// Int8Copies says whether there are any.
func (c *Checkpoint) Int8Copies() bool {
	for name := range c.entries {
		if strings.Contains(name, copyWeight) {
			return true
		}
	}
	return false
}

const copyWeight = ".int8_weight"

// copyOf names the int8 copy of a weight, or its scales.
func copyOf(name string) string { return strings.Replace(name, ".weight", copyWeight, 1) }

// Check compares the tensors with what a model of this shape and digest needs.
func (c *Checkpoint) Check(shape arch.Shape, digest string) error {
	if err := c.check(shape, digest); err != nil {
		return fmt.Errorf("check quantised checkpoint %s: %w", c.dir, err)
	}
	return nil
}

func (c *Checkpoint) check(shape arch.Shape, digest string) error {
	if c.BaseDigest() != digest {
		return fmt.Errorf("it was made of %s, this model is %s", c.BaseDigest(), digest)
	}
	if rows := c.entries[shape.Embedding()].Shape; len(rows) == 2 && rows[0] != int64(shape.Vocab) {
		return fmt.Errorf("it was made for a tokenizer of %d tokens, this one has %d; convert the model again: %w", rows[0], shape.Vocab, fs.ErrNotExist)
	}
	left := maps.Clone(c.entries)
	need := func(name string, kind safetensors.DType, dims ...int64) error {
		e, ok := c.entries[name]
		if !ok || e.Type != kind || !slices.Equal(e.Shape, dims) {
			return fmt.Errorf("tensor %s is %s%v, want %s%v", name, e.Type, e.Shape, kind, dims)
		}
		delete(left, name)
		return nil
	}
	for _, l := range shape.Linears() {
		if err := c.checkLinear(l, need); err != nil {
			return err
		}
	}
	table, v, w := shape.Embedding(), int64(shape.Vocab), int64(shape.Width)
	if err := need(table, safetensors.I8, v, w); err != nil {
		return err
	}
	if err := need(table+"_scale", safetensors.F32, v, 1); err != nil {
		return err
	}
	for _, t := range shape.Tensors() {
		if _, ok := left[t.Name]; !ok && c.Has(t.Name) {
			continue
		}
		if err := need(t.Name, safetensors.F32, t.Dims...); err != nil {
			return err
		}
	}
	for name := range left {
		return fmt.Errorf("tensor %s has no place in it", name)
	}
	return nil
}

// checkLinear needs the tensors of one linear in whichever format its weight is.
func (c *Checkpoint) checkLinear(l arch.Linear, need func(string, safetensors.DType, ...int64) error) error {
	name, in, out := l.String()+".weight", int64(l.In), int64(l.Out)
	e := c.entries[name]
	bytes := func(name string) error {
		if err := need(name, safetensors.I8, in, out); err != nil {
			return err
		}
		return need(name+"_scale", safetensors.F32, out)
	}
	var err error
	switch {
	case e.Type == safetensors.F32 && l.Layer >= 0:
		err = need(name, safetensors.F32, in, out)
	case len(e.Shape) == 3:
		if err = need(name, safetensors.U8, out, in/Block, Block/2); err == nil {
			err = need(name+"_scale", safetensors.F32, out*(in/Block))
		}
		if err == nil && c.Int8Copies() {
			err = bytes(copyOf(name))
		}
	default:
		err = bytes(name)
	}
	if err == nil && c.smooth[l.String()] != nil {
		err = need(l.String()+".input_scale", safetensors.F32, in)
	}
	return err
}

// Folder is where the conversion of a checkpoint is kept in a cache.
func Folder(cacheDir, digest, format string) string {
	return filepath.Join(cacheDir, "quantized", strings.TrimPrefix(digest, "sha256:")+"-"+format)
}

// Load opens the conversion of a checkpoint in the cache. The error is fs.ErrNotExist when there is none that this version of the
// program reads, or that has this vocabulary: a checkpoint may have been trimmed.
func Load(cacheDir string, base *checkpoint.Checkpoint, format string) (*Checkpoint, error) {
	c, err := Open(Folder(cacheDir, base.Digest(), format))
	if err != nil {
		return nil, err
	}
	return c, c.Check(base.Shape(), base.Digest())
}
