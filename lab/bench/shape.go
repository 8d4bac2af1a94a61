package bench

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nightshift/models/arch"
)

// shapes are the named model shapes.
var shapes = map[string]arch.Shape{
	"gpt2":        {Layers: 12, Heads: 12, Width: 768, Context: 1024, Vocab: 50257},
	"gpt2-medium": {Layers: 24, Heads: 16, Width: 1024, Context: 1024, Vocab: 50257},
	"gpt2-large":  {Layers: 36, Heads: 20, Width: 1280, Context: 1024, Vocab: 50257},
	"gpt2-xl":     {Layers: 48, Heads: 25, Width: 1600, Context: 1024, Vocab: 50257},
	"demo":        {Layers: 4, Heads: 6, Width: 192, Context: 256, Vocab: 2048},
}

// Shapes names the shapes for a help text.
const Shapes = "gpt2, gpt2-medium, gpt2-large, gpt2-xl, demo, or layers,heads,width,vocabulary,context"

// Shape returns a named shape, or one written as layers,heads,width,vocabulary,context. It has no end-of-text token, so
// that answers have the length that is asked for.
func Shape(name string) (arch.Shape, error) {
	c, ok := shapes[name]
	if !ok {
		parts := strings.Split(name, ",")
		if len(parts) != 5 {
			return c, fmt.Errorf("shape %q is not known: use one of %s, or layers,heads,width,vocabulary,context", name,
				strings.Join(slices.Sorted(maps.Keys(shapes)), ", "))
		}
		for i, into := range []*int{&c.Layers, &c.Heads, &c.Width, &c.Vocab, &c.Context} {
			n, err := strconv.Atoi(strings.TrimSpace(parts[i]))
			if err != nil || n < 1 {
				return c, fmt.Errorf("shape %q: %q is not a positive number", name, parts[i])
			}
			*into = n
		}
	}
	c = arch.GPT2(c)
	c.Epsilon, c.ScaleAttn, c.TiedHead = 1e-5, true, true
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
