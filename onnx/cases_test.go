package onnx_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"nightshift/onnx"
	"nightshift/onnx/eval"
)

// sizes is what the symbols of the cases stand for when they run.
var sizes = map[string]int64{"B": 2, "S": 3, "T": 4, "H": 8, "P": 5, "C": 6}

type values = []*onnx.Value

// opCase is one way to use an operator. in lists the graph's inputs, each as "type[dims]" and, after a space, what its
// elements may be: + positive, < n indices under n, or given numbers. out lists the shapes that must be inferred. diff
// lists the inputs to differentiate by.
type opCase struct {
	op, name string
	in, out  []string
	diff     []int
	build    func(g *onnx.Graph, in values) values
}

// apply is a build that applies the case's operator to the inputs alone.
func apply(attrs ...onnx.Attr) func(*onnx.Graph, values) values { return applyN(1, attrs...) }

func applyN(outputs int, attrs ...onnx.Attr) func(*onnx.Graph, values) values {
	return func(g *onnx.Graph, in values) values { return g.OpN(current(g), outputs, in, attrs...) }
}

// withConsts is apply with constant int64 vectors after the inputs; a nil one leaves an input out.
func withConsts(consts [][]int64, outputs int, attrs ...onnx.Attr) func(*onnx.Graph, values) values {
	return func(g *onnx.Graph, in values) values {
		in = append(values{}, in...)
		for _, c := range consts {
			if c == nil {
				in = append(in, nil)
			} else {
				in = append(in, g.Ints(c...))
			}
		}
		return g.OpN(current(g), outputs, in, attrs...)
	}
}

// current is the operator under test, which the graph is named after.
func current(g *onnx.Graph) string { return strings.SplitN(g.Name, " ", 2)[0] }

func (c opCase) title() string { return strings.TrimSpace(c.op + " " + c.name) }

// graph builds the case's graph with inputs in0, in1, … and outputs out0, out1, …
func (c opCase) graph(t *testing.T) (*onnx.Graph, values, values) {
	t.Helper()
	g := onnx.NewGraph(c.title())
	in := make(values, len(c.in))
	for i, spec := range c.in {
		dtype, dims, _ := parseSpec(spec)
		name := "in" + strconv.Itoa(i)
		if len(dims) == 0 { // ONNX Runtime's bindings need an axis to pass
			in[i] = g.Squeeze(g.Input(name, dtype, onnx.N(1)), 0)
		} else {
			in[i] = g.Input(name, dtype, dims...)
		}
	}
	out := c.build(g, in)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return g, in, out
}

var typeNames = map[string]onnx.DType{
	"float": onnx.Float, "uint8": onnx.Uint8, "int8": onnx.Int8, "int32": onnx.Int32, "int64": onnx.Int64, "bool": onnx.Bool,
}

func parseSpec(spec string) (t onnx.DType, dims []onnx.Dim, rest string) {
	kind, rest, _ := strings.Cut(spec, " ")
	name, list, _ := strings.Cut(strings.TrimSuffix(kind, "]"), "[")
	for _, d := range strings.Split(list, ",") {
		if n, err := strconv.Atoi(d); err == nil {
			dims = append(dims, onnx.N(n))
		} else if d != "" {
			dims = append(dims, onnx.Sym(d))
		}
	}
	return typeNames[name], dims, rest
}

// data is inputs for a case's graph, always the same.
func (c opCase) data() map[string]*eval.Tensor {
	r := rand.New(rand.NewPCG(7, uint64(len(c.title()))))
	out := map[string]*eval.Tensor{}
	for i, spec := range c.in {
		dtype, dims, rest := parseSpec(spec)
		if len(dims) == 0 {
			dims = append(dims, onnx.N(1))
		}
		size := make([]int64, len(dims))
		for j, d := range dims {
			if size[j] = d.Size; !d.Static() {
				size[j] = sizes[d.Name]
			}
		}
		t := eval.New(dtype, size...)
		given := strings.Fields(rest)
		for j := range t.Data {
			t.Data[j] = draw(r, dtype, given, j)
		}
		out["in"+strconv.Itoa(i)] = t
	}
	return out
}

func draw(r *rand.Rand, t onnx.DType, given []string, j int) float64 {
	switch {
	case len(given) == 2 && given[0] == "<":
		n, _ := strconv.Atoi(given[1])
		return float64(r.IntN(n))
	case len(given) == 1 && given[0] == "+":
		return float64(float32(0.5 + r.Float64()))
	case len(given) > 0:
		v, err := strconv.ParseFloat(given[j%len(given)], 64)
		if err != nil {
			panic(fmt.Sprintf("bad element %q", given[j%len(given)]))
		}
		return v
	}
	switch t {
	case onnx.Bool:
		return float64(r.IntN(2))
	case onnx.Float:
		return float64(float32(r.NormFloat64()))
	case onnx.Int8:
		return float64(r.IntN(9) - 4)
	case onnx.Uint8:
		return float64(r.IntN(256))
	}
	return float64(r.IntN(9) - 4)
}

var attention = []onnx.Attr{onnx.Int("num_heads", 2), onnx.Int("kv_num_heads", 2)}

var cases = concat(elementwiseCases, productCases, layoutCases, indexCases, reduceCases, attentionCases)

func concat(lists ...[]opCase) (all []opCase) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func unary(op string, diff bool, rest string) opCase {
	c := opCase{op: op, in: []string{strings.TrimSpace("float[B,S] " + rest)}, out: []string{"[B,S]"}, build: apply()}
	if diff {
		c.diff = []int{0}
	}
	return c
}

func binary(op, name, a, b, out string, diff ...int) opCase {
	return opCase{op: op, name: name, in: []string{a, b}, out: []string{out}, diff: diff, build: apply()}
}

var elementwiseCases = []opCase{
	binary("Add", "same", "float[B,S]", "float[B,S]", "[B,S]", 0, 1),
	binary("Add", "bias", "float[B,S,4]", "float[4]", "[B,S,4]", 0, 1),
	binary("Add", "both ways", "float[B,1,4]", "float[S,1]", "[B,S,4]", 0, 1),
	binary("Add", "left scalar", "float[]", "float[B,S]", "[B,S]", 0, 1),
	binary("Add", "lead and inner", "float[B,S,4]", "float[1,4]", "[B,S,4]", 0, 1),
	binary("Add", "lead and ones", "float[B,S,4]", "float[S,1]", "[B,S,4]", 0, 1),
	binary("Sub", "", "float[B,S]", "float[S]", "[B,S]", 0, 1),
	binary("Mul", "", "float[B,S]", "float[B,1]", "[B,S]", 0, 1),
	binary("Mul", "integers", "int64[B,S]", "int64[S]", "[B,S]"),
	binary("Div", "", "float[B,S]", "float[S] +", "[B,S]", 0, 1),
	binary("Div", "integers", "int64[B,S] 7 -7 9", "int64[S] 2 2 4", "[B,S]"),
	{op: "Pow", name: "square", in: []string{"float[B,S]"}, out: []string{"[B,S]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values { return values{g.Pow(in[0], g.Float(2))} }},
	{op: "Pow", name: "fraction", in: []string{"float[B,S] +", "float[S]"}, out: []string{"[B,S]"}, diff: []int{0}, build: apply()},
	{op: "Pow", name: "integer exponent", in: []string{"float[B,S] +", "int64[] 3"}, out: []string{"[B,S]"}, diff: []int{0}, build: apply()},
	{op: "Max", in: []string{"float[B,S]", "float[S]", "float[]"}, out: []string{"[B,S]"}, build: apply()},
	{op: "Min", in: []string{"float[B,S]", "float[S]"}, out: []string{"[B,S]"}, build: apply()},
	{op: "Max", name: "one", in: []string{"float[B]"}, out: []string{"[B]"}, build: apply()},
	unary("Neg", true, ""), unary("Abs", false, ""), unary("Sqrt", true, "+"), unary("Exp", true, ""), unary("Log", true, "+"),
	unary("Tanh", true, ""), unary("Erf", true, ""), unary("Relu", true, ""), unary("Sigmoid", true, ""), unary("QuickGelu", true, ""), unary("Identity", true, ""),
	unary("Round", false, "0.5 1.5 -2.5 0.2 0.8 -1.7"), unary("Gelu", true, ""),
	{op: "Gelu", name: "tanh", in: []string{"float[B,S]"}, out: []string{"[B,S]"}, diff: []int{0}, build: apply(onnx.String("approximate", "tanh"))},
	unary("FastGelu", true, ""),
	{op: "FastGelu", name: "bias", in: []string{"float[B,S,8]", "float[8]"}, out: []string{"[B,S,8]"}, diff: []int{0, 1}, build: apply()},
	{op: "BiasGelu", in: []string{"float[B,S,8]", "float[8]"}, out: []string{"[B,S,8]"}, build: apply()},
	{op: "Clip", in: []string{"float[B,S]", "float[] -0.5", "float[] 0.5"}, out: []string{"[B,S]"}, build: apply()},
	{op: "Cast", name: "to integer", in: []string{"float[B,S]"}, out: []string{"[B,S]"}, build: apply(onnx.Int("to", int64(onnx.Int64)))},
	{op: "Cast", name: "to bool", in: []string{"int32[B]"}, out: []string{"[B]"}, build: apply(onnx.Int("to", int64(onnx.Bool)))},
	{op: "Cast", name: "float", in: []string{"float[B,S]"}, out: []string{"[B,S]"}, diff: []int{0}, build: apply(onnx.Int("to", int64(onnx.Float)))},
	binary("QuantizeLinear", "one scale", "float[B,S]", "float[] 0.05", "[B,S]"),
	{op: "QuantizeLinear", name: "rows", in: []string{"float[B,S] 0.5 1.5 -0.5 -1.5 2.5 300 -300", "float[B] 1 0.5", "uint8[B] 128 128"}, out: []string{"[B,S]"}, build: apply(onnx.Int("axis", 0))},
	{op: "QuantizeLinear", name: "signed columns", in: []string{"float[B,S,4]", "float[4] +", "int8[4] 0 1 -1 2"}, out: []string{"[B,S,4]"}, build: apply(onnx.Int("axis", -1))},
	{op: "QuantizeLinear", name: "blocks", in: []string{"float[B,4] 0.5 1.5 -0.5 -1.5 2.5 300 -300 1", "float[B,2] 1 0.5 2 4", "uint8[B,2] 128 0 1 128"}, out: []string{"[B,4]"}, build: apply(onnx.Int("axis", 1), onnx.Int("block_size", 2))},
	binary("DequantizeLinear", "one scale", "int8[B,S]", "float[] 0.05", "[B,S]"),
	{op: "DequantizeLinear", name: "rows", in: []string{"uint8[B,S]", "float[B] +", "uint8[B]"}, out: []string{"[B,S]"}, build: apply(onnx.Int("axis", 0))},
	binary("Equal", "", "int64[B,S]", "int64[S]", "[B,S]"),
	binary("Greater", "", "float[B,S]", "float[S]", "[B,S]"),
	binary("Less", "", "float[B,S]", "float[S]", "[B,S]"),
	binary("LessOrEqual", "", "int64[B,1]", "int64[1,S]", "[B,S]"),
	binary("And", "", "bool[B,S]", "bool[S]", "[B,S]"),
	binary("Or", "", "bool[B,S]", "bool[S]", "[B,S]"),
	{op: "Not", in: []string{"bool[B]"}, out: []string{"[B]"}, build: apply()},
	{op: "Where", in: []string{"bool[B,S]", "float[S]", "float[B,1]"}, out: []string{"[B,S]"}, diff: []int{1, 2}, build: apply()},
}

var productCases = []opCase{
	binary("MatMul", "matrices", "float[S,4]", "float[4,5]", "[S,5]", 0, 1),
	binary("MatMul", "weight", "float[B,S,4]", "float[4,5]", "[B,S,5]", 0, 1),
	binary("MatMul", "batched", "float[B,2,S,4]", "float[B,2,4,T]", "[B,2,S,T]", 0, 1),
	binary("MatMul", "broadcast batch", "float[B,2,S,4]", "float[2,4,5]", "[B,2,S,5]", 0, 1),
	binary("MatMul", "broadcast ones", "float[B,1,S,4]", "float[1,2,4,5]", "[B,2,S,5]", 0, 1),
	binary("MatMul", "matrix times batch", "float[3,4]", "float[B,4,5]", "[B,3,5]", 0, 1),
	binary("MatMul", "left vector", "float[4]", "float[B,4,5]", "[B,5]", 0, 1),
	binary("MatMul", "right vector", "float[B,S,4]", "float[4]", "[B,S]", 0, 1),
	binary("MatMul", "vectors", "float[4]", "float[4]", "[]", 0, 1),
	binary("MatMul", "symbolic width", "float[B,S,H]", "float[H,T]", "[B,S,T]", 0, 1),
	{op: "FusedMatMul", name: "A", in: []string{"float[4,S]", "float[4,5]"}, out: []string{"[S,5]"}, diff: []int{0, 1},
		build: apply(onnx.Int("transA", 1), onnx.Float32("alpha", 0.5))},
	{op: "FusedMatMul", name: "B", in: []string{"float[B,S,4]", "float[5,4]"}, out: []string{"[B,S,5]"}, diff: []int{0, 1},
		build: apply(onnx.Int("transB", 1), onnx.Float32("alpha", 2))},
	{op: "FusedMatMul", name: "both", in: []string{"float[B,2,4,S]", "float[B,2,T,4]"}, out: []string{"[B,2,S,T]"}, diff: []int{0, 1},
		build: apply(onnx.Int("transA", 1), onnx.Int("transB", 1))},
	{op: "FusedMatMul", name: "scores", in: []string{"float[B,2,S,8]", "float[B,2,S,8]"}, out: []string{"[B,2,S,S]"}, diff: []int{0, 1},
		build: func(g *onnx.Graph, in values) values { return values{g.FusedMatMul(in[0], in[1], false, true, 0.25)} }},
	{op: "Gemm", in: []string{"float[S,4]", "float[4,5]", "float[5]"}, out: []string{"[S,5]"}, diff: []int{0, 1, 2}, build: apply()},
	{op: "Gemm", name: "transposed", in: []string{"float[4,S]", "float[5,4]", "float[]"}, out: []string{"[S,5]"}, diff: []int{0, 1, 2},
		build: apply(onnx.Int("transA", 1), onnx.Int("transB", 1), onnx.Float32("alpha", 0.5), onnx.Float32("beta", 3))},
	{op: "Gemm", name: "head", in: []string{"float[P,4]", "float[5,4]"}, out: []string{"[P,5]"}, diff: []int{0, 1},
		build: func(g *onnx.Graph, in values) values { return values{g.Gemm(in[0], in[1], nil, false, true)} }},
	{op: "MatMulInteger", in: []string{"uint8[S,4]", "int8[4,5]", "uint8[] 3", "int8[] 1"}, out: []string{"[S,5]"}, build: apply()},
	{op: "MatMulIntegerToFloat", in: []string{"uint8[S,4]", "int8[4,5]", "float[] 0.25", "float[5] +", "uint8[] 128"}, out: []string{"[S,5]"}, build: apply()},
	{op: "MatMulIntegerToFloat", name: "bias and zero points", in: []string{"uint8[B,S,4]", "uint8[4,5]", "float[1] 0.01", "float[5] +", "uint8[1] 128", "uint8[5] 128", "float[5]"},
		out: []string{"[B,S,5]"}, build: apply()},
	{op: "MatMulIntegerToFloat", name: "one scale, bias alone", in: []string{"uint8[S,4]", "uint8[4,5]", "float[] 0.01", "float[] 0.5", "float[5]"},
		out: []string{"[S,5]"}, build: func(g *onnx.Graph, in values) values {
			return values{g.Op("MatMulIntegerToFloat", values{in[0], in[1], in[2], in[3], nil, nil, in[4]})}
		}},
	{op: "MatMulNBits", in: []string{"float[B,S,32]", "uint8[8,2,8]", "float[16]"}, out: []string{"[B,S,8]"},
		build: apply(onnx.Int("K", 32), onnx.Int("N", 8), onnx.Int("bits", 4), onnx.Int("block_size", 16))},
	{op: "MatMulNBits", name: "eight bits with zero points", in: []string{"float[B,S,32]", "uint8[8,1,32]", "float[8]", "uint8[8]"}, out: []string{"[B,S,8]"},
		build: apply(onnx.Int("K", 32), onnx.Int("N", 8), onnx.Int("bits", 8), onnx.Int("block_size", 32))},
}

var layoutCases = []opCase{
	{op: "Transpose", in: []string{"float[B,S,4]"}, out: []string{"[S,4,B]"}, diff: []int{0}, build: apply(onnx.IntList("perm", 1, 2, 0))},
	{op: "Transpose", name: "reversed", in: []string{"float[B,S,4]"}, out: []string{"[4,S,B]"}, diff: []int{0}, build: apply()},
	{op: "Reshape", name: "split heads", in: []string{"float[B,S,8]"}, out: []string{"[B,S,2,4]"}, diff: []int{0}, build: withConsts([][]int64{{0, 0, 2, 4}}, 1)},
	{op: "Reshape", name: "flatten", in: []string{"float[B,S,8]"}, out: []string{"[B*S,8]"}, diff: []int{0}, build: withConsts([][]int64{{-1, 8}}, 1)},
	{op: "Reshape", name: "to number and symbol", in: []string{"float[B,S,8]"}, out: []string{"[8*S,B]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values {
			b := g.Op("Shape", values{in[0]}, onnx.Int("end", 1))
			return values{g.ReshapeTo(in[0], g.Concat(0, g.Ints(-1), b))}
		}},
	{op: "Reshape", name: "back", in: []string{"float[B,S,8]"}, out: []string{"[B,S,8]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values {
			return values{g.ReshapeTo(g.Reshape(in[0], -1, 4), g.ShapeOf(in[0]))}
		}},
	{op: "Unsqueeze", in: []string{"float[B,S]"}, out: []string{"[B,1,S,1]"}, diff: []int{0}, build: withConsts([][]int64{{1, -1}}, 1)},
	{op: "Squeeze", in: []string{"float[B,1,S,1]"}, out: []string{"[B,S,1]"}, diff: []int{0}, build: withConsts([][]int64{{1}}, 1)},
	{op: "Squeeze", name: "all", in: []string{"float[1,S,1]"}, out: []string{"[S]"}, diff: []int{0}, build: apply()},
	{op: "Expand", in: []string{"float[1,S,1]", "float[B,S,T]"}, out: []string{"[B,S,T]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values { return values{g.Expand(in[0], g.ShapeOf(in[1]))} }},
	{op: "Expand", name: "more axes", in: []string{"float[3,1]"}, out: []string{"[2,3,4]"}, diff: []int{0}, build: withConsts([][]int64{{2, 1, 4}}, 1)},
	{op: "Concat", in: []string{"float[B,2]", "float[B,3]"}, out: []string{"[B,5]"}, diff: []int{0, 1}, build: apply(onnx.Int("axis", -1))},
	{op: "Concat", name: "symbolic", in: []string{"float[B,S,2]", "float[B,T,2]"}, out: []string{"[B,?1,2]"}, diff: []int{0, 1}, build: apply(onnx.Int("axis", 1))},
	{op: "Concat", name: "one", in: []string{"float[B,2]"}, out: []string{"[B,2]"}, diff: []int{0}, build: apply(onnx.Int("axis", 0))},
	{op: "Split", in: []string{"float[B,S,6]"}, out: []string{"[B,S,1]", "[B,S,2]", "[B,S,3]"}, diff: []int{0}, build: withConsts([][]int64{{1, 2, 3}}, 3, onnx.Int("axis", 2))},
	{op: "Split", name: "equal", in: []string{"float[B,6]"}, out: []string{"[B,3]", "[B,3]"}, diff: []int{0}, build: applyN(2, onnx.Int("axis", 1), onnx.Int("num_outputs", 2))},
	{op: "Split", name: "one output used", in: []string{"float[B,S,6]"}, out: []string{"[B,S,2]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values { return g.Split(in[0], -1, 1, 2, 3)[1:2] }},
	{op: "Slice", in: []string{"float[B,S,6]"}, out: []string{"[B,S,3]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values { return values{g.Slice(in[0], 2, 2, 5)} }},
	{op: "Slice", name: "two axes", in: []string{"float[5,6]"}, out: []string{"[2,5]"}, diff: []int{0}, build: withConsts([][]int64{{1, 0}, {3, -1}}, 1)},
	{op: "Slice", name: "last of symbolic", in: []string{"float[B,S,4]"}, out: []string{"[B,1,4]"}, diff: []int{0}, build: withConsts([][]int64{{-1}, {1<<63 - 1}, {1}}, 1)},
	{op: "Slice", name: "all but the first", in: []string{"float[B,S,4]"}, out: []string{"[B,?1,4]"}, diff: []int{0}, build: withConsts([][]int64{{1}, {1<<63 - 1}, {1}}, 1)},
	{op: "Slice", name: "backwards", in: []string{"float[7]"}, out: []string{"[3]"}, build: withConsts([][]int64{{5}, {-9}, {0}, {-2}}, 1)},
	{op: "Slice", name: "first S", in: []string{"float[8,2]", "float[S]"}, out: []string{"[S,2]"}, diff: []int{0},
		build: func(g *onnx.Graph, in values) values {
			return values{g.Op("Slice", values{in[0], g.Ints(0), g.ShapeOf(in[1]), g.Ints(0)})}
		}},
	{op: "Trilu", in: []string{"float[B,3,3]"}, out: []string{"[B,3,3]"}, build: apply(onnx.Int("upper", 0))},
	{op: "Trilu", name: "above", in: []string{"float[3,4]", "int64[] 1"}, out: []string{"[3,4]"}, build: apply()},
}

var indexCases = []opCase{
	{op: "Gather", name: "rows", in: []string{"float[5,4]", "int64[B,S] 3 1 3 0 3 -1"}, out: []string{"[B,S,4]"}, diff: []int{0}, build: apply()},
	{op: "Gather", name: "flat", in: []string{"float[P,4]", "int64[S] 4 0 4"}, out: []string{"[S,4]"}, diff: []int{0}, build: apply(onnx.Int("axis", 0))},
	{op: "Gather", name: "inner axis", in: []string{"float[B,S,4]", "int64[T] 0 2 2 1"}, out: []string{"[B,T,4]"}, diff: []int{0}, build: apply(onnx.Int("axis", 1))},
	{op: "Gather", name: "scalar", in: []string{"float[B,S]", "int64[] 1"}, out: []string{"[B]"}, diff: []int{0}, build: apply(onnx.Int("axis", -1))},
	{op: "Gather", name: "matrix in the middle", in: []string{"float[B,5,T]", "int32[2,2] 4 0 4 4"}, out: []string{"[B,2,2,T]"}, diff: []int{0}, build: apply(onnx.Int("axis", 1))},
	{op: "GatherElements", in: []string{"float[P,6]", "int64[P,3] < 6"}, out: []string{"[P,3]"}, diff: []int{0}, build: apply(onnx.Int("axis", 1))},
	{op: "ScatterElements", name: "add", in: []string{"float[5,2]", "int64[S,2] 4 0 4 0 1 0", "float[S,2]"}, out: []string{"[5,2]"}, diff: []int{0, 2}, build: apply(onnx.Int("axis", 0), onnx.String("reduction", "add"))},
	{op: "ScatterElements", name: "set", in: []string{"float[5,2]", "int64[S,2] 4 0 3 1 2 3", "float[S,2]"}, out: []string{"[5,2]"}, build: apply()},
	{op: "ScatterElements", name: "mul", in: []string{"float[5]", "int64[3] 1 1 2", "float[3]"}, out: []string{"[5]"}, build: apply(onnx.String("reduction", "mul"))},
	{op: "ScatterElements", name: "max", in: []string{"float[5]", "int64[3] 1 1 2", "float[3]"}, out: []string{"[5]"}, build: apply(onnx.String("reduction", "max"))},
	{op: "ScatterElements", name: "min", in: []string{"float[5]", "int64[3] 1 1 2", "float[3]"}, out: []string{"[5]"}, build: apply(onnx.String("reduction", "min"))},
	{op: "ScatterND", in: []string{"float[5,4]", "int64[S,1] 4 0 2", "float[S,4]"}, out: []string{"[5,4]"}, build: apply()},
	{op: "ScatterND", name: "elements", in: []string{"float[5,4]", "int64[S,2] 4 0 2 3 0 1", "float[S]"}, out: []string{"[5,4]"}, build: apply()},
	{op: "OneHot", in: []string{"int64[B,S] < 4"}, out: []string{"[B,S,4]"},
		build: func(g *onnx.Graph, in values) values {
			return values{g.Op("OneHot", values{in[0], g.Ints(4), g.Const(onnx.Floats([]int64{2}, -1, 1))})}
		}},
	{op: "OneHot", name: "unknown depth", in: []string{"int64[B] < 4", "int64[1] 4", "float[2] 0 1"}, out: []string{"[?1,B]"}, build: apply(onnx.Int("axis", 0))},
	{op: "TopK", in: []string{"float[P,6]"}, out: []string{"[P,2]", "[P,2]"}, build: withConsts([][]int64{{2}}, 2)},
	{op: "TopK", name: "smallest", in: []string{"float[6,P]", "int64[1] 2"}, out: []string{"[?1,P]", "[?1,P]"}, build: applyN(2, onnx.Int("axis", 0), onnx.Int("largest", 0))},
	{op: "ArgMax", in: []string{"float[B,S]"}, out: []string{"[B,1]"}, build: apply(onnx.Int("axis", 1))},
	{op: "ArgMax", name: "dropped", in: []string{"float[B,S] 1 2 2"}, out: []string{"[B]"}, build: apply(onnx.Int("axis", -1), onnx.Int("keepdims", 0), onnx.Int("select_last_index", 1))},
	{op: "Shape", in: []string{"float[B,S,4]"}, out: []string{"[3]"}, build: apply()},
	{op: "Shape", name: "part", in: []string{"float[B,S,4]"}, out: []string{"[1]"}, build: apply(onnx.Int("start", -2), onnx.Int("end", -1))},
	{op: "ConstantOfShape", in: []string{"float[B,S]"}, out: []string{"[B,S]"},
		build: func(g *onnx.Graph, in values) values {
			return values{g.Op("ConstantOfShape", values{g.ShapeOf(in[0])}, onnx.TensorAttr("value", onnx.Ints([]int64{1}, 7)))}
		}},
	{op: "ConstantOfShape", name: "default", in: []string{"int64[2] 2 3"}, out: []string{"[?1,?2]"}, build: apply()},
	{op: "Range", in: []string{"float[B,S]"}, out: []string{"[S]"},
		build: func(g *onnx.Graph, in values) values {
			end := g.Squeeze(g.Op("Shape", values{in[0]}, onnx.Int("start", 1)), 0)
			return values{g.Op("Range", values{g.Int(0), end, g.Int(1)})}
		}},
	{op: "Range", name: "constant", in: []string{"int64[3]"}, out: []string{"[3]"},
		build: func(g *onnx.Graph, in values) values {
			return values{g.Add(in[0], g.Op("Range", values{g.Int(7), g.Int(1), g.Int(-2)}))}
		}},
}

var reduceCases = []opCase{
	{op: "ReduceSum", in: []string{"float[B,S,4]"}, out: []string{"[B,4]"}, diff: []int{0}, build: withConsts([][]int64{{1}}, 1, onnx.Int("keepdims", 0))},
	{op: "ReduceSum", name: "kept", in: []string{"float[B,S,4]"}, out: []string{"[1,S,1]"}, diff: []int{0}, build: withConsts([][]int64{{0, -1}}, 1)},
	{op: "ReduceSum", name: "all", in: []string{"float[B,S]"}, out: []string{"[]"}, diff: []int{0}, build: apply(onnx.Int("keepdims", 0))},
	{op: "ReduceMean", in: []string{"float[B,S,4]"}, out: []string{"[B,S,1]"}, diff: []int{0}, build: withConsts([][]int64{{2}}, 1)},
	{op: "ReduceMean", name: "symbolic", in: []string{"float[B,S,4]"}, out: []string{"[]"}, diff: []int{0}, build: apply(onnx.Int("keepdims", 0))},
	{op: "ReduceMax", in: []string{"float[B,S]"}, out: []string{"[B]"}, build: withConsts([][]int64{{-1}}, 1, onnx.Int("keepdims", 0))},
	{op: "ReduceLogSumExp", in: []string{"float[B,S,4]"}, out: []string{"[B,S]"}, diff: []int{0}, build: withConsts([][]int64{{-1}}, 1, onnx.Int("keepdims", 0))},
	{op: "ReduceLogSumExp", name: "kept", in: []string{"float[B,4]"}, out: []string{"[B,1]"}, diff: []int{0}, build: withConsts([][]int64{{1}}, 1)},
	{op: "ReduceLogSumExp", name: "two axes", in: []string{"float[B,S,4]"}, out: []string{"[S]"}, diff: []int{0}, build: withConsts([][]int64{{0, 2}}, 1, onnx.Int("keepdims", 0))},
	{op: "Softmax", in: []string{"float[B,S,4]"}, out: []string{"[B,S,4]"}, diff: []int{0}, build: apply()},
	{op: "Softmax", name: "middle", in: []string{"float[B,S,4]"}, out: []string{"[B,S,4]"}, diff: []int{0}, build: apply(onnx.Int("axis", 1))},
	{op: "LogSoftmax", in: []string{"float[B,S]"}, out: []string{"[B,S]"}, diff: []int{0}, build: apply(onnx.Int("axis", -1))},
	{op: "LayerNormalization", in: []string{"float[B,S,8]", "float[8]", "float[8]"}, out: []string{"[B,S,8]"}, diff: []int{0, 1, 2}, build: apply(onnx.Float32("epsilon", 1e-3))},
	{op: "LayerNormalization", name: "no bias", in: []string{"float[B,8]", "float[8]"}, out: []string{"[B,8]"}, diff: []int{0, 1}, build: apply()},
	{op: "LayerNormalization", name: "two axes", in: []string{"float[B,3,4]", "float[3,4]", "float[3,4]"}, out: []string{"[B,3,4]"}, diff: []int{0, 1, 2}, build: apply(onnx.Int("axis", 1))},
	{op: "LayerNormalization", name: "statistics", in: []string{"float[B,S,8]", "float[8]"}, out: []string{"[B,S,8]", "[B,S,1]", "[B,S,1]"}, build: applyN(3)},
	{op: "LayerNormalization", name: "in a residual block", in: []string{"float[B,S,8]", "float[B,S,8]", "float[8]", "float[8]", "float[8,8]", "float[8]"}, out: []string{"[B,S,8]"},
		diff: []int{0, 1, 2, 3, 4, 5}, // the runtime fuses these forward nodes; the statistics must stay right for the backward ones
		build: func(g *onnx.Graph, in values) values {
			h := g.Add(in[0], in[1])
			return values{g.Add(h, g.FastGelu(g.Add(g.MatMul(g.LayerNormalization(h, in[2], in[3], 1e-5), in[4]), in[5]), nil))}
		}},
	{op: "SkipLayerNormalization", in: []string{"float[B,S,8]", "float[B,S,8]", "float[8]", "float[8]", "float[8]"}, out: []string{"[B,S,8]"},
		build: func(g *onnx.Graph, in values) values { return g.OpN("SkipLayerNormalization", 1, in) }},
	{op: "SimplifiedLayerNormalization", in: []string{"float[B,S,8]", "float[8]"}, out: []string{"[B,S,8]"}, diff: []int{0, 1}, build: apply(onnx.Float32("epsilon", 1e-3))},
	{op: "SimplifiedLayerNormalization", name: "of heads", in: []string{"float[B,S,2,8]", "float[8]"}, out: []string{"[B,S,2,8]"}, diff: []int{0, 1}, build: apply()},
	{op: "SimplifiedLayerNormalization", name: "two axes", in: []string{"float[B,3,4]", "float[3,4]"}, out: []string{"[B,3,4]"}, diff: []int{0, 1}, build: apply(onnx.Int("axis", 1))},
	{op: "SimplifiedLayerNormalization", name: "in a residual block", in: []string{"float[B,S,8]", "float[B,S,8]", "float[8]", "float[8,8]"}, out: []string{"[B,S,8]"},
		diff: []int{0, 1, 2, 3}, // the runtime fuses the sum and the norm; the statistics must stay right for the backward nodes
		build: func(g *onnx.Graph, in values) values {
			h := g.Add(in[0], in[1])
			return values{g.Add(h, g.SiLU(g.MatMul(g.SimplifiedLayerNormalization(h, in[2], 1e-5), in[3])))}
		}},
	{op: "SkipSimplifiedLayerNormalization", in: []string{"float[B,S,8]", "float[B,S,8]", "float[8]", "float[8]"}, out: []string{"[B,S,8]", "[B,S,8]"},
		build: func(g *onnx.Graph, in values) values {
			out := g.OpN("SkipSimplifiedLayerNormalization", 4, in, onnx.Float32("epsilon", 1e-5))
			return values{out[0], out[3]}
		}},
}

var attentionCases = []opCase{
	{op: "RotaryEmbedding", in: []string{"float[B,S,32]", "int64[B,S] < 6", "float[6,8]", "float[6,8]"}, out: []string{"[B,S,32]"}, diff: []int{0}, build: apply()},
	{op: "GroupQueryAttention", name: "rotated prompt", in: []string{"float[B,S,128]", "float[B,2,C,16] 0", "float[B,2,C,16] 0", "int32[B] 2 2", "int32[1] 3", "float[C,8]", "float[C,8]"},
		out: []string{"[B,S,64]", "[B,2,C,16]", "[B,2,C,16]"},
		build: func(g *onnx.Graph, in values) values {
			y, k, v := g.GroupQueryAttention(onnx.Attention{Query: in[0], PastKey: in[1], PastValue: in[2], SeqLensK: in[3], TotalLength: in[4],
				Heads: 4, KVHeads: 2, Cos: in[5], Sin: in[6]})
			return values{y, k, v}
		}},
	{op: "GroupQueryAttention", name: "rotated in part, ragged decode", in: []string{"float[B,1,256]", "float[B,2,C,32]", "float[B,2,C,32]", "int32[B] 4 2", "int32[1] 5", "float[C,8]", "float[C,8]"},
		out: []string{"[B,1,128]", "[B,2,C,32]", "[B,2,C,32]"},
		build: func(g *onnx.Graph, in values) values {
			y, k, v := g.GroupQueryAttention(onnx.Attention{Query: in[0], PastKey: in[1], PastValue: in[2], SeqLensK: in[3], TotalLength: in[4],
				Heads: 4, KVHeads: 2, Cos: in[5], Sin: in[6], LocalWindow: 3})
			return values{y, k, v}
		}},
	{op: "GroupQueryAttention", name: "prompt", in: []string{"float[B,S,48]", "float[B,2,C,8] 0", "float[B,2,C,8] 0", "int32[B] 2 2", "int32[1] 3"},
		out: []string{"[B,S,16]", "[B,2,C,8]", "[B,2,C,8]"},
		build: func(g *onnx.Graph, in values) values {
			y, k, v := g.GroupQueryAttention(onnx.Attention{Query: in[0], PastKey: in[1], PastValue: in[2], SeqLensK: in[3], TotalLength: in[4], Heads: 2, KVHeads: 2})
			return values{y, k, v}
		}},
	{op: "GroupQueryAttention", name: "ragged decode", in: []string{"float[B,1,48]", "float[B,2,C,8]", "float[B,2,C,8]", "int32[B] 4 2", "int32[1] 5"},
		out: []string{"[B,1,16]", "[B,2,C,8]", "[B,2,C,8]"},
		build: func(g *onnx.Graph, in values) values {
			return g.OpN("GroupQueryAttention", 3, values{in[0], nil, nil, in[1], in[2], in[3], in[4]}, attention...)
		}},
	{op: "GroupQueryAttention", name: "shared heads, window", in: []string{"float[B,1,32]", "float[B,1,16]", "float[B,1,16]", "float[B,2,C,8]", "float[B,2,C,8]", "int32[B] 4 2", "int32[1] 5"},
		out: []string{"[B,1,32]", "[B,2,C,8]", "[B,2,C,8]"},
		build: func(g *onnx.Graph, in values) values {
			y, k, v := g.GroupQueryAttention(onnx.Attention{Query: in[0], Key: in[1], Value: in[2], PastKey: in[3], PastValue: in[4], SeqLensK: in[5], TotalLength: in[6],
				Heads: 4, KVHeads: 2, Scale: 0.5, LocalWindow: 3})
			return values{y, k, v}
		}},
}
