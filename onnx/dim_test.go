package onnx

import "testing"

func TestDims(t *testing.T) {
	bs := product(Shape{Sym("S"), N(4), Sym("B"), N(2)})
	if bs.String() != "8*B*S" {
		t.Errorf("product is %v", bs)
	}
	for _, c := range []struct {
		by   Dim
		want string
	}{{N(4), "2*B*S"}, {Sym("B"), "8*S"}, {Sym("2*S"), "4*B"}, {N(3), ""}, {Sym("C"), ""}, {N(0), ""}, {bs, "1"}} {
		got, ok := quotient(bs, c.by)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%v / %v = %v, %v; want %q", bs, c.by, got, ok, c.want)
		}
	}
	for _, c := range []struct {
		a, b Dim
		want string
	}{
		{N(3), N(3), "3"}, {N(3), N(4), ""}, {N(3), Sym("B"), "3"}, {Sym("B"), N(3), "3"}, {Sym("B"), Sym("B"), "B"},
		{Sym("B"), Sym("S"), ""}, {Sym("B"), Sym("?1"), "B"}, {Sym("?1"), Sym("B"), "B"},
	} {
		got, ok := unify(c.a, c.b)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("unify %v and %v: %v, %v; want %q", c.a, c.b, got, ok, c.want)
		}
	}
}

// TestKnown follows dimensions through the operators that move them about.
func TestKnown(t *testing.T) {
	g := NewGraph("known")
	x := g.Input("x", Float, Sym("B"), Sym("S"), N(4), N(5))
	s := g.ShapeOf(x)
	for want, v := range map[string]*Value{
		"[B,S,4,5]":  s,
		"[S,4]":      g.Slice(s, 0, 1, 3),
		"[5,B]":      g.Gather(s, g.Ints(-1, 0), 0),
		"[B,7,5]":    g.Concat(0, g.Slice(s, 0, 0, 1), g.Ints(7), g.Slice(s, 0, -1, 9)),
		"[B*S,20*S]": g.Mul(g.Slice(s, 0, 0, 2), g.Concat(0, g.Slice(s, 0, 1, 2), g.Ints(20))),
		"[4]":        g.Unsqueeze(g.Cast(g.Gather(s, g.Int(2), 0), Int32), 0),
	} {
		got, ok := known(v)
		if !ok || Shape(got).String() != want {
			t.Errorf("%v is known as %v (%v), want %s", v, Shape(got), ok, want)
		}
	}
	far := g.Input("far", Int64, N(2))
	for _, v := range []*Value{
		nil, far, x, g.Add(s, s), g.Gather(s, far, 0), g.Gather(far, g.Ints(0), 0), g.Concat(0, far, far), g.Mul(far, far),
		g.Op("Slice", []*Value{s, far, far, g.Ints(0)}), g.Slice(far, 0, 0, 1), g.Op("Slice", []*Value{s, g.Ints(3), g.Ints(0), g.Ints(0), g.Ints(-1)}),
		g.Initializer("big", Ints([]int64{65}, make([]int64, 65)...)),
	} {
		if got, ok := known(v); ok {
			t.Errorf("%v is known as %v", v, Shape(got))
		}
	}
	if g.Err() != nil {
		t.Error(g.Err())
	}
	if g.Value("far") != far || g.Value("nowhere") != nil {
		t.Error("values are not found by name")
	}
}

// TestSugar holds every method against the node that it appends.
func TestSugar(t *testing.T) {
	g := NewGraph("sugar")
	x, i, b := g.Input("x", Float, Sym("B"), N(4)), g.Input("i", Int64, Sym("B"), N(4)), g.Input("b", Bool, Sym("B"), N(4))
	g.Sqrt(x)
	g.Log(x)
	g.Tanh(x)
	g.Relu(x)
	g.Identity(x)
	g.Gelu(x, "tanh")
	g.Equal(x, x)
	g.Greater(x, x)
	g.Less(x, x)
	g.LessOrEqual(x, x)
	g.And(b, b)
	g.Or(b, b)
	g.Not(b)
	g.ReduceMax(x, false, 1)
	g.ReduceLogSumExp(x, true, 1)
	g.LogSoftmax(x, 1)
	g.GatherElements(x, i, 1)
	want := []string{
		"sqrt_1 float[B,4] = Sqrt(x)",
		"log_1 float[B,4] = Log(x)",
		"tanh_1 float[B,4] = Tanh(x)",
		"relu_1 float[B,4] = Relu(x)",
		"identity_1 float[B,4] = Identity(x)",
		`gelu_1 float[B,4] = Gelu(x) approximate="tanh"`,
		"equal_1 bool[B,4] = Equal(x, x)",
		"greater_1 bool[B,4] = Greater(x, x)",
		"less_1 bool[B,4] = Less(x, x)",
		"lessorequal_1 bool[B,4] = LessOrEqual(x, x)",
		"and_1 bool[B,4] = And(b, b)",
		"or_1 bool[B,4] = Or(b, b)",
		"not_1 bool[B,4] = Not(b)",
		"reducemax_1 float[B] = ReduceMax(x, const_1) keepdims=0",
		"reducelogsumexp_1 float[B,1] = ReduceLogSumExp(x, const_1) keepdims=1",
		"logsoftmax_1 float[B,4] = LogSoftmax(x) axis=1",
		"gatherelements_1 float[B,4] = GatherElements(x, i) axis=1",
	}
	if g.Err() != nil || len(g.Nodes) != len(want) {
		t.Fatalf("%d nodes, want %d (%v)", len(g.Nodes), len(want), g.Err())
	}
	for k, n := range g.Nodes {
		if n.String() != want[k] {
			t.Errorf("%v, want %s", n, want[k])
		}
	}
}

// TestGradientNodes shows the whole backward pass of a frozen weight beside a low-rank adapter: no gradient of the frozen
// weight or of the input is made, weights are never transposed in memory, and each factor's gradient is one product.
func TestGradientNodes(t *testing.T) {
	g := NewGraph("lora")
	x := g.Input("x", Float, Sym("B"), Sym("S"), N(4))
	w := g.Initializer("w", Floats([]int64{4, 4}, make([]float32, 16)...))
	a, b := g.Input("a", Float, N(4), N(2)), g.Input("b", Float, N(2), N(4))
	h := g.Tanh(g.MatMul(x, w))
	y := g.MatMul(g.Add(h, g.MatMul(g.MatMul(h, a), b)), w)
	loss := g.ReduceSum(y, false)
	forward := len(g.Nodes)
	grads, err := g.Gradient(loss, []*Value{a, b})
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for _, n := range g.Nodes[forward:] {
		got += n.String() + "\n"
	}
	want := `unsqueeze_1 float[1,1,1] = Unsqueeze(const_1, const_2)
shape_1 int64[3] = Shape(matmul_4)
expand_1 float[B,S,4] = Expand(unsqueeze_1, shape_1)
fusedmatmul_1 float[B,S,4] = FusedMatMul(expand_1, w) alpha=1 transA=0 transB=1
fusedmatmul_2 float[B,S,2] = FusedMatMul(fusedmatmul_1, b) alpha=1 transA=0 transB=1
reshape_1 float[B*S,2] = Reshape(matmul_2, const_3)
reshape_2 float[B*S,4] = Reshape(fusedmatmul_1, const_4)
fusedmatmul_3 float[2,4] = FusedMatMul(reshape_1, reshape_2) alpha=1 transA=1 transB=0
reshape_3 float[B*S,4] = Reshape(tanh_1, const_4)
reshape_4 float[B*S,2] = Reshape(fusedmatmul_2, const_3)
fusedmatmul_4 float[4,2] = FusedMatMul(reshape_3, reshape_4) alpha=1 transA=1 transB=0
`
	if got != want {
		t.Errorf("backward pass:\n%s\nwant:\n%s", got, want)
	}
	if grads[0].Name != "fusedmatmul_4" || grads[1].Name != "fusedmatmul_3" {
		t.Errorf("gradients are %v and %v", grads[0], grads[1])
	}
}
