package llama

import (
	"nightshift/models/arch"
	"nightshift/onnx"
	"nightshift/onnx/graphs"
)

// sequence is the transformer over whole sequences [B,S,width], of operators that can be differentiated.
type sequence struct{ *graphs.Sequence }

// blocks applies every transformer layer to the embeddings.
func (s sequence) blocks() *onnx.Value {
	x := s.Gather(s.Param(s.Shape.Embedding()), s.IDs, 0)
	for l := range s.Shape.Layers {
		b := blockOf(s.Shape, l)
		x = s.Add(x, s.Linear(b.out, s.attention(l, b.qkv, s.Norm(b.qkv.Norm, x))))
		halves := s.Parts(b.inner, s.Norm(b.inner.Norm, x))
		x = s.Add(x, s.Linear(b.down, s.Mul(s.SiLU(halves[0]), halves[1])))
	}
	return x
}

// attention is plain attention of normed rows [B,S,width] to [B,S,Heads·HeadSize]. The heads of queries that share keys and values lie one
// after the other, so that a product with shared keys takes them as one long sequence.
func (s sequence) attention(layer int, qkv arch.Linear, normed *onnx.Value) *onnx.Value {
	heads, shared, size := int64(s.Shape.Heads), int64(s.Shape.KVHeads), int64(s.Shape.HeadSize)
	parts := s.Parts(qkv, normed)
	split := func(v *onnx.Value, heads int64, perm ...int64) *onnx.Value {
		return s.Transpose(s.Reshape(v, 0, 0, heads, size), perm...)
	}
	q := split(s.rotated(parts[0], qkv, 0), heads, 0, 2, 1, 3)      // [B,H,S,D]
	k := split(s.rotated(parts[1], qkv, 1), shared, 0, 2, 3, 1)     // [B,KV,D,S]
	v := split(parts[2], shared, 0, 2, 1, 3)                        // [B,KV,S,D]
	q = s.Mul(q, s.Float(attentionScale(s.Shape)))                  //
	scores := s.Reshape(s.MatMul(s.grouped(q), k), 0, heads, -1, 0) // [B,H,S,S]
	shares := s.Softmax(s.Add(scores, s.Windowed(window(s.Shape, layer))), -1)
	attended := s.Reshape(s.MatMul(s.Reshape(shares, 0, shared, -1, 0), v), 0, heads, -1, size)
	return s.Reshape(s.Transpose(attended, 0, 2, 1, 3), 0, 0, heads*size)
}

// grouped is q [B,H,S,D] with the heads that share keys as one sequence: [B,KV,H/KV·S,D].
func (s sequence) grouped(q *onnx.Value) *onnx.Value {
	return s.Reshape(q, 0, int64(s.Shape.KVHeads), -1, int64(s.Shape.HeadSize))
}

// rotated normalises queries or keys [B,S,·], where the model has norms of heads, and rotates them.
func (s sequence) rotated(x *onnx.Value, qkv arch.Linear, norm int) *onnx.Value {
	if s.Shape.HeadNorms {
		x = headNorm(s.Builder, x, qkv.HeadNorms[norm])
	}
	cos, sin := s.Angles()
	return s.RotaryEmbedding(x, s.Positions, cos, sin)
}
