// Package llama is the transformer of the Llama family, Touvron et al. 2023 in the parametrisation of Hugging Face's LlamaForCausalLM:
// root-mean-square norms before attention and before the feed-forward part, rotary positions, fewer heads of keys and values than of
// queries, a feed-forward part that is gated by SiLU. Mistral's sliding window, the biases of Qwen2 and the norms of queries and keys of
// Qwen3 are settings of its shape.
//
// It is written twice, as step and as sequence, because the fused operators that make serving fast have no gradient, and the
// plain ones that have are slower and know no cache. The two compute the same function and share no code but the parameters;
// tests compare both with transformers, and with each other.
//
// Sizes, linears and names are those of models/arch; inputs, outputs, adapters and losses those of onnx/graphs.
package llama

import (
	"math"

	"nightshift/models/arch"
	"nightshift/onnx"
	"nightshift/onnx/graphs"
)

// Transformer is the family's.
type Transformer struct{}

// Step is a serving step, see graphs.Transformer.
func (Transformer) Step(s *graphs.Step) *onnx.Value { return step{s}.blocks() }

// Sequence is a whole sequence, see graphs.Transformer.
func (Transformer) Sequence(s *graphs.Sequence) *onnx.Value { return sequence{s}.blocks() }

// block is the four linears of a layer: queries, keys and values; what attention gives; gate and up; down.
type block struct{ qkv, out, inner, down arch.Linear }

func blockOf(s arch.Shape, layer int) block {
	l := s.Layer(layer)
	return block{l[0], l[1], l[2], l[3]}
}

// attentionScale is the factor on q·k.
func attentionScale(s arch.Shape) float32 { return float32(1 / math.Sqrt(float64(s.HeadSize))) }

// window is the number of keys that a query of a layer sees; 0: all before it.
func window(s arch.Shape, layer int) int {
	if layer < s.WindowFrom {
		return 0
	}
	return s.Window
}

// headNorm normalises each head of x [B,S,heads·HeadSize] by a gain.
func headNorm(b *graphs.Builder, x *onnx.Value, gain arch.Tensor) *onnx.Value {
	size := int64(b.Shape.HeadSize)
	heads := x.Shape[2].Size / size
	return b.Reshape(b.Norm([]string{gain.Name}, b.Reshape(x, 0, 0, heads, size)), 0, 0, heads*size)
}
