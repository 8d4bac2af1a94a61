package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/onnx/graphs"
)

// methods is testdata/methods.json, which testdata/make_goldens.py made with PyTorch.
type methods struct {
	Quadratic struct {
		Strength, Value                      float64
		Params, Center, Fisher, Slope, Grads []float32
		Rate, Clip                           float64
		Decay                                float64 `json:"weight_decay"`
		Steps                                [][]float32
	}
	Product struct {
		Strength, Scale, Value        float64
		Params, Center, Fisher, Grads []float32
	}
	Orthogonal struct {
		Strength, Value float64
		Params, Grads   []float32
		Earlier         [][]float32
	}
	AGEM []struct {
		Grads, Reference, Projected []float32
		Conflict                    bool
	}
	SI struct {
		Damping, C float64
		Tasks      []struct {
			Start, Importance, Grads []float32 // Grads and Value are those of the surrogate loss at the task's end
			Value                    float64
			Steps                    []struct{ Grads, After []float32 }
		}
	}
	L1 struct {
		Strength, Rate         float64
		Params, Center, Target []float32
		Steps                  []struct {
			Params  []float32
			Resting float64
		}
	}
}

func readMethods(t *testing.T) methods {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "methods.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m methods
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// twoLinears are [4,6] and [6,4], each adapted with rank 2: the linears of the goldens.
func twoLinears(scale float64) (arch.Shape, graphs.Trainable) {
	return arch.GPT2(arch.Shape{Layers: 1, Width: 4, Inner: 6}),
		graphs.Trainable{Rank: 2, Scale: scale, Targets: []arch.Target{{Layer: 0, Module: "mlp.c_fc"}, {Layer: 0, Module: "mlp.c_proj"}}}
}

// near compares vectors relative to the largest element of want.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(float64(w)))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= tolerance*largest) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], w)
		}
	}
}

// penalties are the goldens' penalties, each with the parameters, value and gradient that PyTorch gave.
type penaltyCase struct {
	name    string
	penalty Penalty
	params  []float32
	value   float64
	grads   []float32
}

func penaltyCases(t *testing.T) []penaltyCase {
	t.Helper()
	m := readMethods(t)
	ewc, err := NewQuadratic(m.Quadratic.Strength, m.Quadratic.Fisher, m.Quadratic.Center)
	if err != nil {
		t.Fatal(err)
	}
	cfg, trainable := twoLinears(m.Product.Scale)
	product, err := NewProductEWC(cfg, trainable, m.Product.Strength, m.Product.Fisher, m.Product.Center)
	if err != nil {
		t.Fatal(err)
	}
	orthogonal, err := NewOrthogonal(cfg, trainable, m.Orthogonal.Strength, [][][]float32{{m.Orthogonal.Earlier[0], nil}, {nil, m.Orthogonal.Earlier[1]}}, Block{To: trainable.Rank})
	if err != nil {
		t.Fatal(err)
	}
	before, after := m.SI.Tasks[0], m.SI.Tasks[1]
	end := len(before.Steps) - 1
	si, err := NewQuadratic(2*m.SI.C, before.Importance, before.Steps[end].After)
	if err != nil {
		t.Fatal(err)
	}
	return []penaltyCase{
		{"SI", si, after.Steps[end].After, after.Value, after.Grads},
		{"EWC", ewc, m.Quadratic.Params, m.Quadratic.Value, m.Quadratic.Grads},
		{"EWC on products", product, m.Product.Params, m.Product.Value, m.Product.Grads},
		{"O-LoRA", orthogonal, m.Orthogonal.Params, m.Orthogonal.Value, m.Orthogonal.Grads},
	}
}

func TestPenaltiesAgreeWithPyTorch(t *testing.T) {
	for _, c := range penaltyCases(t) {
		grads := make([]float32, len(c.params))
		value := c.penalty.Add(c.params, grads)
		if math.Abs(value-c.value) > 1e-5*c.value {
			t.Errorf("%s: value %g, want %g", c.name, value, c.value)
		}
		near(t, c.name, grads, c.grads, 1e-5)
		for i := range grads {
			grads[i] = 1
		}
		c.penalty.Add(c.params, grads)
		for i, g := range grads {
			if want := 1 + c.grads[i]; math.Abs(float64(g-want)) > 1e-4*math.Max(1, math.Abs(float64(want))) {
				t.Errorf("%s: gradient %d becomes %g, want 1 + %g: it must be added to what is there", c.name, i, g, c.grads[i])
			}
		}
	}
}

// TestPenaltyGradientsByDifferences compares every gradient with a central difference. All penalties are of second degree in
// each single parameter, so that a large difference is exact but for rounding.
func TestPenaltyGradientsByDifferences(t *testing.T) {
	plain, err := NewQuadratic(2, nil, []float32{1, -1, 0.5})
	if err != nil {
		t.Fatal(err)
	}
	cases := append(penaltyCases(t), penaltyCase{name: "L2-SP", penalty: plain, params: []float32{3, 0, -2}})
	for _, c := range cases {
		grads, scratch := make([]float32, len(c.params)), make([]float32, len(c.params))
		c.penalty.Add(c.params, grads)
		for i, p := range c.params {
			c.params[i] = p + 0.25
			up := c.penalty.Add(c.params, scratch)
			high := c.params[i]
			c.params[i] = p - 0.25
			down := c.penalty.Add(c.params, scratch)
			slope := (up - down) / (float64(high) - float64(c.params[i]))
			c.params[i] = p
			if math.Abs(slope-float64(grads[i])) > 1e-4*math.Max(1, math.Abs(slope)) {
				t.Errorf("%s: gradient %d is %g, by differences %g", c.name, i, grads[i], slope)
			}
		}
	}
}

// TestPenaltiesAtRest: at its center a penalty is zero and so is its gradient, exactly.
func TestPenaltiesAtRest(t *testing.T) {
	m := readMethods(t)
	cfg, trainable := twoLinears(m.Product.Scale)
	ewc, err := NewQuadratic(9, m.Quadratic.Fisher, m.Quadratic.Center)
	if err != nil {
		t.Fatal(err)
	}
	product, err := NewProductEWC(cfg, trainable, 9, m.Product.Fisher, m.Product.Center)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		penalty Penalty
		center  []float32
	}{{ewc, m.Quadratic.Center}, {product, m.Product.Center}} {
		grads := make([]float32, len(c.center))
		value := c.penalty.Add(c.center, grads)
		for i, g := range grads {
			if g != 0 || value != 0 {
				t.Errorf("%T: value %g, gradient %d is %g", c.penalty, value, i, g)
			}
		}
	}
	// Factors that differ and multiply to the same stay at rest too: A twice as large, B half.
	turned := append([]float32(nil), m.Product.Center...)
	pairs, err := Pairs(cfg, trainable)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		for i := range turned[p.A : p.A+p.In*p.Rank] {
			turned[p.A+i] *= 2
		}
		for i := range turned[p.B : p.B+p.Rank*p.Out] {
			turned[p.B+i] /= 2
		}
	}
	if value := product.Add(turned, make([]float32, len(turned))); value != 0 {
		t.Errorf("the same product costs %g", value)
	}
}

// TestEWCTrainsAsInPyTorch takes three steps of clipping and AdamW on a linear loss with EWC.
func TestEWCTrainsAsInPyTorch(t *testing.T) {
	m := readMethods(t).Quadratic
	ewc, err := NewQuadratic(m.Strength, m.Fisher, m.Center)
	if err != nil {
		t.Fatal(err)
	}
	o := NewAdamW(len(m.Params), m.Decay)
	for i, want := range m.Steps {
		grads := append([]float32(nil), m.Slope...)
		ewc.Add(m.Params, grads)
		if ClipNorm(grads, m.Clip) <= m.Clip {
			t.Errorf("step %d does not clip", i)
		}
		o.Step(m.Params, grads, m.Rate)
		near(t, "parameters", m.Params, want, 1e-5)
	}
}

func TestConsolidate(t *testing.T) {
	first, err := Consolidate(nil, []float32{2, 0}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Consolidate(first, []float32{1, 3}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "two tasks", second, []float32{2, 3}, 0)
	if first[0] != 2 {
		t.Error("the old importances changed")
	}
	f := []float32{1, 0, 5}
	Normalize(f)
	near(t, "normalised", f, []float32{0.5, 0, 2.5}, 0)
	zeros := []float32{0, 0}
	if Normalize(zeros); zeros[0] != 0 {
		t.Errorf("zeros become %v", zeros)
	}
}

func TestMethodsRefuse(t *testing.T) {
	cfg, trainable := twoLinears(1)
	n, products := 2*(4+6)*2, 2*4*6
	outside := trainable
	outside.Targets = []arch.Target{{Layer: 7, Module: "mlp.c_fc"}}
	for name, c := range map[string]struct {
		make func() (any, error)
		want string
	}{
		"quadratic strength": {func() (any, error) { return NewQuadratic(math.NaN(), nil, nil) }, "strength is NaN"},
		"quadratic lengths":  {func() (any, error) { return NewQuadratic(1, make([]float32, 2), make([]float32, 3)) }, "2 importances"},
		"γ":                  {func() (any, error) { return Consolidate(nil, nil, 1.5) }, "γ is 1.5"},
		"two lengths":        {func() (any, error) { return Consolidate(make([]float32, 2), make([]float32, 3), 1) }, "2 old ones and 3"},
		"product strength": {func() (any, error) {
			return NewProductEWC(cfg, trainable, -1, make([]float32, products), make([]float32, n))
		}, "strength is -1"},
		"product lengths": {func() (any, error) { return NewProductEWC(cfg, trainable, 1, make([]float32, n), make([]float32, n)) }, "have 48 and 40"},
		"product layer":   {func() (any, error) { return NewProductEWC(cfg, outside, 1, nil, nil) }, "layer 7"},
		"O-LoRA strength": {func() (any, error) { return NewOrthogonal(cfg, trainable, -1, nil, Block{To: 2}) }, "strength is -1"},
		"O-LoRA linears":  {func() (any, error) { return NewOrthogonal(cfg, trainable, 1, [][][]float32{{nil}}, Block{To: 2}) }, "has 1 linears"},
		"O-LoRA size": {func() (any, error) {
			return NewOrthogonal(cfg, trainable, 1, [][][]float32{{make([]float32, 5), nil}}, Block{To: 2})
		}, "5 values"},
		"O-LoRA block": {func() (any, error) { return NewOrthogonal(cfg, trainable, 1, nil, Block{From: 1, To: 3}) }, "from 1 to 3"},
		"O-LoRA layer": {func() (any, error) { return NewOrthogonal(cfg, outside, 1, nil, Block{To: 2}) }, "layer 7"},
		"damping":      {func() (any, error) { return NewSI(nil, 0) }, "damping is 0"},
		"L1":           {func() (any, error) { return NewL1(-1, nil) }, "strength is -1"},
		"average":      {func() (any, error) { return NewAverage(nil, 1) }, "decay is 1"},
		"no tracks":    {func() (any, error) { return Reptile(nil, nil, 1) }, "none was given"},
		"short track":  {func() (any, error) { return Reptile(make([]float32, 2), [][]float32{{1}}, 1) }, "track 0: it has 1"},
	} {
		if _, err := c.make(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// BenchmarkProductEWC is one step's penalty on the MLP of one layer of GPT-2 124M at rank 8.
func BenchmarkProductEWC(b *testing.B) {
	cfg := arch.GPT2(arch.Shape{Layers: 1, Width: 768, Inner: 3072})
	trainable := graphs.Trainable{Rank: 8, Scale: 2, Targets: []arch.Target{{Layer: 0, Module: "mlp.c_fc"}, {Layer: 0, Module: "mlp.c_proj"}}}
	pairs, err := Pairs(cfg, trainable)
	if err != nil {
		b.Fatal(err)
	}
	n, products := sizes(pairs)
	fisher, center, params, grads := make([]float32, products), make([]float32, n), make([]float32, n), make([]float32, n)
	for i := range params {
		params[i] = float32(i%7) / 100
	}
	for i := range fisher {
		fisher[i] = 1
	}
	p, err := NewProductEWC(cfg, trainable, 1, fisher, center)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p.Add(params, grads)
	}
}
