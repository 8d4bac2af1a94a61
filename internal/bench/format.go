package bench

import (
	"fmt"
	"strings"

	"nightshift/internal/engine"
	"nightshift/models/checkpoint"
	"nightshift/onnx/gpt2"
)

// format is a way to keep weights.
type format struct {
	name  string
	bytes float64  // of memory that a decoded token reads for one weight, scales included
	int8  bool     // products are integer ones: the machine's integer rate is the limit
	args  []string // with which the program serves in it
	open  func(c *checkpoint.Checkpoint, cacheDir string) (*engine.Model, error)
}

// formats are the weight formats that can be measured.
var formats = []format{
	{name: "f32", bytes: 4, open: func(c *checkpoint.Checkpoint, _ string) (*engine.Model, error) {
		return &engine.Model{Checkpoint: c, Config: gpt2.Config(c.Config())}, nil
	}},
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
