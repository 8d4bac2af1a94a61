package onnx

// The methods of this file append one node each, for the operators that graphs here use all the time. Operators without
// a method are reached through Op and OpN.

func (g *Graph) op(name string, attrs []Attr, in ...*Value) *Value { return g.Op(name, in, attrs...) }

func (g *Graph) vector(data ...int64) *Value {
	return g.Const(Ints([]int64{int64(len(data))}, data...))
}

// Float is a float32 constant without dimensions.
func (g *Graph) Float(v float32) *Value { return g.Const(FloatScalar(v)) }

// Int is an int64 constant without dimensions.
func (g *Graph) Int(v int64) *Value { return g.Const(IntScalar(v)) }

// Ints is an int64 constant vector.
func (g *Graph) Ints(v ...int64) *Value { return g.vector(v...) }

// Add is a + b, broadcast.
func (g *Graph) Add(a, b *Value) *Value { return g.op("Add", nil, a, b) }

// Sub is a − b, broadcast.
func (g *Graph) Sub(a, b *Value) *Value { return g.op("Sub", nil, a, b) }

// Mul is the elementwise product, broadcast.
func (g *Graph) Mul(a, b *Value) *Value { return g.op("Mul", nil, a, b) }

// Div is the elementwise quotient, broadcast.
func (g *Graph) Div(a, b *Value) *Value { return g.op("Div", nil, a, b) }

// Pow is x to the power of e, broadcast. Only x has a gradient, and only where e is constant.
func (g *Graph) Pow(x, e *Value) *Value { return g.op("Pow", nil, x, e) }

// Neg is −x.
func (g *Graph) Neg(x *Value) *Value { return g.op("Neg", nil, x) }

// Sqrt is the square root.
func (g *Graph) Sqrt(x *Value) *Value { return g.op("Sqrt", nil, x) }

// Exp is e to the power of x.
func (g *Graph) Exp(x *Value) *Value { return g.op("Exp", nil, x) }

// Log is the natural logarithm.
func (g *Graph) Log(x *Value) *Value { return g.op("Log", nil, x) }

// Tanh is the hyperbolic tangent.
func (g *Graph) Tanh(x *Value) *Value { return g.op("Tanh", nil, x) }

// Sigmoid is 1/(1+e^−x).
func (g *Graph) Sigmoid(x *Value) *Value { return g.op("Sigmoid", nil, x) }

// Relu is max(x, 0).
func (g *Graph) Relu(x *Value) *Value { return g.op("Relu", nil, x) }

// Identity is x under another name.
func (g *Graph) Identity(x *Value) *Value { return g.op("Identity", nil, x) }

// Cast converts to another element type.
func (g *Graph) Cast(x *Value, t DType) *Value {
	return g.op("Cast", []Attr{Int("to", int64(t))}, x)
}

// Gelu is the Gaussian error linear unit, exact ("none") or by tanh ("tanh").
func (g *Graph) Gelu(x *Value, approximate string) *Value {
	return g.op("Gelu", []Attr{String("approximate", approximate)}, x)
}

// FastGelu is the tanh form of Gelu of x+bias in one fused node; bias is a vector over the last axis, or nil.
func (g *Graph) FastGelu(x, bias *Value) *Value { return g.op("FastGelu", nil, x, bias) }

// Equal is a = b, broadcast.
func (g *Graph) Equal(a, b *Value) *Value { return g.op("Equal", nil, a, b) }

// Greater is a > b, broadcast.
func (g *Graph) Greater(a, b *Value) *Value { return g.op("Greater", nil, a, b) }

// Less is a < b, broadcast.
func (g *Graph) Less(a, b *Value) *Value { return g.op("Less", nil, a, b) }

// LessOrEqual is a ≤ b, broadcast.
func (g *Graph) LessOrEqual(a, b *Value) *Value { return g.op("LessOrEqual", nil, a, b) }

// And is the logical and, broadcast.
func (g *Graph) And(a, b *Value) *Value { return g.op("And", nil, a, b) }

// Or is the logical or, broadcast.
func (g *Graph) Or(a, b *Value) *Value { return g.op("Or", nil, a, b) }

// Not is the logical complement.
func (g *Graph) Not(a *Value) *Value { return g.op("Not", nil, a) }

// Where is a where cond holds and b elsewhere, broadcast.
func (g *Graph) Where(cond, a, b *Value) *Value { return g.op("Where", nil, cond, a, b) }

// MatMul is the matrix product over the last two axes, the others broadcast.
func (g *Graph) MatMul(a, b *Value) *Value { return g.op("MatMul", nil, a, b) }

// FusedMatMul is alpha times the product of a and b with the last two axes of either transposed on the fly.
func (g *Graph) FusedMatMul(a, b *Value, transA, transB bool, alpha float32) *Value {
	return g.op("FusedMatMul", []Attr{Float32("alpha", alpha), flag("transA", transA), flag("transB", transB)}, a, b)
}

// Gemm is the product of two matrices, either transposed on the fly, plus c [M,N], [N], [] or nil.
func (g *Graph) Gemm(a, b, c *Value, transA, transB bool) *Value {
	return g.op("Gemm", []Attr{flag("transA", transA), flag("transB", transB)}, a, b, c)
}

func flag(name string, on bool) Attr {
	if on {
		return Int(name, 1)
	}
	return Int(name, 0)
}

// Transpose permutes the axes; without perm it reverses them.
func (g *Graph) Transpose(x *Value, perm ...int64) *Value {
	if len(perm) == 0 {
		return g.op("Transpose", nil, x)
	}
	return g.op("Transpose", []Attr{IntList("perm", perm...)}, x)
}

// Reshape gives x other dimensions: 0 copies the dimension of x at that place, −1 (once) is what is left.
func (g *Graph) Reshape(x *Value, dims ...int64) *Value {
	return g.op("Reshape", nil, x, g.vector(dims...))
}

// ReshapeTo is Reshape to dimensions that are data, such as the result of Shape.
func (g *Graph) ReshapeTo(x, dims *Value) *Value { return g.op("Reshape", nil, x, dims) }

// Unsqueeze inserts axes of length 1, numbered in the result.
func (g *Graph) Unsqueeze(x *Value, axes ...int64) *Value {
	return g.op("Unsqueeze", nil, x, g.vector(axes...))
}

// Squeeze removes axes of length 1.
func (g *Graph) Squeeze(x *Value, axes ...int64) *Value {
	return g.op("Squeeze", nil, x, g.vector(axes...))
}

// Expand broadcasts x to dimensions that are data.
func (g *Graph) Expand(x, dims *Value) *Value { return g.op("Expand", nil, x, dims) }

// Concat joins values along an axis.
func (g *Graph) Concat(axis int64, in ...*Value) *Value {
	return g.Op("Concat", in, Int("axis", axis))
}

// Split cuts x along an axis into pieces of the given sizes.
func (g *Graph) Split(x *Value, axis int64, sizes ...int64) []*Value {
	return g.OpN("Split", len(sizes), []*Value{x, g.vector(sizes...)}, Int("axis", axis))
}

// Slice is start ≤ index < end of one axis; negative bounds count from the end.
func (g *Graph) Slice(x *Value, axis, start, end int64) *Value {
	return g.op("Slice", nil, x, g.vector(start), g.vector(end), g.vector(axis))
}

// Gather picks rows of an axis: the result has the shape of index in place of that axis.
func (g *Graph) Gather(x, index *Value, axis int64) *Value {
	return g.op("Gather", []Attr{Int("axis", axis)}, x, index)
}

// GatherElements picks one element of x for each element of index, along an axis.
func (g *Graph) GatherElements(x, index *Value, axis int64) *Value {
	return g.op("GatherElements", []Attr{Int("axis", axis)}, x, index)
}

// ScatterElements writes updates into a copy of x along an axis; reduction is "none", "add", "mul", "max" or "min".
func (g *Graph) ScatterElements(x, index, updates *Value, axis int64, reduction string) *Value {
	return g.op("ScatterElements", []Attr{Int("axis", axis), String("reduction", reduction)}, x, index, updates)
}

// TopK is the k largest elements of the last axis in falling order, and their indices.
func (g *Graph) TopK(x *Value, k int64) (values, indices *Value) {
	out := g.OpN("TopK", 2, []*Value{x, g.vector(k)}, Int("axis", -1))
	return out[0], out[1]
}

// ShapeOf is the dimensions of x as an int64 vector.
func (g *Graph) ShapeOf(x *Value) *Value { return g.op("Shape", nil, x) }

// ReduceSum sums over axes, all of them if none is named; keep leaves them with length 1.
func (g *Graph) ReduceSum(x *Value, keep bool, axes ...int64) *Value {
	return g.reduce("ReduceSum", x, keep, axes)
}

// ReduceMean is the mean over axes.
func (g *Graph) ReduceMean(x *Value, keep bool, axes ...int64) *Value {
	return g.reduce("ReduceMean", x, keep, axes)
}

// ReduceMax is the largest element over axes.
func (g *Graph) ReduceMax(x *Value, keep bool, axes ...int64) *Value {
	return g.reduce("ReduceMax", x, keep, axes)
}

// ReduceLogSumExp is log Σ e^x over axes.
func (g *Graph) ReduceLogSumExp(x *Value, keep bool, axes ...int64) *Value {
	return g.reduce("ReduceLogSumExp", x, keep, axes)
}

func (g *Graph) reduce(op string, x *Value, keep bool, axes []int64) *Value {
	in := []*Value{x}
	if len(axes) > 0 {
		in = append(in, g.vector(axes...))
	}
	return g.Op(op, in, flag("keepdims", keep))
}

// Softmax is e^x / Σ e^x along an axis.
func (g *Graph) Softmax(x *Value, axis int64) *Value {
	return g.op("Softmax", []Attr{Int("axis", axis)}, x)
}

// LogSoftmax is the logarithm of Softmax.
func (g *Graph) LogSoftmax(x *Value, axis int64) *Value {
	return g.op("LogSoftmax", []Attr{Int("axis", axis)}, x)
}

// LayerNormalization normalises the last axis to mean 0 and variance 1, then scales and shifts; bias may be nil.
func (g *Graph) LayerNormalization(x, scale, bias *Value, epsilon float32) *Value {
	return g.op("LayerNormalization", []Attr{Int("axis", -1), Float32("epsilon", epsilon)}, x, scale, bias)
}

// SimplifiedLayerNormalization divides by the root mean square of the last axis and multiplies by scale.
func (g *Graph) SimplifiedLayerNormalization(x, scale *Value, epsilon float32) *Value {
	return g.op("SimplifiedLayerNormalization", []Attr{Int("axis", -1), Float32("epsilon", epsilon), Int("stash_type", 1)}, x, scale)
}

// SiLU is x·σ(x).
func (g *Graph) SiLU(x *Value) *Value { return g.op("QuickGelu", []Attr{Float32("alpha", 1)}, x) }

// RotaryEmbedding rotates the heads of x [B,S,H·D], element i of a head with element i+D/2, by the angles whose cosines and sines stand at
// their positions [B,S] in cos and sin [positions,D/2] (Su et al. 2021, in the layout of GPT-NeoX).
func (g *Graph) RotaryEmbedding(x, positions, cos, sin *Value) *Value {
	return g.op("RotaryEmbedding", nil, x, positions, cos, sin)
}

// Attention is the inputs of [Graph.GroupQueryAttention].
type Attention struct {
	Query, Key, Value  *Value // [B,S,H·D], [B,S,KV·D] twice, or Query packed [B,S,(H+2·KV)·D] and the others nil
	PastKey, PastValue *Value // [B,KVHeads,C,D], or nil
	SeqLensK           *Value // int32 [B]: total length − 1 of each row
	TotalLength        *Value // int32 [1]: the longest total length
	Heads, KVHeads     int
	Scale              float32 // 0: 1/√D
	LocalWindow        int     // number of keys that a query sees, its own among them; 0: all positions before
	Cos, Sin           *Value  // [positions,D/2]: queries and keys are rotated by their positions; nil: they are not
}

// GroupQueryAttention is causal attention with a key-value cache, com.microsoft's operator. The present caches are as
// long as the past ones and may be bound to the same memory.
func (g *Graph) GroupQueryAttention(a Attention) (y, presentKey, presentValue *Value) {
	attrs := []Attr{Int("num_heads", int64(a.Heads)), Int("kv_num_heads", int64(a.KVHeads))}
	if a.Scale != 0 {
		attrs = append(attrs, Float32("scale", a.Scale))
	}
	if a.LocalWindow != 0 {
		attrs = append(attrs, Int("local_window_size", int64(a.LocalWindow)))
	}
	in := []*Value{a.Query, a.Key, a.Value, a.PastKey, a.PastValue, a.SeqLensK, a.TotalLength}
	if a.Cos != nil {
		attrs = append(attrs, Int("do_rotary", 1))
		in = append(in, a.Cos, a.Sin)
	}
	out := g.OpN("GroupQueryAttention", 3, in, attrs...)
	return out[0], out[1], out[2]
}
