package onnx

import (
	"strings"
	"testing"
)

// TestBadGraphs builds what must be refused. Each error names the graph, the node, and every word listed.
func TestBadGraphs(t *testing.T) {
	type V = []*Value
	f := func(g *Graph, dims ...Dim) *Value { return g.Input(g.auto("in"), Float, dims...) }
	ids := func(g *Graph, dims ...Dim) *Value { return g.Input(g.auto("ids"), Int64, dims...) }
	B, S := Sym("B"), Sym("S")
	for _, c := range []struct {
		name  string
		build func(g *Graph)
		words string
	}{
		{"unknown op", func(g *Graph) { g.Op("Conv", V{f(g, B)}) }, "Conv_1 operator Conv op table"},
		{"too many inputs", func(g *Graph) { g.Op("Neg", V{f(g, B), f(g, B)}) }, "Neg_1 2 inputs at most 1"},
		{"too many outputs", func(g *Graph) { g.OpN("Neg", 2, V{f(g, B)}) }, "2 outputs at most 1"},
		{"no outputs", func(g *Graph) { g.OpN("Neg", 0, V{f(g, B)}) }, "Neg 0 outputs"},
		{"missing input", func(g *Graph) { g.Op("Add", V{f(g, B)}) }, "Add_1 input 1 is missing"},
		{"missing in the middle", func(g *Graph) { g.Op("Max", V{f(g, B), nil, f(g, B)}) }, "Max_1 input 1 is missing"},
		{"other graph", func(g *Graph) { g.Op("Neg", V{NewGraph("o").Input("far", Float, B)}) }, "far another graph"},
		{"wrong type", func(g *Graph) { g.Op("Exp", V{ids(g, B)}) }, "Exp_1 int64[B] not allowed"},
		{"mixed types", func(g *Graph) { g.Add(f(g, B), ids(g, B)) }, "int64 does not agree with float"},
		{"unknown attribute", func(g *Graph) { g.Op("Neg", V{f(g, B)}, Int("axis", 1)) }, "attribute axis Neg"},
		{"attribute kind", func(g *Graph) { g.Op("Softmax", V{f(g, B)}, Float32("axis", 1)) }, "axis=1 wrong kind"},
		{"attribute unmade", func(g *Graph) { g.Op("Softmax", V{f(g, B)}, Attr{Name: "axis"}) }, "axis constructor"},
		{"symbols differ", func(g *Graph) { g.Add(f(g, B, S), f(g, S, B)) }, "float[B,S] float[S,B] do not broadcast"},
		{"sizes differ", func(g *Graph) { g.Add(f(g, N(2)), f(g, N(3))) }, "float[2] float[3] do not broadcast"},
		{"matmul inner", func(g *Graph) { g.MatMul(f(g, B, S, N(4)), f(g, N(5), N(6))) }, "MatMul_1 float[B,S,4] float[5,6] 4 and 5"},
		{"matmul batch", func(g *Graph) { g.MatMul(f(g, N(2), S, N(4)), f(g, N(3), N(4), N(6))) }, "batch [2] [3]"},
		{"matmul scalar", func(g *Graph) { g.MatMul(f(g), f(g, B)) }, "at least one axis"},
		{"fused vector", func(g *Graph) { g.FusedMatMul(f(g, N(4)), f(g, N(4), N(4)), true, false, 1) }, "two axes"},
		{"gemm rank", func(g *Graph) { g.Gemm(f(g, B, S, N(4)), f(g, N(4), N(4)), nil, false, false) }, "Gemm_1 two axes"},
		{"gemm inner", func(g *Graph) { g.Gemm(f(g, B, N(4)), f(g, N(4), N(5)), nil, false, true) }, "inner dimensions 4 and 5"},
		{"gemm summand", func(g *Graph) { g.Gemm(f(g, B, N(4)), f(g, N(4), N(5)), f(g, N(4)), false, false) }, "summand [4] [B,5]"},
		{"nbits attributes", func(g *Graph) {
			g.Op("MatMulNBits", V{f(g, B, N(32)), g.Input("w", Uint8, N(8)), f(g, N(8))}, Int("K", 32), Int("N", 8), Int("bits", 3), Int("block_size", 32))
		}, "bits 2, 4 or 8"},
		{"nbits weight", func(g *Graph) {
			g.Op("MatMulNBits", V{f(g, B, N(32)), g.Input("w", Uint8, N(8)), f(g, N(8))}, Int("K", 32), Int("N", 8), Int("bits", 8), Int("block_size", 32))
		}, "packed weight must be [8,1,32]"},
		{"nbits scales", func(g *Graph) {
			g.Op("MatMulNBits", V{f(g, B, N(32)), g.Input("w", Uint8, N(8), N(1), N(32)), f(g, N(9))}, Int("K", 32), Int("N", 8), Int("bits", 8), Int("block_size", 32))
		}, "9 scales need 8"},
		{"nbits input", func(g *Graph) {
			g.Op("MatMulNBits", V{f(g, B, N(30)), g.Input("w", Uint8, N(8), N(1), N(32)), f(g, N(8))}, Int("K", 32), Int("N", 8), Int("bits", 8), Int("block_size", 32))
		}, "last axis 30 K is 32"},
		{"transpose", func(g *Graph) { g.Transpose(f(g, B, S), 0, 0) }, "Transpose_1 perm [0 0]"},
		{"transpose rank", func(g *Graph) { g.Transpose(f(g, B, S), 0) }, "perm [0]"},
		{"reshape count", func(g *Graph) { g.Reshape(f(g, N(2), N(3)), 4, -1) }, "6 elements do not fill [4,-1]"},
		{"reshape fixed", func(g *Graph) { g.Reshape(f(g, N(2), N(3)), 4, 2) }, "6 elements do not fill [4,2]"},
		{"reshape symbols", func(g *Graph) { g.Reshape(f(g, B, N(3)), 0, 2) }, "3*B elements do not fill [0,2]"},
		{"reshape holes", func(g *Graph) { g.Reshape(f(g, B, N(3)), -1, -1) }, "two -1"},
		{"reshape copy", func(g *Graph) { g.Reshape(f(g, B), -1, 0) }, "copies axis 1"},
		{"reshape negative", func(g *Graph) { g.Reshape(f(g, B), -2) }, "negative"},
		{"reshape rank unknown", func(g *Graph) { g.ReshapeTo(f(g, B), ids(g, S)) }, "vector of known length"},
		{"unsqueeze twice", func(g *Graph) { g.Unsqueeze(f(g, B), 0, -3) }, "axis -3 twice"},
		{"unsqueeze far", func(g *Graph) { g.Unsqueeze(f(g, B), 3) }, "axis 3 outside rank 2"},
		{"unsqueeze data", func(g *Graph) { g.Op("Unsqueeze", V{f(g, B), ids(g, N(1))}) }, "axes must be constant"},
		{"squeeze", func(g *Graph) { g.Squeeze(f(g, B, N(3)), 1) }, "axis 1 has 3 elements"},
		{"reduce data", func(g *Graph) { g.Op("ReduceSum", V{f(g, B), ids(g, N(1))}) }, "axes must be constant"},
		{"reduce far", func(g *Graph) { g.ReduceSum(f(g, B), true, 1) }, "ReduceSum_1 axis 1 outside rank 1"},
		{"expand", func(g *Graph) { g.Expand(f(g, N(3)), g.Ints(2)) }, "[3] does not broadcast to [2]"},
		{"concat rank", func(g *Graph) { g.Concat(0, f(g, B), f(g, B, S)) }, "input 1 number of axes"},
		{"concat axis", func(g *Graph) { g.Concat(1, f(g, B, S), f(g, S, S)) }, "axis 0 of input 1 is S, not B"},
		{"concat no axis", func(g *Graph) { g.Op("Concat", V{f(g, B)}) }, "attribute axis is missing"},
		{"split sum", func(g *Graph) { g.Split(f(g, N(6)), 0, 2, 3) }, "[2,3] do not split axis 0 (6) 2 outputs"},
		{"split negative", func(g *Graph) { g.Split(f(g, B), 0, 2, -3) }, "negative"},
		{"split uneven", func(g *Graph) { g.OpN("Split", 4, V{f(g, N(6))}, Int("num_outputs", 4)) }, "does not split into 4"},
		{"split data", func(g *Graph) { g.OpN("Split", 2, V{f(g, N(6)), ids(g, N(2))}) }, "constant or dimensions"},
		{"slice axes", func(g *Graph) { g.Op("Slice", V{f(g, B), g.Ints(0), g.Ints(1), ids(g, N(1))}) }, "axes must be constant"},
		{"slice lengths", func(g *Graph) { g.Op("Slice", V{f(g, B, S), g.Ints(0), g.Ints(1, 2), g.Ints(0, 1)}) }, "equally long"},
		{"gather axis", func(g *Graph) { g.Gather(f(g, B), ids(g, S), 1) }, "Gather_1 axis 1"},
		{"gather index type", func(g *Graph) { g.Gather(f(g, B), f(g, S), 0) }, "input 1 float not allowed"},
		{"gather elements", func(g *Graph) { g.GatherElements(f(g, B, S), ids(g, S), 0) }, "same number of axes"},
		{"scatter rank", func(g *Graph) { g.ScatterElements(f(g, B, S), ids(g, S), f(g, S), 0, "add") }, "same number of axes"},
		{"scatter updates", func(g *Graph) { g.ScatterElements(f(g, B), ids(g, S), f(g, B), 0, "add") }, "same shape"},
		{"scatter updates rank", func(g *Graph) { g.ScatterElements(f(g, B), ids(g, S), f(g, S, S), 0, "add") }, "same shape"},
		{"scatter reduction", func(g *Graph) { g.ScatterElements(f(g, B), ids(g, S), f(g, S), 0, "sum") }, `reduction "sum"`},
		{"scatternd index", func(g *Graph) { g.Op("ScatterND", V{f(g, B), ids(g, S, N(2)), f(g, S)}) }, "last axis of the indices"},
		{"scatternd updates", func(g *Graph) { g.Op("ScatterND", V{f(g, B, N(2)), ids(g, S, N(1)), f(g, S)}) }, "updates must be [S,2]"},
		{"scatternd sizes", func(g *Graph) { g.Op("ScatterND", V{f(g, B, N(2)), ids(g, S, N(1)), f(g, S, N(3))}) }, "updates must be [S,2]"},
		{"onehot values", func(g *Graph) { g.Op("OneHot", V{ids(g, B), g.Ints(3), f(g)}) }, "[off, on]"},
		{"topk", func(g *Graph) { g.TopK(f(g, B, N(3)), 4) }, "k is 4 3 elements"},
		{"topk scalar", func(g *Graph) { g.OpN("TopK", 2, V{f(g, B), g.Int(1)}) }, "vector of one element"},
		{"constant value", func(g *Graph) { g.Op("ConstantOfShape", V{g.Ints(1)}, TensorAttr("value", Ints([]int64{2}, 1, 2))) }, "one element"},
		{"range", func(g *Graph) { g.Op("Range", V{g.Int(0), g.Int(3), g.Int(0)}) }, "delta is 0"},
		{"range vector", func(g *Graph) { g.Op("Range", V{g.Int(0), g.Ints(3), g.Int(1)}) }, "must be scalars"},
		{"softmax", func(g *Graph) { g.Softmax(f(g, B), 1) }, "axis 1"},
		{"norm scale", func(g *Graph) { g.LayerNormalization(f(g, B, N(8)), f(g, N(7)), nil, 1e-5) }, "LayerNormalization_1 float[7] must be [8]"},
		{"norm rank", func(g *Graph) { g.LayerNormalization(f(g, B, N(8)), f(g, B, N(8)), nil, 1e-5) }, "must be [8]"},
		{"skip norm", func(g *Graph) { g.Op("SkipLayerNormalization", V{f(g, B, N(8)), f(g, N(7)), f(g, N(8))}) }, "skip [7]"},
		{"skip norm rank", func(g *Graph) { g.Op("SkipLayerNormalization", V{f(g, N(8)), f(g, N(8)), f(g, N(8))}) }, "two or three axes"},
		{"skip norm scale", func(g *Graph) { g.Op("SkipLayerNormalization", V{f(g, B, N(8)), f(g, B, N(8)), f(g, N(7))}) }, "input 2 has 7"},
		{"gelu bias", func(g *Graph) { g.FastGelu(f(g, B, N(8)), f(g, N(7))) }, "FastGelu_1 7 elements 8"},
		{"gelu bias rank", func(g *Graph) { g.FastGelu(f(g, B, N(8)), f(g, B, N(8))) }, "must be a vector"},
		{"clip", func(g *Graph) { g.Op("Clip", V{f(g, B), f(g, N(1))}) }, "bounds must be scalars"},
		{"cast", func(g *Graph) { g.Cast(f(g, B), 99) }, "output 0 has no type"},
		{"input name", func(g *Graph) { g.Input("x", Float); g.Input("x", Float) }, `input "x" taken`},
		{"input type", func(g *Graph) { g.Input("x", 77) }, "dtype(77) not supported"},
		{"initializer name", func(g *Graph) { g.Input("x", Float); g.Initializer("x", FloatScalar(1)) }, `initializer "x" taken`},
		{"initializer twice", func(g *Graph) { g.Initializer("w", FloatScalar(1)); g.Initializer("w", IntScalar(1)) }, `initializer "w" taken`},
		{"tensor short", func(g *Graph) { g.Initializer("w", Floats([]int64{2}, 1)) }, "w float[2] needs 8 bytes, has 4"},
		{"tensor dims", func(g *Graph) { g.Initializer("w", Floats([]int64{-2}, 1)) }, "[-2] are not sizes"},
		{"tensor huge", func(g *Graph) { g.Initializer("w", Floats([]int64{1 << 40, 1 << 40}, 1)) }, "are not sizes"},
		{"tensor type", func(g *Graph) { g.Initializer("w", Tensor{Type: 99}) }, "dtype(99)"},
		{"external", func(g *Graph) { g.Initializer("w", Tensor{Type: Float, External: &External{}}) }, "location"},
		{"external length", func(g *Graph) {
			g.Initializer("w", Tensor{Type: Float, Dims: []int64{3}, External: &External{Location: "f", Length: 8}})
		}, "needs 12 bytes, has 8"},
		{"external constant", func(g *Graph) { g.Const(Tensor{Type: Float, External: &External{}}) }, "use Initializer"},
		{"rename", func(g *Graph) { f(g, B); g.Rename(g.Neg(f(g, B)), "in_1") }, `rename "in_1" taken`},
		{"output", func(g *Graph) { g.Output("y", nil) }, "output y no such value"},
		{"gqa heads", func(g *Graph) {
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(48)), SeqLensK: g.Input("l", Int32, B), TotalLength: g.Input("t", Int32, N(1)), Heads: 3, KVHeads: 2})
		}, "num_heads 3"},
		{"gqa rotation", func(g *Graph) {
			c := f(g, S, N(4))
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(96)), SeqLensK: g.Input("l", Int32, B), TotalLength: g.Input("t", Int32, N(1)), Heads: 2, KVHeads: 2, Cos: c, Sin: c})
		}, "multiple of 8"},
		{"gqa without angles", func(g *Graph) {
			g.OpN("GroupQueryAttention", 3, V{f(g, B, S, N(48)), nil, nil, nil, nil, g.Input("l", Int32, B), g.Input("t", Int32, N(1))}, Int("num_heads", 2), Int("kv_num_heads", 2), Int("do_rotary", 1))
		}, "cos and sin"},
		{"rotation width", func(g *Graph) {
			g.RotaryEmbedding(f(g, B, S, N(20)), g.Input("p", Int64, B, S), f(g, N(9), N(8)), f(g, N(9), N(8)))
		}, "half the width of a head"},
		{"rotation positions", func(g *Graph) {
			g.RotaryEmbedding(f(g, B, S, N(16)), g.Input("p", Int64, B), f(g, N(9), N(8)), f(g, N(9), N(8)))
		}, "positions [B]"},
		{"gqa query", func(g *Graph) { g.GroupQueryAttention(Attention{Query: f(g, B, S), Heads: 2, KVHeads: 2}) }, "[batch, sequence, width]"},
		{"gqa lengths", func(g *Graph) {
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(48)), Heads: 2, KVHeads: 2})
		}, "seqlens_k missing"},
		{"gqa key alone", func(g *Graph) {
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(48)), Key: f(g, B, S, N(48)), Heads: 2, KVHeads: 2})
		}, "come together"},
		{"gqa width", func(g *Graph) {
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(36)), SeqLensK: g.Input("l", Int32, B), TotalLength: g.Input("t", Int32, N(1)), Heads: 2, KVHeads: 2})
		}, "width 36 multiple of 8"},
		{"gqa key width", func(g *Graph) {
			x := f(g, B, S, N(16))
			g.GroupQueryAttention(Attention{Query: x, Key: f(g, B, S, N(8)), Value: x, SeqLensK: g.Input("l", Int32, B), TotalLength: g.Input("t", Int32, N(1)), Heads: 2, KVHeads: 2})
		}, "input 1 [batch, sequence, 16]"},
		{"gqa rows", func(g *Graph) {
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(48)), SeqLensK: g.Input("l", Int32, S), TotalLength: g.Input("t", Int32, N(1)), Heads: 2, KVHeads: 2})
		}, "seqlens_k has S rows"},
		{"gqa cache", func(g *Graph) {
			p := f(g, B, N(2), S, N(16))
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(48)), PastKey: p, PastValue: p, SeqLensK: g.Input("l", Int32, B), TotalLength: g.Input("t", Int32, N(1)), Heads: 2, KVHeads: 2})
		}, "input 3 [batch, 2, capacity, 8]"},
		{"gqa cache rows", func(g *Graph) {
			p := f(g, S, N(2), S, N(8))
			g.GroupQueryAttention(Attention{Query: f(g, B, S, N(48)), PastKey: p, PastValue: p, SeqLensK: g.Input("l", Int32, B), TotalLength: g.Input("t", Int32, N(1)), Heads: 2, KVHeads: 2})
		}, "input 3 has S rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewGraph("bad")
			c.build(g)
			err := g.Err()
			if err == nil {
				t.Fatalf("no error for\n%v", g)
			}
			for _, w := range append(strings.Fields(c.words), "bad") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
			first := err.Error()
			g.Add(g.Input("later", Float), g.Split(g.Input("more", Float, N(4)), 0, 2, 2)[1])
			if g.Err().Error() != first {
				t.Errorf("the first error was replaced by %q", g.Err())
			}
			if _, err := g.Encode(); err == nil {
				t.Error("a bad graph was encoded")
			}
			if _, err := g.Gradient(nil, nil); err == nil {
				t.Error("a bad graph was differentiated")
			}
		})
	}
}

// TestCheck damages a good graph behind the builder's back.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(g *Graph)
		words  string
	}{
		{"order", func(g *Graph) { g.Nodes[0], g.Nodes[1] = g.Nodes[1], g.Nodes[0] }, "Neg_1 input 0 not produced before"},
		{"name", func(g *Graph) { g.Nodes[0].Outputs[0].Name = "x" }, "two values are named x"},
		{"no name", func(g *Graph) { g.Nodes[0].Outputs[0].Name = "" }, "output of MatMul_1 has no name"},
		{"shape", func(g *Graph) { g.Nodes[0].Outputs[0].Shape = Shape{Sym("B"), N(7)} }, "MatMul_1 float[B,7] float[B,2]"},
		{"rank", func(g *Graph) { g.Nodes[0].Outputs[0].Shape = Shape{Sym("B")} }, "MatMul_1 should be float[B,2]"},
		{"type", func(g *Graph) { g.Nodes[0].Outputs[0].Type = Float16 }, "MatMul_1 float16"},
		{"op", func(g *Graph) { g.Nodes[0].Op = "Conv" }, "Conv"},
		{"domain", func(g *Graph) { g.Nodes[0].Domain = "x" }, `domain "x"`},
		{"data", func(g *Graph) { g.Initializers[0].Tensor.Raw = nil }, "initializer w"},
		{"output", func(g *Graph) { g.Outputs = append(g.Outputs, g.Inputs[0]) }, "output x float[B,3] not produced"},
		{"nil input", func(g *Graph) { g.Inputs = append(g.Inputs, nil) }, "input has no name"},
		{"initializer name", func(g *Graph) { g.Initializers[0].Value.Name = "x" }, "two values are named x"},
		{"another graph's input", func(g *Graph) { g.Inputs = append(g.Inputs, NewGraph("o").Input("far", Float)) }, "far another graph"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewGraph("damaged")
			x := g.Input("x", Float, Sym("B"), N(3))
			g.Output("y", g.Neg(g.MatMul(x, g.Initializer("w", Floats([]int64{3, 2}, 1, 2, 3, 4, 5, 6)))))
			if err := g.Check(); err != nil {
				t.Fatal(err)
			}
			c.damage(g)
			err := g.Check()
			if err == nil {
				t.Fatal("not noticed")
			}
			for _, w := range append(strings.Fields(c.words), "damaged") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
}

func TestGradientErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(g *Graph, x *Value) (loss, wrt *Value)
		words string
	}{
		{"not scalar", func(g *Graph, x *Value) (*Value, *Value) { return x, x }, "x float[B,3] one floating-point number"},
		{"integer loss", func(g *Graph, x *Value) (*Value, *Value) { return g.Int(1), x }, "one floating-point number"},
		{"integer wrt", func(g *Graph, x *Value) (*Value, *Value) { return g.ReduceSum(x, false), g.Int(1) }, "cannot differentiate by"},
		{"no path", func(g *Graph, x *Value) (*Value, *Value) {
			return g.ReduceSum(x, false), g.Input("z", Float)
		}, "z float[] does not reach the loss"},
		{"no rule", func(g *Graph, x *Value) (*Value, *Value) {
			return g.ReduceSum(g.Op("Round", []*Value{x}), false), x
		}, "Round_1 Round(float[B,3]) no gradient rule"},
		{"exponent", func(g *Graph, x *Value) (*Value, *Value) {
			return g.ReduceSum(g.Pow(g.Float(2), x), false), x
		}, "Pow_1 exponent"},
		{"steps", func(g *Graph, x *Value) (*Value, *Value) {
			return g.ReduceSum(g.Op("Slice", []*Value{x, g.Ints(2), g.Ints(-9), g.Ints(1), g.Ints(-1)}), false), x
		}, "Slice_1 steps of 1"},
		{"starts", func(g *Graph, x *Value) (*Value, *Value) {
			i := g.Input("i", Int64, N(1))
			return g.ReduceSum(g.Op("Slice", []*Value{x, i, g.Ints(3), g.Ints(1)}), false), x
		}, "Slice_1 must be constant"},
		{"statistics", func(g *Graph, x *Value) (*Value, *Value) {
			s := g.Initializer("s", Floats([]int64{3}, 1, 1, 1))
			return g.ReduceSum(g.OpN("LayerNormalization", 2, []*Value{x, s})[1], false), x
		}, "LayerNormalization_1 no gradient"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewGraph("bad")
			loss, wrt := c.build(g, g.Input("x", Float, Sym("B"), N(3)))
			if g.Err() != nil {
				t.Fatal(g.Err())
			}
			_, err := g.Gradient(loss, []*Value{wrt})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range append(strings.Fields(c.words), "bad") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q lacks %q", err, w)
				}
			}
		})
	}
}
