package conversion

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"nightshift/internal/engine"
	"nightshift/models/adapter"
	"nightshift/models/quantize"
)

// TestAdaptersMeetSmoothedInputs serves an adapter on a model whose inputs are smoothed by large factors: what it adds must be
// what it adds to the float32 model.
func TestAdaptersMeetSmoothedInputs(t *testing.T) {
	m, dir, cache := shipped(t)
	s, dir := spoiled(t, m, dir)
	text, err := Read(s, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	text.Sequences = text.Sequences[:120]
	opt := options(quantize.Int8, cache)
	opt.Alphas = []float64{0.8}
	if _, err := Run(t.Context(), s, text, opt); err != nil {
		t.Fatal(err)
	}
	smoothed := *s
	if err := smoothed.Serve(quantize.Int8, cache); err != nil {
		t.Fatal(err)
	}
	if f := smoothed.InputScale("h.0.attn.c_attn"); len(f) == 0 || f[5] < 8 {
		t.Fatal("the inputs are not smoothed")
	}
	random := rand.New(rand.NewPCG(3, 1))
	a, err := adapter.New(adapter.Config{Rank: 12, Alpha: 24, Modules: []string{"attn.c_attn", "mlp.c_fc", "mlp.c_proj"}},
		s.Config, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range a.Targets() {
		f := a.Factors[target]
		if target.Module != "mlp.c_proj" { // what is learned follows the size of the inputs
			for _, c := range []int{5, 77, 130} {
				for r := range a.Config.Rank {
					f.A[c*a.Config.Rank+r] /= 10
				}
			}
		}
		for i := range f.B {
			f.B[i] = float32(random.NormFloat64() * 0.2)
		}
	}
	base, with := scores(t, s, nil, text), scores(t, s, a, text)
	got := scores(t, &smoothed, a, text)
	var effect, off float64
	for i := range with {
		effect += math.Abs(float64(with[i]-base[i])) / float64(len(with))
		off += math.Abs(float64(with[i]-got[i])) / float64(len(with))
	}
	t.Logf("the adapter moves a token by %.4f nats; in int8 it is %.4f off", effect, off)
	if !(effect > 0.05) || !(off < effect/8) {
		t.Errorf("the adapter moves a token by %.4f nats; in int8 it is %.4f off", effect, off)
	}
}

// scores are the log-probabilities of the measured part of a text under an adapter, or the base model.
func scores(t *testing.T, m *engine.Model, a *adapter.Adapter, text Text) (all []float32) {
	t.Helper()
	e, err := engine.New(m, engine.Config{Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { stop(); <-done; e.Close() }()
	digest := ""
	if a != nil {
		digest = "adapter"
		if err := e.Bank().Install(digest, a); err != nil {
			t.Fatal(err)
		}
	}
	_, measured := text.split()
	for _, s := range measured {
		pin, ok := e.Bank().Pin(digest)
		if !ok {
			t.Fatal("the adapter is not in the bank")
		}
		score, err := e.Score(ctx, pin, s.Tokens, s.From)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, score.LogProbs...)
	}
	return all
}
