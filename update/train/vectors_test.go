package train

import (
	"math"
	"slices"
	"testing"
)

func TestProjectAgreesWithPyTorch(t *testing.T) {
	for i, c := range readMethods(t).AGEM {
		if conflict := Project(c.Grads, c.Reference); conflict != c.Conflict {
			t.Errorf("case %d: conflict %v", i, conflict)
		}
		near(t, "projected", c.Grads, c.Projected, 1e-6)
		var product, square float64
		for j, g := range c.Grads {
			product += float64(g) * float64(c.Reference[j])
			square += float64(c.Reference[j]) * float64(c.Reference[j])
		}
		if product < -1e-6*square {
			t.Errorf("case %d: the projected gradient still raises the loss: %g", i, product)
		}
	}
	g := []float32{1, -2}
	if Project(g, []float32{0, 0}) || g[0] != 1 || g[1] != -2 {
		t.Errorf("a reference of zero changed the gradient to %v", g)
	}
}

func TestL1MakesTrueZeros(t *testing.T) {
	params := []float32{0.3, -0.3, 0.05, -0.05, 0, 0.1}
	l, err := NewL1(2, nil)
	if err != nil {
		t.Fatal(err)
	}
	if share := l.Apply(params, 0.05); share != 4.0/6 { // threshold 0.1
		t.Errorf("share %g at rest", share)
	}
	near(t, "soft threshold", params, []float32{0.2, -0.2, 0, 0, 0, 0}, 1e-6)
	for i, v := range params[2:] {
		if math.Float32bits(v) != 0 {
			t.Errorf("parameter %d is %g, not 0", i+2, v)
		}
	}
	params = []float32{1.3, 0.7, 1.04}
	l, err = NewL1(1, []float32{1, 1, 1})
	if err != nil {
		t.Fatal(err)
	}
	if share := l.Apply(params, 0.1); share != 1.0/3 {
		t.Errorf("share %g at rest", share)
	}
	near(t, "about a center", params, []float32{1.2, 0.8, 1}, 1e-6)
	if params[2] != 1 {
		t.Errorf("%g is not the center", params[2])
	}
}

func TestL1AgreesWithPyTorch(t *testing.T) {
	golden := readMethods(t).L1
	l, err := NewL1(golden.Strength, golden.Center)
	if err != nil {
		t.Fatal(err)
	}
	params, grads, optimizer := golden.Params, make([]float32, len(golden.Params)), NewAdamW(len(golden.Params), 0)
	for i, step := range golden.Steps {
		for j, p := range params {
			grads[j] = p - golden.Target[j]
		}
		optimizer.Step(params, grads, golden.Rate)
		if resting := l.Apply(params, golden.Rate); math.Abs(resting-step.Resting) > 1e-6 {
			t.Errorf("step %d: %g of the parameters rest, want %g", i+1, resting, step.Resting)
		}
		near(t, "parameters", params, step.Params, 1e-5)
		for j, p := range params { // what rests is the center's value, bit for bit
			if (p == golden.Center[j]) != (step.Params[j] == golden.Center[j]) {
				t.Errorf("step %d: parameter %d is %g, its center %g", i+1, j, p, golden.Center[j])
			}
		}
	}
}

// TestL1IsTheProximalPoint: where it leads, ½(x−p)²/rate + strength·|x−center| is minimal: it rises to both sides, and where it has a
// derivative, a central difference of it is 0.
func TestL1IsTheProximalPoint(t *testing.T) {
	golden := readMethods(t).L1
	const rate, h = 0.1, 1.0 / 64
	l, err := NewL1(golden.Strength, golden.Center)
	if err != nil {
		t.Fatal(err)
	}
	x := slices.Clone(golden.Params)
	l.Apply(x, rate)
	for i, p := range golden.Params {
		value := func(x float64) float64 {
			d := x - float64(p)
			return d*d/2/rate + golden.Strength*math.Abs(x-float64(golden.Center[i]))
		}
		at := float64(x[i])
		if !(value(at) < value(at+h) && value(at) < value(at-h)) {
			t.Errorf("parameter %d: %g is not where the value is minimal: %g, and %g and %g beside it", i, at, value(at), value(at-h), value(at+h))
		}
		if slope := (value(at+h) - value(at-h)) / (2 * h); math.Abs(at-float64(golden.Center[i])) > h && math.Abs(slope) > 1e-4 {
			t.Errorf("parameter %d: the slope at %g is %g", i, at, slope)
		}
	}
}

func TestAverage(t *testing.T) {
	a, err := NewAverage([]float32{1, 2}, 0.75)
	if err != nil {
		t.Fatal(err)
	}
	a.Observe(nil, nil, []float32{5, 2})
	a.Observe(nil, nil, []float32{2, -2})
	near(t, "average", a.Slow(), []float32{2, 1}, 0)
	still, err := NewAverage([]float32{1, 2}, 0)
	if err != nil {
		t.Fatal(err)
	}
	still.Observe(nil, nil, []float32{0.1, 7})
	near(t, "without memory", still.Slow(), []float32{0.1, 7}, 0)
}

func TestReptile(t *testing.T) {
	p := []float32{3, 0}
	Interpolate(p, []float32{1, 4}, 0.25)
	near(t, "interpolated", p, []float32{1.5, 3}, 0)
	start := []float32{1, 1}
	got, err := Reptile(start, [][]float32{{3, 1}, {1, -1}}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "towards two tracks", got, []float32{1.5, 0.5}, 0)
	all, err := Reptile(start, [][]float32{{3, 1}, {1, -1}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "their mean", all, []float32{2, 0}, 0)
	if start[0] != 1 {
		t.Error("the start changed")
	}
}
