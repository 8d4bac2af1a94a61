package eval

import (
	"math"
	"strings"
	"testing"

	"nightshift/onnx"
)

// TestByHand holds the reference itself against numbers worked out on paper.
func TestByHand(t *testing.T) {
	type V = []*onnx.Value
	f := func(g *onnx.Graph, dims []int64, data ...float32) *onnx.Value {
		return g.Const(onnx.Floats(dims, data...))
	}
	for _, c := range []struct {
		name  string
		build func(g *onnx.Graph) *onnx.Value
		want  []float64
	}{
		{"matmul", func(g *onnx.Graph) *onnx.Value {
			return g.MatMul(f(g, []int64{2, 2}, 1, 2, 3, 4), f(g, []int64{2, 1}, 10, 1))
		}, []float64{12, 34}},
		{"gemm transposed", func(g *onnx.Graph) *onnx.Value {
			return g.Gemm(f(g, []int64{2, 2}, 1, 2, 3, 4), f(g, []int64{1, 2}, 10, 1), f(g, nil, 100), true, true)
		}, []float64{113, 124}},
		{"broadcast", func(g *onnx.Graph) *onnx.Value {
			return g.Sub(f(g, []int64{2, 1}, 10, 20), f(g, []int64{3}, 1, 2, 3))
		}, []float64{9, 8, 7, 19, 18, 17}},
		{"integer division", func(g *onnx.Graph) *onnx.Value { return g.Div(g.Ints(7, -7), g.Ints(2, 2)) }, []float64{3, -3}},
		{"transpose", func(g *onnx.Graph) *onnx.Value {
			return g.Transpose(f(g, []int64{2, 3}, 1, 2, 3, 4, 5, 6))
		}, []float64{1, 4, 2, 5, 3, 6}},
		{"scatter add", func(g *onnx.Graph) *onnx.Value {
			return g.ScatterElements(f(g, []int64{3}, 1, 1, 1), g.Ints(2, 0, 2), f(g, []int64{3}, 5, 6, 7), 0, "add")
		}, []float64{7, 1, 13}},
		{"softmax", func(g *onnx.Graph) *onnx.Value {
			return g.Softmax(f(g, []int64{2}, 0, float32(math.Log(3))), -1)
		}, []float64{0.25, 0.75}},
		{"layer norm", func(g *onnx.Graph) *onnx.Value {
			return g.LayerNormalization(f(g, []int64{1, 2}, 1, 3), f(g, []int64{2}, 2, 2), f(g, []int64{2}, 0, 1), 0)
		}, []float64{-2, 3}},
		{"gelu", func(g *onnx.Graph) *onnx.Value { return g.Gelu(f(g, []int64{2}, 0, 1), "none") }, []float64{0, 0.8413447460685429}},
		{"slice backwards", func(g *onnx.Graph) *onnx.Value {
			return g.Op("Slice", V{g.Ints(1, 2, 3, 4, 5), g.Ints(-1), g.Ints(0), g.Ints(0), g.Ints(-2)})
		}, []float64{5, 3}},
		{"nbits", func(g *onnx.Graph) *onnx.Value {
			w := make([]byte, 8)
			w[0] = 0x9A // elements 10 and 9, minus the zero point 8
			for i := 1; i < 8; i++ {
				w[i] = 0x88
			}
			x := make([]float32, 16)
			x[0], x[1] = 1, 10
			return g.Op("MatMulNBits", V{f(g, []int64{1, 16}, x...), g.Const(onnx.Bytes(onnx.Uint8, []int64{1, 1, 8}, w...)), f(g, []int64{1}, 0.5)},
				onnx.Int("K", 16), onnx.Int("N", 1), onnx.Int("bits", 4), onnx.Int("block_size", 16))
		}, []float64{6}},
		{"attention over two equal keys", func(g *onnx.Graph) *onnx.Value {
			x := make([]float32, 2*24)
			for i := 16; i < 24; i++ { // values 1 and 3 at the two positions; queries and keys are zero
				x[i], x[24+i] = 1, 3
			}
			y, _, _ := g.GroupQueryAttention(onnx.Attention{Query: f(g, []int64{1, 2, 24}, x...), SeqLensK: g.Const(onnx.Int32s([]int64{1}, 1)),
				TotalLength: g.Const(onnx.Int32s([]int64{1}, 2)), Heads: 1, KVHeads: 1})
			return y
		}, []float64{1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := onnx.NewGraph(c.name)
			y := c.build(g)
			if g.Err() != nil {
				t.Fatal(g.Err())
			}
			values, err := Run(g, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := values[y.Name].Data
			if len(got) != len(c.want) {
				t.Fatalf("%v, want %v", got, c.want)
			}
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > 1e-6 {
					t.Fatalf("%v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestRunErrors(t *testing.T) {
	x := Of(onnx.Float, []int64{2}, 1, 2)
	for _, c := range []struct {
		name, words string
		build       func(g *onnx.Graph)
		in          map[string]*Tensor
	}{
		{"missing", "input x", func(g *onnx.Graph) { g.Input("x", onnx.Float, onnx.N(2)) }, nil},
		{"shape", "x float[3] came out as float[2]", func(g *onnx.Graph) { g.Input("x", onnx.Float, onnx.N(3)) }, map[string]*Tensor{"x": x}},
		{"symbols", "y float[B]", func(g *onnx.Graph) {
			g.Input("x", onnx.Float, onnx.Sym("B"))
			g.Input("y", onnx.Float, onnx.Sym("B"))
		}, map[string]*Tensor{"x": x, "y": New(onnx.Float, 3)}},
		{"external", "initializer w external", func(g *onnx.Graph) {
			g.Initializer("w", onnx.Tensor{Type: onnx.Float, External: &onnx.External{Location: "f", Length: 4}})
		}, nil},
		{"index", "Gather_1 (Gather)", func(g *onnx.Graph) {
			g.Gather(g.Input("x", onnx.Float, onnx.N(2)), g.Ints(7), 0)
		}, map[string]*Tensor{"x": x}},
		{"half", "half precision", func(g *onnx.Graph) { g.Cast(g.Input("x", onnx.Float, onnx.N(2)), onnx.Float16) }, map[string]*Tensor{"x": x}},
	} {
		g := onnx.NewGraph("g")
		c.build(g)
		_, err := Run(g, c.in)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, w := range strings.Fields(c.words) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q lacks %q", c.name, err, w)
			}
		}
	}
}
