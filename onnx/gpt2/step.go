package gpt2

import (
	"nightshift/models/arch"
	"nightshift/onnx"
	"nightshift/onnx/graphs"
)

// step is the transformer of a serving step over flat rows [B·S, width]: operators are fused where the runtime has a fused one.
type step struct{ *graphs.Step }

// embed is token plus position embeddings as flat rows.
func (s step) embed() *onnx.Value {
	tokens := s.Embed()
	at := s.Op("Gather", []*onnx.Value{s.Param(places), s.Positions}, onnx.Int("axis", 0))
	return s.Reshape(s.Add(tokens, at), -1, int64(s.Shape.Width))
}

// blocks applies every transformer layer to the embeddings.
func (s step) blocks() *onnx.Value {
	x, w := s.embed(), int64(s.Shape.Width)
	packed := s.Sized(3 * s.Shape.Width)
	next := blockOf(s.Shape, 0)
	normed := s.Norm(next.attn.Norm, x)
	for l := range s.Shape.Layers {
		b := next
		qkv := s.Op("Reshape", []*onnx.Value{s.plain(b.attn, normed), packed})
		attended := s.Attend(l, graphs.Attention{Query: qkv, Scale: attentionScale(s.Shape, l)})
		normed, x = s.residual(b.project, s.Reshape(attended, -1, w), x, b.up.Norm)
		up := s.activated(b.up, normed)
		if l+1 == s.Shape.Layers {
			return s.Add(x, s.plain(b.down, up))
		}
		next = blockOf(s.Shape, l+1)
		normed, x = s.residual(b.down, up, x, next.attn.Norm)
	}
	return x
}

// adapted is a linear with its adapters and without its bias.
func (s step) adapted(l arch.Linear, x *onnx.Value) (y, bias *onnx.Value) {
	y, added, bias := s.Linear(l, x)
	if added != nil {
		y = s.Add(y, added)
	}
	return y, bias
}

// plain is a linear with its adapters and its bias. The bias comes first: the runtime makes one operator of it and the product, in
// graphs with and without adapters.
func (s step) plain(l arch.Linear, x *onnx.Value) *onnx.Value {
	y, added, bias := s.Linear(l, x)
	y = s.Add(y, bias)
	if added != nil {
		y = s.Add(y, added)
	}
	return y
}

// activated is a linear with its adapters, its bias and the configured activation.
func (s step) activated(l arch.Linear, x *onnx.Value) *onnx.Value {
	y, bias := s.adapted(l, x)
	switch s.Shape.Activation {
	case "gelu_new":
		return s.FastGelu(y, bias)
	case "gelu":
		return s.Op("BiasGelu", []*onnx.Value{y, bias})
	default:
		return s.Op("Relu", []*onnx.Value{s.Add(y, bias)})
	}
}

// residual adds a linear with its adapters and its bias to the residual stream and normalises the sum by a norm's tensors: it returns
// both.
func (s step) residual(l arch.Linear, x, stream *onnx.Value, norm []string) (normed, sum *onnx.Value) {
	y, bias := s.adapted(l, x)
	out := s.OpN("SkipLayerNormalization", 4, []*onnx.Value{stream, y, s.Param(norm[0]), s.Param(norm[1]), bias},
		onnx.Float32("epsilon", float32(s.Shape.Epsilon)))
	return out[0], out[3]
}
