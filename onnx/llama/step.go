package llama

import (
	"nightshift/models/arch"
	"nightshift/onnx"
	"nightshift/onnx/graphs"
)

// step is the transformer of a serving step over flat rows [B·S, width]: operators are fused where the runtime has a fused one.
type step struct{ *graphs.Step }

// blocks applies every transformer layer to the embeddings.
func (s step) blocks() *onnx.Value {
	x := s.Reshape(s.Embed(), -1, int64(s.Shape.Width))
	next := blockOf(s.Shape, 0)
	normed := s.Norm(next.qkv.Norm, x)
	for l := range s.Shape.Layers {
		b := next
		normed, x = s.residual(b.out, s.attend(l, b.qkv, normed), x, b.inner.Norm)
		inner := s.gated(b.inner, normed)
		if l+1 == s.Shape.Layers {
			return s.Add(x, s.linear(b.down, inner))
		}
		next = blockOf(s.Shape, l+1)
		normed, x = s.residual(b.down, inner, x, next.qkv.Norm)
	}
	return x
}

// linear is a linear with its bias, where it has one, and its adapters. The bias comes first: the runtime makes one operator of it and the
// product, in graphs with and without adapters.
func (s step) linear(l arch.Linear, x *onnx.Value) *onnx.Value {
	y, added, bias := s.Linear(l, x)
	for _, more := range []*onnx.Value{bias, added} {
		if more != nil {
			y = s.Add(y, more)
		}
	}
	return y
}

// attend is attention of normed rows: flat rows again.
func (s step) attend(layer int, qkv arch.Linear, normed *onnx.Value) *onnx.Value {
	packed := s.ReshapeTo(s.linear(qkv, normed), s.Sized(qkv.Out))
	a := graphs.Attention{Query: packed, Scale: attentionScale(s.Shape), Window: window(s.Shape, layer)}
	if s.Shape.HeadNorms { // the operator has none, so it must be given what was normalised
		parts := s.Split(packed, -1, int64(qkv.Parts[0].Out), int64(qkv.Parts[1].Out), int64(qkv.Parts[2].Out))
		a.Query, a.Key, a.Value = headNorm(s.Builder, parts[0], qkv.HeadNorms[0]), headNorm(s.Builder, parts[1], qkv.HeadNorms[1]), parts[2]
	}
	return s.Reshape(s.Attend(layer, a), -1, int64(qkv.Parts[0].Out))
}

// gated is SiLU of the first half of a linear's outputs times the second.
func (s step) gated(l arch.Linear, x *onnx.Value) *onnx.Value {
	halves := s.Split(s.linear(l, x), -1, int64(s.Shape.Inner), int64(s.Shape.Inner))
	return s.Mul(s.SiLU(halves[0]), halves[1])
}

// residual adds a linear with its adapters and its bias to the residual stream and normalises the sum by a norm's gain: it returns both.
func (s step) residual(l arch.Linear, x, stream *onnx.Value, norm []string) (normed, sum *onnx.Value) {
	y, added, bias := s.Linear(l, x)
	if added != nil {
		y = s.Add(y, added)
	}
	out := s.OpN("SkipSimplifiedLayerNormalization", 4, []*onnx.Value{stream, y, s.Param(norm[0]), bias}, onnx.Float32("epsilon", float32(s.Shape.Epsilon)))
	return out[0], out[3]
}
