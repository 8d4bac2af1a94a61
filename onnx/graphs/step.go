package graphs

import (
	"fmt"
	"slices"

	"nightshift/models/arch"
	"nightshift/onnx"
)

// Step is a serving graph under construction: the tokens of B sequences, S each, what their adapters add, and their caches.
type Step struct {
	*Builder
	IDs, Positions *onnx.Value // [B,S]
	lengths, total *onnx.Value // of GroupQueryAttention
	modules        []string    // that adapters may change
	present        []keysValues
}

// keysValues are a layer's caches after the step.
type keysValues struct{ keys, values *onnx.Value }

// Embed is the token embedding of every token: [B,S,Width].
func (s *Step) Embed() *onnx.Value {
	name := s.Shape.Embedding()
	table := s.Param(name)
	tokens := s.Op("Gather", []*onnx.Value{table, s.IDs}, onnx.Int("axis", 0))
	if table.Type != onnx.Float { // 8 bits and a scale for each token
		scales := s.Op("Gather", []*onnx.Value{s.Param(WeightScale(name)), s.IDs}, onnx.Int("axis", 0))
		tokens = s.Mul(s.Op("Cast", []*onnx.Value{tokens}, onnx.Int("to", int64(onnx.Float))), scales)
	}
	return tokens
}

// Linear is x·W of a linear, what the sequences' adapters add to it, nil in a graph without, and its bias, nil for none, which
// the operator that follows takes in. A sequence without an adapter gets the same bits from both graphs: what is added is zero.
func (s *Step) Linear(l arch.Linear, x *onnx.Value) (y, added, bias *onnx.Value) {
	y = s.Product(l.Weight, x, l.In, l.Out)
	if l.Bias != "" {
		bias = s.Param(l.Bias)
	}
	return y, s.Added(l.Target, x), bias
}

// Added is what the sequences' adapters add to the outputs of a module with inputs x [rows,in]; nil where none may.
func (s *Step) Added(t arch.Target, x *onnx.Value) *onnx.Value {
	if !slices.Contains(s.modules, t.Module) {
		return nil
	}
	in, out, err := s.Shape.Dims(t.Module)
	if err != nil {
		s.fail(err)
	}
	batch := s.IDs.Shape[0]
	a := s.Input(LoraA(t), onnx.Float, batch, onnx.Sym("R"), onnx.N(RankStep), onnx.N(in))
	b := s.Input(LoraB(t), onnx.Float, batch, onnx.Sym("8*R"), onnx.N(out))
	return s.adapterProduct(x, s.spread(in), a, b)
}

// adapterProduct is (x·Aᵀ)·B of each sequence's adapter, A [B,R,8,in] and B [B,8R,out], for flat rows x, which shape makes
// [B,1,S,in]. The first product is taken eight ranks at a time: the processor adds up a wider one in an order that depends on its
// width and on the threads. So a row's sums depend on nothing beside it, and ranks of zeros at the end change no bit.
func (s *Step) adapterProduct(x, shape, a, b *onnx.Value) *onnx.Value {
	inner := s.Transpose(s.FusedMatMul(s.ReshapeTo(x, shape), a, false, true, 1), 0, 2, 1, 3) // [B,S,R,8]
	return s.Reshape(s.MatMul(s.Reshape(inner, 0, 0, -1), b), -1, b.Shape[2].Size)
}

// Attend is attention against a layer's cache, which it extends: packed q|k|v, [B,S,(Heads+2·KVHeads)·HeadSize], to
// [B,S,Heads·HeadSize]. Scale is the factor on q·k.
func (s *Step) Attend(layer int, qkv *onnx.Value, scale float32) *onnx.Value {
	sh := s.Shape
	cache := []onnx.Dim{s.IDs.Shape[0], onnx.N(sh.KVHeads), onnx.Sym("C"), onnx.N(sh.HeadSize)}
	keys := s.Input(PastKey(layer), onnx.Float, cache...)
	values := s.Input(PastValue(layer), onnx.Float, cache...)
	out := s.OpN("GroupQueryAttention", 3, []*onnx.Value{qkv, nil, nil, keys, values, s.lengths, s.total},
		onnx.Int("num_heads", int64(sh.Heads)), onnx.Int("kv_num_heads", int64(sh.KVHeads)), onnx.Float32("scale", scale))
	s.present[layer] = keysValues{out[1], out[2]}
	return out[0]
}

// Sized is the shape [B,S,width] as a value.
func (s *Step) Sized(width int) *onnx.Value {
	return s.memo(fmt.Sprintf("shape %d", width), func() *onnx.Value {
		return s.Concat(0, s.size(0), s.size(1), s.Ints(int64(width)))
	})
}

// spread is the shape [B,1,S,width] as a value.
func (s *Step) spread(width int) *onnx.Value {
	return s.memo(fmt.Sprintf("spread shape %d", width), func() *onnx.Value {
		return s.Concat(0, s.size(0), s.Ints(1), s.size(1), s.Ints(int64(width)))
	})
}

// size is B or S, axis 0 or 1 of the tokens, as a value of one element.
func (s *Step) size(axis int64) *onnx.Value {
	return s.memo(fmt.Sprintf("size %d", axis), func() *onnx.Value {
		return s.Op("Shape", []*onnx.Value{s.IDs}, onnx.Int("start", axis), onnx.Int("end", axis+1))
	})
}

// logits picks flat rows of x (index [K]) and maps them to the vocabulary: [K,Vocab].
func (s *Step) logits(x, index *onnx.Value) *onnx.Value {
	if s.Param(s.Shape.Embedding()).Type == onnx.Float {
		return s.Builder.logits(x, index)
	}
	return s.Product(arch.HeadWeight, s.pick(x, index), s.Shape.Width, s.Shape.Vocab)
}
