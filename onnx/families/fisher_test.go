package families_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// sampledGradient runs the Fisher graph with noise so large at the golden's targets that these are the labels.
func (g *golden) sampledGradient(t *testing.T, tr graphs.Trainable, params []float32, by graphs.By) map[string][]float32 {
	t.Helper()
	graph, err := families.Of(g.cfg).Fisher(g.model.Initializer, tr, by)
	if err != nil {
		t.Fatal(err)
	}
	data, err := graph.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.NewSession(data, ort.SessionConfig{Threads: 1, ExternalDir: g.model.Dir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := g.trainInputs(t)
	for _, name := range []string{"target_ids", "target_probs", "target_heads", "tail_probs", "weights"} {
		delete(in, name)
	}
	noise := make([]float32, len(g.Train.Target)*g.cfg.Vocab)
	for p, label := range g.Train.Target {
		noise[p*g.cfg.Vocab+int(label)] = 1e4
	}
	put(t, in, "noise", noise, int64(len(g.Train.Target)), int64(g.cfg.Vocab))
	shapes, err := tr.Parameters(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, p := range shapes {
		n := int(p.Dims[0] * p.Dims[1])
		put(t, in, p.Name, params[at:at+n], p.Dims...)
		at += n
	}
	wanted, err := tr.Gradients(g.cfg, by)
	if err != nil {
		t.Fatal(err)
	}
	out := tensors{"loss": nil, "labels": nil}
	for _, w := range wanted {
		out["grad."+w.Name] = nil
	}
	if err := s.Run(in, out); err != nil {
		t.Fatal(err)
	}
	if labels := ort.Data[int64](out["labels"]); !slices.Equal(labels, g.Train.Target) {
		t.Errorf("labels %v, want %v", labels, g.Train.Target)
	}
	grads := map[string][]float32{}
	for _, w := range wanted {
		grads[w.Name] = ort.Data[float32](out["grad."+w.Name])
		if n := int(w.Dims[0] * w.Dims[1]); len(grads[w.Name]) != n {
			t.Fatalf("the gradient by %s has %d values, want %d", w.Name, len(grads[w.Name]), n)
		}
	}
	return grads
}

// TestFisherGradientsFollowTheChainRule: with G the gradient by the weight W + scale·A·B, the gradients by the factors are scale·G·Bᵀ
// and scale·Aᵀ·G.
func TestFisherGradientsFollowTheChainRule(t *testing.T) {
	for _, g := range goldens(t) {
		a := g.adapters(t)["full"]
		tr, params := g.trainable(a)
		factors, products := g.sampledGradient(t, tr, params, graphs.Factors), g.sampledGradient(t, tr, params, graphs.Products)
		weights, err := tr.Gradients(g.cfg, graphs.Products)
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for i, target := range tr.Targets {
			in, out, r := int(weights[i].Dims[0]), int(weights[i].Dims[1]), tr.Rank
			fa, fb := params[at:at+in*r], params[at+in*r:at+(in+out)*r]
			at += (in + out) * r
			big := products[weights[i].Name]
			wantA, wantB := make([]float64, in*r), make([]float64, r*out)
			for x := range in {
				for y := range out {
					for k := range r {
						wantA[x*r+k] += tr.Scale * float64(big[x*out+y]) * float64(fb[k*out+y])
						wantB[k*out+y] += tr.Scale * float64(big[x*out+y]) * float64(fa[x*r+k])
					}
				}
			}
			for name, want := range map[string][]float64{graphs.LoraA(target): wantA, graphs.LoraB(target): wantB} {
				var diff, norm float64
				for j, w := range want {
					diff += math.Pow(float64(factors[name][j])-w, 2)
					norm += w * w
				}
				if math.Sqrt(diff) > 1e-4*math.Sqrt(norm) || norm == 0 {
					t.Errorf("%s: %s differs from the chain rule by %g of its norm", g.name, name, math.Sqrt(diff/norm))
				}
			}
		}
	}
}

func TestFisherRefuses(t *testing.T) {
	g := goldens(t)[0]
	for name, c := range map[string]struct {
		trainable graphs.Trainable
		want      string
	}{
		"full":  {graphs.Trainable{Full: true}, "there are no products"},
		"layer": {graphs.Trainable{Rank: 1, Targets: []arch.Target{{Layer: 99, Module: "mlp.c_fc"}}}, "layer 99"},
	} {
		if _, err := families.Of(g.cfg).Fisher(g.model.Initializer, c.trainable, graphs.Products); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
