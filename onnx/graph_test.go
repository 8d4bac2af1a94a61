package onnx

import (
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	g := NewGraph("tiny")
	x := g.Input("x", Float, Sym("B"), Sym("S"), N(4))
	w := g.Initializer("w", Tensor{Type: Float, Dims: []int64{4, 6}, External: &External{"model.safetensors", 1024, 96}})
	y := g.MatMul(g.Reshape(x, -1, 4), w)
	q := g.Split(y, 1, 2, 4)
	g.Rename(q[0], "q")
	g.Output("y", g.FastGelu(q[0], nil))
	g.Output("x2", x)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	want := `graph tiny
input x float[B,S,4]
const w float[4,6] external model.safetensors+1024
const const_1 int64[2] {-1 4}
const const_2 int64[2] {2 4}
reshape_1 float[B*S,4] = Reshape(x, const_1)
matmul_1 float[B*S,6] = MatMul(reshape_1, w)
q float[B*S,2], split_2 float[B*S,4] = Split(matmul_1, const_2) axis=1
y float[B*S,2] = FastGelu(q)
x2 float[B,S,4] = Identity(x)
output y
output x2
`
	if got := g.String(); got != want {
		t.Errorf("print form:\n%s\nwant:\n%s", got, want)
	}
}

func TestStickyError(t *testing.T) {
	g := NewGraph("bad")
	x := g.Input("x", Float, N(2), N(3))
	y := g.MatMul(x, x)
	g.Output("y", g.Add(y, x))
	_, err := g.Encode()
	for _, part := range []string{"bad", "MatMul_1", "float[2,3]", "inner dimensions 3 and 2 differ"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %q", err, part)
		}
	}
}
