// Package gpt2 is the transformer of the GPT-2 family, Radford et al. 2019 in the parametrisation of Hugging Face's
// GPT2LMHeadModel: layer norm before attention and before the feed-forward part, learned positions, biases everywhere. Conv1D
// weights are stored [in,out] and feed MatMul as they are.
//
// It is written twice, as step and as sequence, because the fused operators that make serving fast have no gradient, and the
// plain ones that have are slower and know no cache. The two compute the same function and share no code but the parameters;
// tests compare both with transformers, and with each other.
//
// Sizes, linears and names are those of models/arch; inputs, outputs, adapters and losses those of onnx/graphs.
package gpt2

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

// block is the four linears of a layer.
type block struct{ attn, project, up, down arch.Linear }

func blockOf(s arch.Shape, layer int) block {
	l := s.Layer(layer)
	return block{l[0], l[1], l[2], l[3]}
}

// places is the tensor of the position embedding.
const places = "wpe.weight"

// attentionScale is the factor on q·k of one layer.
func attentionScale(s arch.Shape, layer int) float32 {
	scale := 1.0
	if s.ScaleAttn {
		scale /= math.Sqrt(float64(s.HeadSize))
	}
	if s.ScaleAttnByLayer {
		scale /= float64(layer + 1)
	}
	return float32(scale)
}
