// Package arch knows the shape of a model: its sizes, its linears, its tensors and how files name them. It is the one place
// that does; checkpoints, adapters, quantisation, graphs, the engine and nights ask it.
//
// What is particular to the models of one model_type of config.json is a family, one file here: gpt2.go. All else goes through
// Shape, which names its family and answers by it.
//
// Linears and tensors have names of their own here, h.{layer}.{module} and what belongs to it, whatever a file calls them.
//
// Invariants: the order of Tensors is part of a checkpoint's digest and that of modules part of an adapter's, so neither ever
// changes. The package computes nothing, holds no weights and builds no graphs.
package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Shape is what decides the computation of a model. It is a value: two models with equal shapes have the same graphs.
type Shape struct {
	// Family names the transformer, and Model the model_type of config.json: several types may be one family.
	Family, Model string
	// Width is that of the hidden states, Inner that of the feed-forward part; Context is the number of positions and Vocab that
	// of tokens.
	Layers, Heads, Width, Context, Vocab, Inner int
	// KVHeads is the number of heads of keys and values, which queries share where there are fewer than Heads. HeadSize is the
	// width of a head.
	KVHeads, HeadSize int
	// Activation is gelu_new (tanh approximation), gelu (erf), relu, or silu.
	Activation string
	// Epsilon is added to a variance before a norm divides by its root.
	Epsilon float64
	// ScaleAttn divides attention scores by √HeadSize, ScaleAttnByLayer by layer number + 1 as well.
	ScaleAttn, ScaleAttnByLayer bool
	// ReorderUpcast is reorder_and_upcast_attn of GPT-2; in float32 it changes nothing.
	ReorderUpcast bool
	// Rotation turns queries and keys by their positions. Its zero value is none: positions are learned.
	Rotation Rotation
	// Window is the number of keys that a query sees, its own among them, in the layers from WindowFrom on; 0: all before it.
	Window, WindowFrom int
	// HeadNorms says that queries and keys are normalised head by head before they are rotated.
	HeadNorms bool
	// AttnBias, OutBias and InnerBias say which linears have biases where the family leaves it to the model: those of queries, keys and
	// values, the one after attention, and those of the feed-forward part.
	AttnBias, OutBias, InnerBias bool
	// TiedHead says that the output head is the token embedding.
	TiedHead bool
	// EOS and BOS are the first ids that config.json names, −1 where it names none or one outside the vocabulary. No computation
	// depends on them. A checkpoint knows all the tokens that end a turn.
	EOS, BOS int
}

// Limits that keep every product of sizes far from overflow; no model comes near them.
const (
	MaxLayers = 1 << 10
	maxSize   = 1 << 24
)

// HeadName is what the output head is called among the linears, HeadWeight the tensor of a head that is not tied.
const (
	HeadName   = "lm_head"
	HeadWeight = HeadName + ".weight"
)

// family is what is particular to the models of one model_type. Its functions are never nil.
type family struct {
	name   string
	models []modelType
	naming Naming
	// parse reads config.json, check names the first setting that cannot be computed, and config lists what is written into one.
	parse  func(*settings) Shape
	check  func(Shape) error
	config func(Shape) map[string]any
	// textsBegin says that texts of pretraining begin with bos_token_id though tokenizer files do not put it there.
	textsBegin bool
	// identity is what a checkpoint's digest covers of its configuration, as JSON.
	identity func(Shape) any
	// inputs are the tensors before the first layer, the token embedding first.
	inputs func(Shape) []Tensor
	// layer lists the linears of one layer in the order in which they are computed, head is the output head.
	layer func(s Shape, layer int) []Linear
	head  func(Shape) Linear
	// feedForward names the modules that adapters change where nobody says.
	feedForward []string
	// canonical is the name of a stored tensor here, "" for a buffer that is no weight; stored is its inverse.
	canonical func(stored string) string
	stored    func(name string) string
}

// modelType is a model_type of config.json, and its title for people.
type modelType struct{ name, title string }

// families are all that are known.
var families = []*family{&gpt2, &llama}

// none is the family of a shape that no family has made: it has no linears, and Check refuses it.
var none = family{
	parse:     func(*settings) Shape { return Shape{} },
	check:     func(s Shape) error { return unknown(s.Family) },
	config:    func(Shape) map[string]any { return nil },
	identity:  func(Shape) any { return nil },
	inputs:    func(Shape) []Tensor { return []Tensor{{}} },
	layer:     func(Shape, int) []Linear { return nil },
	head:      func(Shape) Linear { return Linear{} },
	canonical: func(stored string) string { return stored },
	stored:    func(name string) string { return name },
}

// family finds the shape's.
func (s Shape) family() *family {
	for _, f := range families {
		if f.name == s.Family {
			return f
		}
	}
	return &none
}

// familyOf finds the family that has a model_type.
func familyOf(model string) *family {
	for _, f := range families {
		if titleOf(f.models, model) != "" {
			return f
		}
	}
	return &none
}

// titleOf is the title of a model_type, "" where it is not in the list.
func titleOf(list []modelType, model string) string {
	for _, m := range list {
		if m.name == model {
			return m.title
		}
	}
	return ""
}

// Check reports the first setting that cannot be computed.
func (s Shape) Check() error { return s.family().check(s) }

func unknown(model string) error {
	var known []string
	for _, f := range families {
		for _, m := range f.models {
			known = append(known, m.name)
		}
	}
	return fmt.Errorf("model_type is %q; supported are %s", model, strings.Join(known, ", "))
}

// size is a setting that must be positive, by its key in config.json.
type size struct {
	key       string
	value, hi int
}

// checkSizes reports the first size out of range.
func checkSizes(sizes []size) error {
	for _, s := range sizes {
		if s.value < 1 || s.value > s.hi {
			return fmt.Errorf("%s is %d, want 1 to %d", s.key, s.value, s.hi)
		}
	}
	return nil
}

// KVWidth is the width of the keys of one position, and of its values: what a cache holds of each for a layer.
func (s Shape) KVWidth() int { return s.KVHeads * s.HeadSize }

// Title names the type of the model for people: GPT-2, Qwen2.
func (s Shape) Title() string { return titleOf(s.family().models, s.Model) }

// TextsBegin says whether the family's models were trained on texts that begin with bos_token_id though their tokenizers' files do not put
// it there, as GPT-2 was on texts that begin with its end-of-text token.
func (s Shape) TextsBegin() bool { return s.family().textsBegin }

// Identity is what a checkpoint's digest covers of its configuration, as JSON.
func (s Shape) Identity() any { return s.family().identity(s) }

// Tensors lists the tensors of a checkpoint in canonical order, which is that of its digest.
func (s Shape) Tensors() []Tensor {
	all := s.family().inputs(s)
	for _, l := range s.Linears() {
		all = append(all, l.tensors()...)
	}
	seen := map[string]bool{} // a norm may feed several linears, and a tied head is the embedding
	return slices.DeleteFunc(all, func(t Tensor) bool {
		twice := seen[t.Name]
		seen[t.Name] = true
		return twice
	})
}

// Tensor finds a tensor by its name; ok is false for one that a checkpoint of this shape does not have.
func (s Shape) Tensor(name string) (t Tensor, ok bool) {
	list := s.Tensors()
	i := slices.IndexFunc(list, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, false
	}
	return list[i], true
}

// Embedding names the tensor of the token embedding, [Vocab, Width].
func (s Shape) Embedding() string { return s.family().inputs(s)[0].Name }

// Linears lists the linears in the order in which they are computed, the head last.
func (s Shape) Linears() []Linear {
	f := s.family()
	var list []Linear
	for l := range s.Layers {
		list = append(list, f.layer(s, l)...)
	}
	return append(list, f.head(s))
}

// Layer lists the linears of one layer in the order in which they are computed.
func (s Shape) Layer(layer int) []Linear { return s.family().layer(s, layer) }

// Head is the output head.
func (s Shape) Head() Linear { return s.family().head(s) }

// Modules names the linears of a layer as adapters do, in canonical order.
func (s Shape) Modules() []string { return slices.Clone(s.family().naming.Modules) }

// FeedForward names the modules that adapters change where nobody says: those of the feed-forward part.
func (s Shape) FeedForward() []string { return slices.Clone(s.family().feedForward) }

// Dims is the input and output width of a module.
func (s Shape) Dims(module string) (in, out int, err error) {
	for _, l := range s.family().layer(s, 0) {
		if l.Module == module && l.Parts == nil {
			return l.In, l.Out, nil
		}
		for _, p := range l.Parts {
			if p.Module == module {
				return l.In, p.Out, nil
			}
		}
	}
	return 0, 0, fmt.Errorf("module %q is not one of %v", module, s.Modules())
}

// Holder is the linear that a target is, or is packed into, and the first of its outputs that are the target's. Of a target that the
// model does not have it is a linear of that name without anything.
func (s Shape) Holder(t Target) (l Linear, column int) {
	for _, l := range s.family().layer(s, t.Layer) {
		if l.Target == t {
			return l, 0
		}
		column := 0
		for _, p := range l.Parts {
			if p.Module == t.Module {
				return l, column
			}
			column += p.Out
		}
	}
	return Linear{Target: t}, 0
}
