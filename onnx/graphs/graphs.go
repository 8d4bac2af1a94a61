// Package graphs builds the ONNX graphs that the program runs, for a model of any family: decode (prefill and ragged decoding
// against an in-place key/value cache, with LoRA adapters mixed in one batch), train (log-probabilities and the gradients of the
// trainable inputs), score (log-probabilities and top-k distributions, no gradients), fisher (gradients of sampled labels) and
// calibrate (what quantisation wants to know of each linear).
//
// It has what these graphs share whatever the family: inputs and outputs, adapters, caches, losses, weights of every format. The
// transformer between them is the family's, a package of its own beside this one; package families says which.
//
// Weights are never copied here: a Weights function says where each tensor lies, and the graph refers to it. The package builds
// graphs and nothing else: it runs nothing, reads no files and knows no tokenizer.
package graphs

import (
	"fmt"

	"nightshift/models/arch"
	"nightshift/onnx"
)

// Weights says where a checkpoint's tensor lies: in memory or as external data. Names are those of models/arch.
type Weights func(name string) (onnx.Tensor, error)

// Transformer is what the models of a family compute.
type Transformer interface {
	// Step is the transformer of a serving step: from its tokens to the hidden states after the last layer, as flat rows
	// [B·S,Width]. Its operators may be fused ones, which have no gradient.
	Step(s *Step) *onnx.Value
	// Sequence is the same function over whole sequences, to [B,S,Width], in operators that can be differentiated.
	Sequence(s *Sequence) *onnx.Value
}

// Model is what graphs are built of: a shape, and the transformer of its family. Its methods build them.
type Model struct {
	Shape       arch.Shape
	Transformer Transformer
}

// check refuses a model that no graph can be built for.
func (m Model) check(graph string) error {
	if err := m.Shape.Check(); err != nil {
		return fmt.Errorf("build graph %s: %w", graph, err)
	}
	if m.Transformer == nil {
		return fmt.Errorf("build graph %s: there is no transformer for models of type %s", graph, m.Shape.Family)
	}
	return nil
}

// Builder is a graph under construction and the parameters in it: what Step and Sequence share.
type Builder struct {
	*onnx.Graph
	Shape   arch.Shape
	weights Weights
	// trainable makes tensors of the checkpoint graph inputs instead of initializers, and holds the factors that are trained.
	trainable map[string]*onnx.Value
	once      map[string]*onnx.Value // see memo
	err       error
}

// newBuilder starts a graph.
func newBuilder(name string, shape arch.Shape, weights Weights) *Builder {
	return &Builder{Graph: onnx.NewGraph(name), Shape: shape, weights: weights}
}

// fail keeps the first error, which finish reports.
func (b *Builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Param returns a tensor of the checkpoint.
func (b *Builder) Param(name string) *onnx.Value {
	if v, ok := b.trainable[name]; ok {
		return v
	}
	t, err := b.weights(name)
	if err != nil {
		b.fail(fmt.Errorf("find weight %s: %w", name, err))
	}
	return b.Initializer(name, t)
}

// Norm is layer normalisation over the last axis by a gain and a bias, or, by a gain alone, division by the root mean square.
func (b *Builder) Norm(tensors []string, x *onnx.Value) *onnx.Value {
	if len(tensors) == 1 {
		return b.SimplifiedLayerNormalization(x, b.Param(tensors[0]), float32(b.Shape.Epsilon))
	}
	return b.Op("LayerNormalization", []*onnx.Value{x, b.Param(tensors[0]), b.Param(tensors[1])},
		onnx.Int("axis", -1), onnx.Float32("epsilon", float32(b.Shape.Epsilon)))
}

// Angles are the cosines and sines of the model's rotation, [Context,HeadSize/2] each.
func (b *Builder) Angles() (cos, sin *onnx.Value) {
	table := func(name string, pick func(cos, sin []float32) []float32) *onnx.Value {
		return b.memo(name, func() *onnx.Value {
			values := pick(b.Shape.Angles())
			return b.Initializer(name, onnx.Floats([]int64{int64(b.Shape.Context), int64(b.Shape.HeadSize / 2)}, values...))
		})
	}
	cos = table("rotation.cos", func(cos, _ []float32) []float32 { return cos })
	return cos, table("rotation.sin", func(_, sin []float32) []float32 { return sin })
}

// pick takes flat positions (index [P]) of rows x [·,Width] through the norm before the head.
func (b *Builder) pick(x, index *onnx.Value) *onnx.Value {
	return b.Norm(b.Shape.Head().Norm, b.Op("Gather", []*onnx.Value{x, index}, onnx.Int("axis", 0)))
}

// logits maps flat positions (index [P] into B·S rows) of x [B,S,Width] or [B·S,Width] to the vocabulary: [P,Vocab].
func (b *Builder) logits(x, index *onnx.Value) *onnx.Value {
	picked := b.pick(b.Reshape(x, -1, int64(b.Shape.Width)), index)
	return b.Op("Gemm", []*onnx.Value{picked, b.Param(b.Shape.Head().Weight)}, onnx.Int("transB", 1))
}

// memo is a value that is built once a graph.
func (b *Builder) memo(key string, build func() *onnx.Value) *onnx.Value {
	if v, ok := b.once[key]; ok {
		return v
	}
	if b.once == nil {
		b.once = map[string]*onnx.Value{}
	}
	v := build()
	b.once[key] = v
	return v
}

// finish reports the first error of the weights or of the graph.
func (b *Builder) finish() (*onnx.Graph, error) {
	if b.err != nil {
		return nil, fmt.Errorf("build graph %s: %w", b.Name, b.err)
	}
	if err := b.Err(); err != nil {
		return nil, fmt.Errorf("build graph %s: %w", b.Name, err)
	}
	if err := b.Check(); err != nil {
		return nil, fmt.Errorf("check graph %s: %w", b.Name, err)
	}
	return b.Graph, nil
}
