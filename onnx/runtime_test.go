package onnx_test

import (
	"math"
	"testing"

	"nightshift/onnx"
	"nightshift/onnx/eval"
	"nightshift/onnx/ort"
)

// TestRuntime runs every case, with its gradients, in ONNX Runtime and compares each output with the reference.
func TestRuntime(t *testing.T) {
	ort.ForTest(t)
	for _, c := range cases {
		t.Run(c.title(), func(t *testing.T) {
			g, _, out := c.graph(t)
			if len(c.diff) > 0 {
				var grads values
				g, _, grads = c.withGradients(t)
				out = grads
				for _, n := range g.Nodes {
					if n.Op == c.op {
						out = append(out, n.Outputs[0])
						break
					}
				}
			}
			compare(t, g, out, c.data())
		})
	}
}

// compare runs g in ONNX Runtime and in the reference and compares the given values.
func compare(t *testing.T, g *onnx.Graph, out values, data map[string]*eval.Tensor) {
	t.Helper()
	for _, v := range out {
		name := "out." + v.Name
		if len(v.Shape) == 0 {
			v = g.Reshape(v, 1) // the bindings cannot read values without dimensions
		}
		g.Output(name, v)
	}
	want, err := eval.Run(g, data)
	if err != nil {
		t.Fatal(err)
	}
	model, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.NewSession(model, ort.SessionConfig{Threads: 1})
	if err != nil {
		t.Fatalf("%v\n%v", err, g)
	}
	defer s.Close()
	in, got := map[string]*ort.Tensor{}, map[string]*ort.Tensor{}
	for _, v := range g.Inputs {
		in[v.Name] = tensor(t, data[v.Name])
		defer in[v.Name].Close()
	}
	for _, v := range g.Outputs {
		got[v.Name] = zeros(t, want[v.Name])
		defer got[v.Name].Close()
	}
	for _, n := range g.Nodes {
		if n.Op == "GroupQueryAttention" { // caches are updated in place; without that, what lies past the end is undefined
			got[n.Outputs[1].Name], got[n.Outputs[2].Name] = in[n.Inputs[3].Name], in[n.Inputs[4].Name]
		}
	}
	if err := s.Run(in, got); err != nil {
		t.Fatalf("%v\n%v", err, g)
	}
	for _, v := range g.Outputs {
		w := want[v.Name]
		for i, x := range elements(got[v.Name]) {
			if diff := math.Abs(x - w.Data[i]); !(diff <= 1e-4*(1+math.Abs(w.Data[i]))) {
				t.Fatalf("%v[%d] = %g in ONNX Runtime, %g in the reference\n%v", v, i, x, w.Data[i], g)
			}
		}
	}
}

func tensor(t *testing.T, v *eval.Tensor) *ort.Tensor {
	t.Helper()
	switch v.Type {
	case onnx.Float:
		return typed(t, v, func(x float64) float32 { return float32(x) })
	case onnx.Int64:
		return typed(t, v, func(x float64) int64 { return int64(x) })
	case onnx.Int32:
		return typed(t, v, func(x float64) int32 { return int32(x) })
	case onnx.Uint8:
		return typed(t, v, func(x float64) uint8 { return uint8(x) })
	case onnx.Int8:
		return typed(t, v, func(x float64) int8 { return int8(x) })
	}
	return typed(t, v, func(x float64) bool { return x != 0 })
}

func zeros(t *testing.T, like *eval.Tensor) *ort.Tensor {
	return tensor(t, eval.New(like.Type, like.Dims...))
}

func typed[T ort.Element](t *testing.T, v *eval.Tensor, f func(float64) T) *ort.Tensor {
	t.Helper()
	data := make([]T, len(v.Data))
	for i, x := range v.Data {
		data[i] = f(x)
	}
	out, err := ort.NewTensor(v.Dims, data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func elements(t *ort.Tensor) []float64 {
	switch onnx.DType(t.Type()) {
	case onnx.Float:
		return widen(ort.Data[float32](t))
	case onnx.Int64:
		return widen(ort.Data[int64](t))
	case onnx.Int32:
		return widen(ort.Data[int32](t))
	case onnx.Uint8:
		return widen(ort.Data[uint8](t))
	case onnx.Int8:
		return widen(ort.Data[int8](t))
	}
	data := ort.Data[bool](t)
	out := make([]float64, len(data))
	for i, b := range data {
		if b {
			out[i] = 1
		}
	}
	return out
}

func widen[T float32 | int64 | int32 | uint8 | int8](d []T) []float64 {
	out := make([]float64, len(d))
	for i, x := range d {
		out[i] = float64(x)
	}
	return out
}

// TestScatterIsDeterministic adds many gradient rows to few table rows with two threads: repeated indices must be summed,
// and every run must give the same bits.
func TestScatterIsDeterministic(t *testing.T) {
	ort.ForTest(t)
	g := onnx.NewGraph("table")
	table, ids := g.Input("table", onnx.Float, onnx.N(5), onnx.N(64)), g.Input("ids", onnx.Int64, onnx.Sym("P"))
	y := g.Gather(table, ids, 0)
	grads, err := g.Gradient(g.ReduceSum(g.Mul(y, y), true), []*onnx.Value{table})
	if err != nil {
		t.Fatal(err)
	}
	g.Output("grad", grads[0])
	model, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.NewSession(model, ort.SessionConfig{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := opCase{op: "table", in: []string{"float[5,64]", "int64[4096] < 5"}}
	data := c.data()
	in := map[string]*ort.Tensor{"table": tensor(t, data["in0"]), "ids": tensor(t, data["in1"])}
	defer in["table"].Close()
	defer in["ids"].Close()
	counts := make([]float64, 5)
	for _, i := range data["in1"].Data {
		counts[int(i)]++
	}
	var first []float64
	for range 5 {
		out := map[string]*ort.Tensor{"grad": zeros(t, data["in0"])}
		if err := s.Run(in, out); err != nil {
			t.Fatal(err)
		}
		got := elements(out["grad"])
		out["grad"].Close()
		for i, x := range got {
			want := 2 * data["in0"].Data[i] * counts[i/64]
			if math.Abs(x-want) > 1e-3*(1+math.Abs(want)) {
				t.Fatalf("element %d is %g, want %g", i, x, want)
			}
			if first != nil && first[i] != x {
				t.Fatalf("element %d is %v in one run and %v in another", i, first[i], x)
			}
		}
		first = got
	}
}
