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
	return y, s.Added(l, x), bias
}

// Added is what the sequences' adapters add to the outputs of a linear with inputs x [rows,in]; nil where none may. The additions to
// modules that it packs lie side by side.
func (s *Step) Added(l arch.Linear, x *onnx.Value) *onnx.Value {
	if l.Parts == nil {
		return s.addition(l.Target, x)
	}
	adapted := false
	parts := make([]*onnx.Value, len(l.Parts))
	for i, p := range l.Parts {
		parts[i] = s.addition(arch.Target{Layer: l.Layer, Module: p.Module}, x)
		adapted = adapted || parts[i] != nil
	}
	if !adapted {
		return nil
	}
	for i, p := range l.Parts {
		if parts[i] == nil {
			parts[i] = s.zeros(x, p.Out)
		}
	}
	return s.Concat(-1, parts...)
}

// addition is what the sequences' adapters add to the outputs of a module with inputs x [rows,in]; nil where none may.
func (s *Step) addition(t arch.Target, x *onnx.Value) *onnx.Value {
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

// zeros are [rows,width] for as many rows as x has.
func (s *Step) zeros(x *onnx.Value, width int) *onnx.Value {
	return s.memo(fmt.Sprintf("zeros %d", width), func() *onnx.Value {
		rows := s.Op("Shape", []*onnx.Value{x}, onnx.Int("start", 0), onnx.Int("end", 1))
		return s.Op("ConstantOfShape", []*onnx.Value{s.Concat(0, rows, s.Ints(int64(width)))}, onnx.TensorAttr("value", onnx.Floats([]int64{1}, 0)))
	})
}

// adapterProduct is (x·Aᵀ)·B of each sequence's adapter, A [B,R,8,in] and B [B,8R,out], for flat rows x, which shape makes
// [B,1,S,in]. The first product is taken eight ranks at a time: the processor adds up a wider one in an order that depends on its
// width and on the threads. So a row's sums depend on nothing beside it, and ranks of zeros at the end change no bit.
func (s *Step) adapterProduct(x, shape, a, b *onnx.Value) *onnx.Value {
	inner := s.Transpose(s.FusedMatMul(s.ReshapeTo(x, shape), a, false, true, 1), 0, 2, 1, 3) // [B,S,R,8]
	return s.Reshape(s.MatMul(s.Reshape(inner, 0, 0, -1), b), -1, b.Shape[2].Size)
}

// Attention is what a layer attends with.
type Attention struct {
	// Query is [B,S,Heads·HeadSize] beside Key and Value [B,S,KVHeads·HeadSize], or all three packed, [B,S,(Heads+2·KVHeads)·HeadSize].
	Query, Key, Value *onnx.Value
	Scale             float32 // factor on q·k
	Window            int     // number of keys that a query sees, its own among them; 0: all before it
}

// Attend is attention against a layer's cache, which it extends: [B,S,Heads·HeadSize]. Queries and keys are rotated where the model has
// a rotation.
func (s *Step) Attend(layer int, a Attention) *onnx.Value {
	sh := s.Shape
	cache := []onnx.Dim{s.IDs.Shape[0], onnx.N(sh.KVHeads), onnx.Sym("C"), onnx.N(sh.HeadSize)}
	in := onnx.Attention{Query: a.Query, Key: a.Key, Value: a.Value, SeqLensK: s.lengths, TotalLength: s.total, Heads: sh.Heads, KVHeads: sh.KVHeads,
		Scale: a.Scale, LocalWindow: a.Window}
	in.PastKey = s.Input(PastKey(layer), onnx.Float, cache...)
	in.PastValue = s.Input(PastValue(layer), onnx.Float, cache...)
	if sh.Rotation.Base != 0 {
		in.Cos, in.Sin = s.Angles()
	}
	y, keys, values := s.GroupQueryAttention(in)
	s.present[layer] = keysValues{keys, values}
	return y
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
