package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/engine"
	"nightshift/models/checkpoint"
	"nightshift/models/quantize"
)

// format is a way to keep weights.
type format struct {
	name  string
	bytes float64  // of memory that a decoded token reads for one weight, scales included
	int8  bool     // products are integer ones: the machine's integer rate is the limit
	args  []string // with which the program serves in it
}

// formats are the weight formats that can be measured; the first is that of checkpoints.
var formats = []format{
	{name: "f32", bytes: 4},
	{name: quantize.Int8, bytes: 1, int8: true, args: []string{"--set", "weights=" + quantize.Int8}},
	{name: quantize.Int4, bytes: 0.5 + 4.0/quantize.Block, int8: true, args: []string{"--set", "weights=" + quantize.Int4}},
}

// Formats names the weight formats.
func Formats() []string {
	list := make([]string, len(formats))
	for i, f := range formats {
		list[i] = f.name
	}
	return list
}

func formatOf(name string) (format, error) {
	for _, f := range formats {
		if f.name == name {
			return f, nil
		}
	}
	return format{}, fmt.Errorf("weight format %q is not known: use one of %s", name, strings.Join(Formats(), ", "))
}

// open makes a model of a checkpoint in the format, converting it the first time: without calibration, which random weights
// have no use for, so that every linear is in the format.
func (f format) open(c *checkpoint.Checkpoint, cacheDir string) (*engine.Model, error) {
	m := &engine.Model{Checkpoint: c, Config: c.Shape(), Ends: c.Ends()}
	if f.name == formats[0].name {
		return m, nil
	}
	if _, err := quantize.Load(cacheDir, c, f.name); errors.Is(err, os.ErrNotExist) {
		opt := quantize.Defaults(f.name)
		dir := quantize.Folder(cacheDir, c.Digest(), f.name)
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return nil, fmt.Errorf("make random model: %w", err)
		}
		if _, err := quantize.Convert(c, nil, opt, dir, nil); err != nil {
			return nil, err
		}
	}
	return m, m.Serve(f.name, cacheDir)
}

// weightsFile is the file of the weights that a model serves.
func weightsFile(dir string, m *engine.Model, cacheDir string) string {
	if m.Quantized != nil {
		return filepath.Join(quantize.Folder(cacheDir, m.Checkpoint.Digest(), m.Weights()), quantize.FileName)
	}
	return filepath.Join(dir, "model.safetensors")
}
