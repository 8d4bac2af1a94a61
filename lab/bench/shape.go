package bench

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nightshift/models/arch"
)

// shapes are the named model shapes.
var shapes = map[string]arch.Shape{
	"gpt2":         small(12, 12, 768, 50257, 1024),
	"gpt2-medium":  small(24, 16, 1024, 50257, 1024),
	"gpt2-large":   small(36, 20, 1280, 50257, 1024),
	"gpt2-xl":      small(48, 25, 1600, 50257, 1024),
	"demo":         small(4, 6, 192, 2048, 256),
	"smollm2":      arch.Llama(arch.Shape{Layers: 30, Heads: 9, KVHeads: 3, Width: 576, Inner: 1536, Vocab: 49152, Context: 8192, Rotation: arch.Rotation{Base: 1e5}, Epsilon: 1e-5, TiedHead: true}),
	"qwen2.5-0.5b": arch.Llama(arch.Shape{Model: "qwen2", Layers: 24, Heads: 14, KVHeads: 2, Width: 896, Inner: 4864, Vocab: 151936, Context: 32768, Rotation: arch.Rotation{Base: 1e6}, Epsilon: 1e-6, AttnBias: true, TiedHead: true}),
	"llama3.2-1b": arch.Llama(arch.Shape{Layers: 16, Heads: 32, KVHeads: 8, Width: 2048, Inner: 8192, Vocab: 128256, Context: 131072, Epsilon: 1e-5, TiedHead: true,
		Rotation: arch.Rotation{Base: 5e5, Scaling: "llama3", Factor: 32, Low: 1, High: 4, Original: 8192}}),
}

// small is a GPT-2 of some size.
func small(layers, heads, width, vocab, context int) arch.Shape {
	return arch.GPT2(arch.Shape{Layers: layers, Heads: heads, Width: width, Vocab: vocab, Context: context, Epsilon: 1e-5, ScaleAttn: true, TiedHead: true})
}

// Shapes names the shapes for a help text.
const Shapes = "gpt2, gpt2-medium, gpt2-large, gpt2-xl, demo, smollm2, qwen2.5-0.5b, llama3.2-1b, or layers,heads,width,vocabulary,context of a GPT-2"

// isModel says whether a shape is named by the directory of a model.
func isModel(name string) bool { return filepath.IsAbs(name) }

// Shape returns a named shape, that of a model by its directory, an absolute path, or one of a GPT-2 written as
// layers,heads,width,vocabulary,context. It has no end-of-text token, so that answers have the length that is asked for.
func Shape(name string) (arch.Shape, error) {
	c, ok := shapes[name]
	if isModel(name) {
		data, err := os.ReadFile(filepath.Join(name, "config.json"))
		if err == nil {
			c, err = arch.Parse(data)
		}
		if err != nil {
			return c, fmt.Errorf("read the shape of %s: %w", name, err)
		}
	} else if !ok {
		parts := strings.Split(name, ",")
		if len(parts) != 5 {
			return c, fmt.Errorf("shape %q is not known: use one of %s, or layers,heads,width,vocabulary,context", name,
				strings.Join(slices.Sorted(maps.Keys(shapes)), ", "))
		}
		var sizes [5]int
		for i := range sizes {
			n, err := strconv.Atoi(strings.TrimSpace(parts[i]))
			if err != nil || n < 1 {
				return c, fmt.Errorf("shape %q: %q is not a positive number", name, parts[i])
			}
			sizes[i] = n
		}
		c = small(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4])
	}
	c.EOS, c.BOS = -1, -1
	return c, c.Check()
}

// bodyParameters counts the weights of all linears of all blocks.
func bodyParameters(c arch.Shape) int {
	perLayer := 0
	for _, m := range c.Modules() {
		if in, out, err := c.Dims(m); err == nil {
			perLayer += in * out
		}
	}
	return c.Layers * perLayer
}

// headParameters counts the weights of the output head.
func headParameters(c arch.Shape) int { return c.Vocab * c.Width }
