package onnx_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"nightshift/onnx"
	"nightshift/onnx/eval"
)

// TestShapes infers the shapes of every case and compares them with what a run gives.
func TestShapes(t *testing.T) {
	for _, c := range cases {
		t.Run(c.title(), func(t *testing.T) {
			g, _, out := c.graph(t)
			var got []string
			for _, v := range out {
				got = append(got, v.Shape.String())
			}
			if a, b := strings.Join(got, " "), strings.Join(c.out, " "); a != b {
				t.Errorf("inferred %s, want %s", a, b)
			}
			if err := g.Check(); err != nil {
				t.Error(err)
			}
			if _, err := eval.Run(g, c.data()); err != nil {
				t.Error(err)
			}
		})
	}
}

// withGradients adds to a case's graph the loss Σ y² over its float outputs and the gradients it asks for.
func (c opCase) withGradients(t *testing.T) (g *onnx.Graph, loss *onnx.Value, grads values) {
	t.Helper()
	g, in, out := c.graph(t)
	for _, y := range out {
		if y.Type != onnx.Float {
			continue
		}
		sum := g.ReduceSum(g.Mul(y, y), false)
		if loss == nil {
			loss = sum
		} else {
			loss = g.Add(loss, sum)
		}
	}
	var wrt values
	for _, i := range c.diff {
		wrt = append(wrt, in[i])
	}
	grads, err := g.Gradient(loss, wrt)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	return g, loss, grads
}

// TestGradients compares every gradient rule with central differences.
func TestGradients(t *testing.T) {
	const step, tolerance = 1e-5, 1e-5
	for _, c := range cases {
		if len(c.diff) == 0 {
			continue
		}
		t.Run(c.title(), func(t *testing.T) {
			g, loss, grads := c.withGradients(t)
			data := c.data()
			got, err := eval.Run(g, data)
			if err != nil {
				t.Fatalf("%v\n%v", err, g)
			}
			at := func() float64 {
				v, err := eval.Run(g, data)
				if err != nil {
					t.Fatal(err)
				}
				return v[loss.Name].Data[0]
			}
			for k, i := range c.diff {
				x := data["in"+strconv.Itoa(i)]
				for j, old := range x.Data {
					x.Data[j] = old + step
					up := at()
					x.Data[j] = old - step
					down := at()
					x.Data[j] = old
					want, have := (up-down)/(2*step), got[grads[k].Name].Data[j]
					if diff := math.Abs(want - have); !(diff <= tolerance*(1+math.Abs(want))) {
						t.Fatalf("∂loss/∂in%d[%d] = %g, central difference %g\n%v", i, j, have, want, g)
					}
				}
			}
		})
	}
}

// TestEveryOperatorHasCases holds the table of cases against the op table.
func TestEveryOperatorHasCases(t *testing.T) {
	shaped, differentiated := map[string]bool{}, map[string]bool{}
	for _, c := range cases {
		shaped[c.op] = true
		differentiated[c.op] = differentiated[c.op] || len(c.diff) > 0
	}
	for _, op := range onnx.Operators() {
		if !shaped[op.Name] {
			t.Errorf("%s has no case", op.Name)
		}
		if op.Differentiable && !differentiated[op.Name] {
			t.Errorf("%s has a gradient rule and no case that differentiates it", op.Name)
		}
		delete(shaped, op.Name)
	}
	for op := range shaped {
		t.Errorf("a case uses %s, which is not in the op table", op)
	}
}
