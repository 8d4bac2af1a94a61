package onnx_test

import (
	"strings"
	"testing"

	"nightshift/onnx"
	"nightshift/onnx/eval"
	"nightshift/onnx/ort"
)

// chooser is y = x·w + c where the condition holds, and x·w itself elsewhere.
func chooser(t *testing.T) (g *onnx.Graph, y *onnx.Value) {
	t.Helper()
	g = onnx.NewGraph("chooser")
	condition := g.Input("on", onnx.Bool, onnx.N(1))
	x, w, c := g.Input("x", onnx.Float, onnx.Sym("B"), onnx.N(3)), g.Input("w", onnx.Float, onnx.N(3), onnx.N(2)), g.Input("c", onnx.Float, onnx.N(2))
	p := g.MatMul(x, w)
	y = g.If(condition, values{p, c}, 1,
		func(b *onnx.Graph, in []*onnx.Value) []*onnx.Value { return values{b.Add(in[0], in[1])} },
		func(b *onnx.Graph, in []*onnx.Value) []*onnx.Value { return values{b.Op("Identity", in[:1])} })[0]
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return g, y
}

// TestIf runs both branches in the reference and in ONNX Runtime.
func TestIf(t *testing.T) {
	ort.ForTest(t)
	for _, on := range []float64{0, 1} {
		g, y := chooser(t)
		if got := y.Shape.String(); got != "[B,2]" {
			t.Fatalf("shape %s, want [B,2]", got)
		}
		data := map[string]*eval.Tensor{
			"on": eval.Of(onnx.Bool, []int64{1}, on), "x": eval.Of(onnx.Float, []int64{2, 3}, 1, 2, 3, 4, 5, 6),
			"w": eval.Of(onnx.Float, []int64{3, 2}, 1, 0, 0, 1, 1, 1), "c": eval.Of(onnx.Float, []int64{2}, 10, 20),
		}
		got, err := eval.Run(g, data)
		if err != nil {
			t.Fatal(err)
		}
		want := []float64{4, 5, 10, 11}
		for i, v := range got[y.Name].Data {
			if v != want[i]+on*float64(10+10*(i%2)) {
				t.Fatalf("condition %v: element %d is %v", on, i, v)
			}
		}
		compare(t, g, values{y}, data)
	}
}

// TestIfRefuses lists the mistakes that building finds.
func TestIfRefuses(t *testing.T) {
	same := func(b *onnx.Graph, in []*onnx.Value) []*onnx.Value { return values{b.Op("Identity", in[:1])} }
	for _, c := range []struct {
		name, want string
		build      func(g *onnx.Graph, on, x *onnx.Value)
	}{
		{"foreign value", "not one of graph", func(g *onnx.Graph, on, _ *onnx.Value) {
			other := onnx.NewGraph("other").Input("z", onnx.Float, onnx.N(1))
			g.If(on, values{other}, 1, same, same)
		}},
		{"no node", "must come from a node", func(g *onnx.Graph, on, x *onnx.Value) {
			g.If(on, values{x}, 1, func(_ *onnx.Graph, in []*onnx.Value) []*onnx.Value { return in[:1] }, same)
		}},
		{"types", "branches give", func(g *onnx.Graph, on, x *onnx.Value) {
			g.If(on, values{x}, 1, func(b *onnx.Graph, in []*onnx.Value) []*onnx.Value {
				return values{b.Op("Cast", in[:1], onnx.Int("to", int64(onnx.Int64)))}
			}, same)
		}},
		{"shapes", "branches give", func(g *onnx.Graph, on, x *onnx.Value) {
			g.If(on, values{x}, 1, func(b *onnx.Graph, in []*onnx.Value) []*onnx.Value {
				return values{b.Op("Concat", []*onnx.Value{in[0], in[0]}, onnx.Int("axis", 0))}
			}, same)
		}},
		{"mistake in a branch", "axis 5", func(g *onnx.Graph, on, x *onnx.Value) {
			g.If(on, values{x}, 1, func(b *onnx.Graph, in []*onnx.Value) []*onnx.Value {
				return values{b.Op("Softmax", in[:1], onnx.Int("axis", 5))}
			}, same)
		}},
		{"condition", "must have one element", func(g *onnx.Graph, _, x *onnx.Value) {
			g.If(g.Input("many", onnx.Bool, onnx.N(2)), values{x}, 1, same, same)
		}},
		{"results", "has 1 outputs, it must have 2", func(g *onnx.Graph, on, x *onnx.Value) {
			if list := g.If(on, values{x}, 2, same, same); len(list) != 2 || len(g.If(on, values{x}, 3, same, same)) != 3 {
				t.Errorf("%d results after a mistake", len(list))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := onnx.NewGraph("g")
			c.build(g, g.Input("on", onnx.Bool, onnx.N(1)), g.Input("x", onnx.Float, onnx.N(4)))
			if err := g.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

// TestIfPrints shows a branch in the print form, on the line of its node.
func TestIfPrints(t *testing.T) {
	g, _ := chooser(t)
	if s := g.String(); !strings.Contains(s, "If(on, matmul_1, c) then_branch={graph If_1.then_branch; input matmul_1 float[B,2]; input c float[2]; If_1.then_branch/add_1 float[B,2] = Add(matmul_1, c); output If_1.then_branch/add_1}") {
		t.Fatalf("print form:\n%s", s)
	}
}
