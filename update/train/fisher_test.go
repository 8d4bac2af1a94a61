package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/onnx"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// letters is a random model of one layer and a vocabulary of 8, with its weights and an adapter whose factors are not zero.
type letters struct {
	base      Base
	trainable graphs.Trainable
	weights   map[string][]float32
	params    []float32
}

// text has three positions with loss.
var text = Sequence{Tokens: []int32{3, 1, 6, 2, 7}, Prompt: 2}

const vocab = 8

func newLetters(t *testing.T) letters {
	t.Helper()
	ort.ForTest(t)
	cfg := arch.GPT2(arch.Shape{Layers: 1, Heads: 2, Width: 16, Context: 16, Vocab: vocab, Inner: 24, Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true})
	l := letters{weights: checkpoint.Random(cfg, 3)}
	for i := range l.weights["wte.weight"] {
		l.weights["wte.weight"][i] *= 20
	}
	dir := t.TempDir()
	if err := checkpoint.Write(dir, cfg, l.weights); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l.base = Base{Config: c.Shape(), Weights: c.Initializer, Dir: c.Dir()}
	l.trainable = graphs.Trainable{Rank: 2, Scale: 1.5, Targets: []arch.Target{{Layer: 0, Module: "mlp.c_fc"}, {Layer: 0, Module: "mlp.c_proj"}}}
	shapes, err := l.trainable.Parameters(l.base.Config)
	if err != nil {
		t.Fatal(err)
	}
	l.params = make([]float32, Size(shapes))
	for i := range l.params {
		l.params[i] = float32(math.Sin(float64(i*i))) / 4
	}
	return l
}

// factors is a session by whose factors the gradient is taken.
func (l letters) factors(t *testing.T) *Session {
	t.Helper()
	s, err := NewSession(l.base, l.trainable, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	copy(s.Parameters(), l.params)
	return s
}

// merged is a session without an adapter whose weights have it added, and where those weights lie in its parameters, in the order
// of the adapter's linears.
func (l letters) merged(t *testing.T) (s *Session, spans [][2]int) {
	t.Helper()
	s, err := NewSession(l.base, graphs.Trainable{Full: true}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	pairs, err := Pairs(l.base.Config, l.trainable)
	if err != nil {
		t.Fatal(err)
	}
	spans = make([][2]int, len(pairs))
	at := 0
	for _, shape := range s.Shapes() {
		n := copy(s.Parameters()[at:], l.weights[shape.Name])
		for i, p := range pairs {
			if shape.Name != "h.0."+l.trainable.Targets[i].Module+".weight" {
				continue
			}
			spans[i] = [2]int{at, at + n}
			row := make([]float32, p.Out)
			for r := range p.In {
				p.row(l.params, r, row)
				for j, v := range row {
					s.Parameters()[at+r*p.Out+j] += float32(l.trainable.Scale) * v
				}
			}
		}
		at += n
	}
	return s, spans
}

// moments enumerates all labels of the text's three positions: it returns Σ p(y)·g(y)² and Σ p(y)·g(y)⁴, where g is
// what grads takes of the gradient of log p(y), and Σ_t Σ_y p_t(y)·g_t(y)², the sum of the single positions' Fishers.
func moments(t *testing.T, s *Session, grads func([]float32) []float32) (second, fourth, positions []float64) {
	t.Helper()
	b := Pack([]Sequence{text}, 1, 16)[0]
	ones := []float32{1, 1, 1}
	logprobs := make([]float32, 3)
	gradient := func(labels [3]int, weights []float32) []float32 {
		for p, y := range labels {
			b.TargetIDs[p] = int64(y)
		}
		b.Weights = weights
		_, g, err := s.Gradient(b, 1, logprobs)
		if err != nil {
			t.Fatal(err)
		}
		return grads(g)
	}
	add := func(sum []float64, p float64, g []float32, power int) []float64 {
		if sum == nil {
			sum = make([]float64, len(g))
		}
		for i, v := range g {
			sum[i] += p * math.Pow(float64(v), float64(power))
		}
		return sum
	}
	whole := 0.0
	for y := range vocab * vocab * vocab {
		labels := [3]int{y % vocab, y / vocab % vocab, y / vocab / vocab}
		g := gradient(labels, ones)
		p := math.Exp(float64(logprobs[0]) + float64(logprobs[1]) + float64(logprobs[2]))
		whole += p
		second, fourth = add(second, p, g, 2), add(fourth, p, g, 4)
	}
	if math.Abs(whole-1) > 1e-5 {
		t.Fatalf("the probabilities of all labels sum to %g", whole)
	}
	for at := range 3 {
		only := []float32{0, 0, 0}
		only[at] = 1
		for y := range vocab {
			g := gradient([3]int{y, y, y}, only)
			positions = add(positions, math.Exp(float64(logprobs[at])), g, 2)
		}
	}
	return second, fourth, positions
}

// TestFisherAgainstEnumeration compares the estimate with the exact expectation over all 512 labels of a text. For each value
// the mean of n draws must lie within 5 standard errors √((E g⁴ − (E g²)²)/n), which the enumeration gives too; the trace as well.
// The exact expectation of the squared sum is also that of the sum of squares: squaring once for a sequence is unbiased.
func TestFisherAgainstEnumeration(t *testing.T) {
	const draws = 3000
	l := newLetters(t)
	merged, spans := l.merged(t)
	for _, c := range []struct {
		name    string
		by      graphs.By
		session *Session
		grads   func([]float32) []float32
	}{
		{"factors", graphs.Factors, l.factors(t), func(g []float32) []float32 { return g }},
		{"products", graphs.Products, merged, func(g []float32) (picked []float32) {
			for _, s := range spans {
				picked = append(picked, g[s[0]:s[1]]...)
			}
			return picked
		}},
	} {
		second, fourth, positions := moments(t, c.session, c.grads)
		largest := slices.Max(second)
		for i, v := range second {
			if math.Abs(v-positions[i]) > 1e-4*largest {
				t.Fatalf("%s: value %d: the squared sum has the expectation %g, the sum of squares %g", c.name, i, v, positions[i])
			}
		}
		f, err := NewFisher(l.base, l.trainable, c.by, 16, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := f.Estimate(t.Context(), l.params, []Sequence{text}, draws, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(second) {
			t.Fatalf("%s: %d values, want %d", c.name, len(got), len(second))
		}
		worst, squares := 0.0, 0.0
		for i, v := range second {
			deviation := math.Sqrt(math.Max(0, fourth[i]-v*v)/draws) + 1e-6*largest
			z := (3*float64(got[i]) - v) / deviation // 3 positions
			worst, squares = math.Max(worst, math.Abs(z)), squares+z*z
		}
		if worst > 5 || squares/float64(len(second)) > 2.5 {
			t.Errorf("%s: the worst of %d values is %.1f standard errors off, the mean square is %.2f", c.name, len(second), worst, squares/float64(len(second)))
		}
	}
}

// TestFisherDrawsFromTheModel compares the frequencies of the labels with the model's probabilities, by χ² with 7 degrees of
// freedom for each position: the bound is exceeded once in 10000.
func TestFisherDrawsFromTheModel(t *testing.T) {
	const draws = 4000
	l := newLetters(t)
	f, err := NewFisher(l.base, l.trainable, graphs.Factors, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	copy(f.params, l.params)
	b := Pack([]Sequence{text}, 1, 16)[0]
	random := rand.New(rand.NewPCG(2, 3))
	var counts [3][vocab]float64
	for range draws {
		labels, err := f.draw(b, random)
		if err != nil {
			t.Fatal(err)
		}
		for p, y := range labels {
			counts[p][y]++
		}
	}
	s := l.factors(t)
	var expected [3][vocab]float64
	logprobs := make([]float32, 3)
	for y := range vocab {
		b.TargetIDs = []int64{int64(y), int64(y), int64(y)}
		if _, _, err := s.Gradient(b, 1, logprobs); err != nil {
			t.Fatal(err)
		}
		for p, v := range logprobs {
			expected[p][y] = draws * math.Exp(float64(v))
		}
	}
	for p := range counts {
		square := 0.0
		for y, e := range expected[p] {
			square += (counts[p][y] - e) * (counts[p][y] - e) / e
		}
		if square > 29.9 {
			t.Errorf("position %d: labels %v, expected %v, χ² %.1f", p, counts[p], expected[p], square)
		}
	}
}

// TestFisherBeforeTraining: while B is zero the Fisher of A is zero, that of B and that of the products are not.
func TestFisherBeforeTraining(t *testing.T) {
	l := newLetters(t)
	pairs, err := Pairs(l.base.Config, l.trainable)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pairs {
		clear(l.params[p.B : p.B+p.Rank*p.Out])
	}
	for _, by := range []graphs.By{graphs.Factors, graphs.Products} {
		f, err := NewFisher(l.base, l.trainable, by, 4, 1) // the text loses its first token
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := f.Estimate(t.Context(), l.params, []Sequence{text, {Tokens: []int32{5}, Prompt: 1}}, 2, 1)
		if err != nil {
			t.Fatal(err)
		}
		again, err := f.Estimate(t.Context(), l.params, []Sequence{text, {Tokens: []int32{5}, Prompt: 1, Weight: 9}}, 2, 1)
		if err != nil || !slices.Equal(got, again) {
			t.Errorf("estimating again gave other bits (%v)", err)
		}
		other, err := f.Estimate(t.Context(), l.params, []Sequence{text}, 2, 2)
		if err != nil || slices.Equal(got, other) {
			t.Errorf("another seed gave the same bits (%v)", err)
		}
		for _, p := range pairs {
			if by == graphs.Products {
				if slices.Max(got[p.Product:p.Product+p.In*p.Out]) == 0 {
					t.Error("the Fisher of a product is zero")
				}
				continue
			}
			if slices.Max(got[p.A:p.A+p.In*p.Rank]) != 0 || slices.Max(got[p.B:p.B+p.Rank*p.Out]) == 0 {
				t.Error("the Fisher of A is not zero, or that of B is")
			}
		}
	}
}

func TestFisherRefuses(t *testing.T) {
	l := newLetters(t)
	f, err := NewFisher(l.base, l.trainable, graphs.Factors, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	bad := slices.Clone(l.params)
	bad[0] = float32(math.NaN())
	for name, c := range map[string]struct {
		ctx    context.Context
		params []float32
		list   []Sequence
		draws  int
		want   string
	}{
		"parameters": {t.Context(), l.params[1:], []Sequence{text}, 1, "parameters were given"},
		"draws":      {t.Context(), l.params, []Sequence{text}, 0, "0 draws"},
		"nothing":    {t.Context(), l.params, nil, 1, "no sequence carries loss"},
		"stopped":    {stopped, l.params, []Sequence{text}, 1, context.Canceled.Error()},
		"NaN":        {t.Context(), bad, []Sequence{text}, 1, "it is NaN"},
	} {
		if _, err := f.Estimate(c.ctx, c.params, c.list, c.draws, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := NewFisher(l.base, graphs.Trainable{Full: true}, graphs.Products, 16, 1); err == nil || !strings.Contains(err.Error(), "there are no products") {
		t.Errorf("products of every tensor: %v", err)
	}
	missing := l.base
	missing.Weights = func(name string) (onnx.Tensor, error) { return onnx.Tensor{}, errors.New("gone") }
	if _, err := NewFisher(missing, l.trainable, graphs.Products, 16, 1); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("missing weights: %v", err)
	}
}
