package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/quantize"
)

// TestAdaptersMeetDividedOutputs serves an adapter of the linears that feed others on weights whose inputs and outputs are divided by large factors: what it
// adds is what it adds to the float32 model.
func TestAdaptersMeetDividedOutputs(t *testing.T) {
	for _, m := range []*Model{llamaModel(t), qwenModel(t)} {
		rng := rand.New(rand.NewPCG(4, 4))
		acts := quantize.Activations{}
		for _, l := range m.Config.Linears() {
			a := &quantize.Activation{Max: make([]float32, l.In), Mean: make([]float32, l.In), Square: make([]float32, l.In), Rows: make([]float32, 4*l.In),
				OutMean: make([]float32, l.Out), OutSqr: make([]float32, l.Out)}
			for i := range a.Rows {
				a.Rows[i] = float32(rng.NormFloat64() * math.Exp(0.7*math.Sin(float64(i%l.In))))
				a.Max[i%l.In] = max(a.Max[i%l.In], a.Rows[i], -a.Rows[i])
				a.Square[i%l.In] += a.Rows[i] * a.Rows[i] / 4
			}
			for o := range a.OutSqr {
				a.OutSqr[o] = 1e6
			}
			acts[l.String()] = a
		}
		dir := t.TempDir()
		opt := quantize.Defaults(quantize.Int8)
		opt.Worst8 = 10
		if _, err := quantize.Convert(m.Checkpoint, acts, opt, dir, nil); err != nil {
			t.Fatal(err)
		}
		q, err := quantize.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, linear := range []string{"h.0.self_attn.qkv_proj", "h.0.mlp.down_proj"} {
			if q.InputScale(linear) == nil {
				t.Fatalf("%s is not smoothed", linear)
			}
		}
		served := *m
		served.Quantized, served.Tokenizer = q, nil
		adapters := map[string]*adapter.Adapter{"rank 8": fedAdapter(t, m, 8), "rank 12": fedAdapter(t, m, 12)}
		prompt := randomTokens(rng, 40, m.Config.Vocab)
		score := func(m *Model, digest string) []float32 {
			e := runEngine(t, m, Config{Slots: 1, BankRows: 16})
			defer e.Close()
			for rank, a := range adapters {
				if err := e.Bank().Install(rank, a); err != nil {
					t.Fatal(err)
				}
			}
			s, err := e.Score(context.Background(), pinned(t, e, digest), prompt, 1)
			if err != nil {
				t.Fatal(err)
			}
			return s.LogProbs
		}
		for _, digest := range []string{"rank 8", "rank 12"} {
			base, want, got := score(m, ""), score(m, digest), score(&served, digest)
			var effect, off float64
			for i := range want {
				effect += math.Abs(float64(want[i]-base[i])) / float64(len(want))
				off += math.Abs(float64(want[i]-got[i])) / float64(len(want))
			}
			if t.Logf("%s %s moves a token by %.4f nats; in int8 it is %.4f off", m.Config.Title(), digest, effect, off); !(effect > 0.05) || !(off < effect/6) {
				t.Errorf("%s: %s moves a token by %.4f nats; in int8 it is %.4f off", m.Config.Title(), digest, effect, off)
			}
		}
	}
}

// fedAdapter is a random adapter of values and of the part of the feed-forward half that is gated.
func fedAdapter(t *testing.T, m *Model, rank int) *adapter.Adapter {
	t.Helper()
	a, err := adapter.New(adapter.Config{Rank: rank, Alpha: float64(2 * rank), Modules: []string{"self_attn.v_proj", "mlp.up_proj"}}, m.Config, 5)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(rank), 6))
	for _, target := range a.Targets() {
		b := a.Factors[target].B
		for i := range b {
			b[i] = float32(rng.NormFloat64() * 0.6)
		}
	}
	return a
}
