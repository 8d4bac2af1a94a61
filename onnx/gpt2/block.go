package gpt2

import (
	"fmt"

	"nightshift/onnx"
)

// Weights says where a checkpoint's tensor lies: in memory or as external data. Names have no "transformer." prefix.
type Weights func(name string) (onnx.Tensor, error)

// builder holds what the three graphs share: the parameters, and the parts of a block that are the same in all.
type builder struct {
	g       *onnx.Graph
	cfg     Config
	weights Weights
	// trainable, when set, makes every checkpoint tensor a graph input instead of an initializer.
	trainable map[string]*onnx.Value
	// adapt adds an adapter's product to a linear: it gets the linear's input and output and returns the new output.
	adapt func(layer int, module string, x, y *onnx.Value) *onnx.Value
	once  map[string]*onnx.Value // see memo
	err   error
}

// param returns a checkpoint tensor.
func (b *builder) param(name string) *onnx.Value {
	if v, ok := b.trainable[name]; ok {
		return v
	}
	t, err := b.weights(name)
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("find weight %s: %w", name, err)
	}
	return b.g.Initializer(name, t)
}

// embed adds token and position embeddings: [B,S] and [B,S] to [B,S,W].
func (b *builder) embed(ids, positions *onnx.Value) *onnx.Value {
	tokens := b.g.Op("Gather", []*onnx.Value{b.param("wte.weight"), ids}, onnx.Int("axis", 0))
	places := b.g.Op("Gather", []*onnx.Value{b.param("wpe.weight"), positions}, onnx.Int("axis", 0))
	return b.g.Add(tokens, places)
}

// norm is layer normalisation over the last axis.
func (b *builder) norm(name string, x *onnx.Value) *onnx.Value {
	return b.g.Op("LayerNormalization", []*onnx.Value{x, b.param(name + ".weight"), b.param(name + ".bias")},
		onnx.Int("axis", -1), onnx.Float32("epsilon", float32(b.cfg.Epsilon)))
}

// linear is x·W + b of one module of a block, with its adapter.
func (b *builder) linear(layer int, module string, x *onnx.Value) *onnx.Value {
	name := fmt.Sprintf("h.%d.%s", layer, module)
	y := b.g.Add(b.g.MatMul(x, b.param(name+".weight")), b.param(name+".bias"))
	if b.adapt != nil {
		y = b.adapt(layer, module, x, y)
	}
	return y
}

// activate applies the configured activation.
func (b *builder) activate(x *onnx.Value) *onnx.Value {
	switch b.cfg.Activation {
	case "gelu_new":
		return b.g.Op("FastGelu", []*onnx.Value{x})
	case "gelu":
		return b.g.Op("Gelu", []*onnx.Value{x}, onnx.String("approximate", "none"))
	default:
		return b.g.Op("Relu", []*onnx.Value{x})
	}
}

// block is one transformer layer around the given attention, which maps packed q|k|v [B,S,3W] to [B,S,W].
func (b *builder) block(layer int, x *onnx.Value, attend func(layer int, qkv *onnx.Value) *onnx.Value) *onnx.Value {
	p := fmt.Sprintf("h.%d.", layer)
	qkv := b.linear(layer, "attn.c_attn", b.norm(p+"ln_1", x))
	x = b.g.Add(x, b.linear(layer, "attn.c_proj", attend(layer, qkv)))
	up := b.activate(b.linear(layer, "mlp.c_fc", b.norm(p+"ln_2", x)))
	return b.g.Add(x, b.linear(layer, "mlp.c_proj", up))
}

// logits picks flat positions (index [P] into B·S rows) of x [B,S,W] and maps them to the vocabulary: [P,V].
func (b *builder) logits(x, index *onnx.Value) *onnx.Value {
	rows := b.g.Reshape(x, -1, int64(b.cfg.Width))
	picked := b.norm("ln_f", b.g.Op("Gather", []*onnx.Value{rows, index}, onnx.Int("axis", 0)))
	head := "wte.weight"
	if !b.cfg.TiedHead {
		head = "lm_head.weight"
	}
	return b.g.Op("Gemm", []*onnx.Value{picked, b.param(head)}, onnx.Int("transB", 1))
}

// finish reports the first error of the weights or of the graph.
func (b *builder) finish() (*onnx.Graph, error) {
	if b.err != nil {
		return nil, fmt.Errorf("build graph %s: %w", b.g.Name, b.err)
	}
	if err := b.g.Err(); err != nil {
		return nil, fmt.Errorf("build graph %s: %w", b.g.Name, err)
	}
	if err := b.g.Check(); err != nil {
		return nil, fmt.Errorf("check graph %s: %w", b.g.Name, err)
	}
	return b.g, nil
}
