package gpt2

import (
	"nightshift/onnx"
	"nightshift/onnx/graphs"
)

// sequence is the transformer over whole sequences [B,S,width], of operators that can be differentiated.
type sequence struct{ *graphs.Sequence }

// embed is token plus position embeddings.
func (s sequence) embed() *onnx.Value {
	tokens := s.Op("Gather", []*onnx.Value{s.Param(s.Shape.Embedding()), s.IDs}, onnx.Int("axis", 0))
	at := s.Op("Gather", []*onnx.Value{s.Param(places), s.Positions}, onnx.Int("axis", 0))
	return s.Add(tokens, at)
}

// blocks applies every transformer layer to the embeddings.
func (s sequence) blocks() *onnx.Value {
	x := s.embed()
	for l := range s.Shape.Layers {
		b := blockOf(s.Shape, l)
		qkv := s.Linear(b.attn, s.Norm(b.attn.Norm, x))
		x = s.Add(x, s.Linear(b.project, s.attention(l, qkv)))
		up := s.activate(s.Linear(b.up, s.Norm(b.up.Norm, x)))
		x = s.Add(x, s.Linear(b.down, up))
	}
	return x
}

// activate applies the configured activation.
func (s sequence) activate(x *onnx.Value) *onnx.Value {
	switch s.Shape.Activation {
	case "gelu_new":
		return s.Op("FastGelu", []*onnx.Value{x})
	case "gelu":
		return s.Op("Gelu", []*onnx.Value{x}, onnx.String("approximate", "none"))
	default:
		return s.Op("Relu", []*onnx.Value{x})
	}
}

// attention is plain multi-head attention: packed q|k|v [B,S,3W] to [B,S,W].
func (s sequence) attention(layer int, qkv *onnx.Value) *onnx.Value {
	heads, size, width := int64(s.Shape.Heads), int64(s.Shape.HeadSize), int64(s.Shape.Width)
	parts := s.OpN("Split", 3, []*onnx.Value{qkv, s.Const(onnx.Ints([]int64{3}, width, width, width))}, onnx.Int("axis", -1))
	split := func(v *onnx.Value, perm ...int64) *onnx.Value {
		return s.Transpose(s.Reshape(v, 0, 0, heads, size), perm...)
	}
	q := s.Mul(split(parts[0], 0, 2, 1, 3), s.Const(onnx.FloatScalar(attentionScale(s.Shape, layer))))
	k := split(parts[1], 0, 2, 3, 1)
	v := split(parts[2], 0, 2, 1, 3)
	shares := s.Op("Softmax", []*onnx.Value{s.Add(s.MatMul(q, k), s.Mask)}, onnx.Int("axis", -1))
	return s.Reshape(s.Transpose(s.MatMul(shares, v), 0, 2, 1, 3), 0, 0, width)
}
