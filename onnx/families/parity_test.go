package families_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/models/safetensors"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// golden is what PyTorch, transformers and PEFT computed for one small random model; testdata/make_goldens.py made it.
type golden struct {
	name    string
	dir     string
	model   *checkpoint.Checkpoint
	cfg     arch.Shape
	values  map[string][]float32
	Prompts [][]int64 `json:"prompts"`
	Train   struct {
		Sequence []int     `json:"sequence"`
		Position []int     `json:"position"`
		Target   []int64   `json:"target"`
		Weight   []float32 `json:"weight"`
	} `json:"train"`
	Loss map[string]float64 `json:"loss"`
}

func goldens(t *testing.T) []*golden {
	t.Helper()
	ort.ForTest(t)
	files, err := filepath.Glob("../*/testdata/*/golden.json")
	if err != nil || len(files) < 13 {
		t.Fatalf("found %d goldens, want those of every family (%v)", len(files), err)
	}
	var list []*golden
	for _, path := range files {
		dir := filepath.Dir(path)
		g := &golden{name: filepath.Base(dir), dir: dir}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, g); err != nil {
			t.Fatal(err)
		}
		if g.model, err = checkpoint.Open(filepath.Join(dir, "checkpoint"), t.TempDir()); err != nil {
			t.Fatal(err)
		}
		g.cfg = g.model.Shape()
		g.values = floatsOf(t, filepath.Join(dir, "golden.safetensors"))
		list = append(list, g)
	}
	return list
}

// floatsOf reads all tensors of a file.
func floatsOf(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	f, err := safetensors.Open(path, safetensors.MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string][]float32{}
	for _, e := range f.Entries() {
		if values[e.Name], err = f.Floats(e.Name); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

func (g *golden) adapters(t *testing.T) map[string]*adapter.Adapter {
	t.Helper()
	m := map[string]*adapter.Adapter{}
	dirs, err := os.ReadDir(filepath.Join(g.dir, "adapters"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		a, err := adapter.Read(filepath.Join(g.dir, "adapters", d.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[d.Name()] = a
	}
	return m
}

// trainable turns an adapter into the trainable inputs of the training graph.
func (g *golden) trainable(a *adapter.Adapter) (graphs.Trainable, []float32) {
	tr := graphs.Trainable{Rank: a.Config.Rank, Scale: a.Config.Scale()}
	var params []float32
	for _, target := range a.Targets() {
		tr.Targets = append(tr.Targets, arch.Target{Layer: target.Layer, Module: target.Module})
		params = append(append(params, a.Factors[target].A...), a.Factors[target].B...)
	}
	return tr, params
}

func close4(a, b float64) bool { return math.Abs(a-b) <= 1e-4*math.Max(1, math.Abs(b)) }

// TestLogitsEqualTransformers runs every prompt through the decode graph, prefill and then token by token.
func TestLogitsEqualTransformers(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			whole := newDecoder(t, g.cfg, g.model.Initializer, g.model.Dir(), nil, 1)
			steps := newDecoder(t, g.cfg, g.model.Initializer, g.model.Dir(), nil, 1)
			for i, prompt := range g.Prompts {
				want := g.values[fmt.Sprintf("logits.%d", i)]
				for n := 1; n <= len(prompt); n++ {
					row := want[(n-1)*g.cfg.Vocab : n*g.cfg.Vocab]
					got := whole.run(t, 0, [][]int64{prompt[:n]}, 0, n)[0]
					if d := apart(got, row); d > 1e-4 {
						t.Errorf("prompt %d, %d tokens at once: logits differ by %g", i, n, d)
					}
					from := -1
					if n == 1 {
						from = 0
					}
					got = steps.run(t, 0, [][]int64{prompt[:n]}, from, 1)[0]
					if d := apart(got, row); d > 1e-4 {
						t.Errorf("prompt %d, token %d by token: logits differ by %g", i, n, d)
					}
				}
			}
		})
	}
}

// TestGradientsEqualPEFT compares loss, log-probabilities and every LoRA gradient.
func TestGradientsEqualPEFT(t *testing.T) {
	for _, g := range goldens(t) {
		for name, a := range g.adapters(t) {
			if _, ok := g.Loss[name]; !ok {
				continue
			}
			t.Run(g.name+"/"+name, func(t *testing.T) {
				g.gradients(t, a, g.trainInputs(t), g.Loss[name], func(key string) []float32 { return g.values[name+"/"+key] })
			})
		}
	}
}

// TestTeachersEqualPEFT compares the same where the targets are distributions of a teacher, some of them with a tail.
func TestTeachersEqualPEFT(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			var soft struct {
				IDs   [][]int64   `json:"target_ids"`
				Probs [][]float32 `json:"target_probs"`
				Heads [][]float32 `json:"target_heads"`
				Tails []float32   `json:"tail_probs"`
				Loss  float64     `json:"loss"`
			}
			data, err := os.ReadFile(filepath.Join(g.dir, "soft.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &soft); err != nil {
				t.Fatal(err)
			}
			want := floatsOf(t, filepath.Join(g.dir, "soft.safetensors"))
			in, n, k := g.trainInputs(t), int64(len(soft.IDs)), int64(len(soft.IDs[0]))
			put(t, in, "target_ids", slices.Concat(soft.IDs...), n, k)
			put(t, in, "target_probs", slices.Concat(soft.Probs...), n, k)
			put(t, in, "target_heads", slices.Concat(soft.Heads...), n, k)
			put(t, in, "tail_probs", soft.Tails, n)
			g.gradients(t, g.adapters(t)["rslora"], in, soft.Loss, func(key string) []float32 { return want[key] })
		})
	}
}

// gradients compares what the training graph gives for some inputs.
func (g *golden) gradients(t *testing.T, a *adapter.Adapter, in tensors, loss float64, wanted func(key string) []float32) {
	tr, params := g.trainable(a)
	graph, err := families.Of(g.cfg).Train(g.model.Initializer, tr)
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
	shapes, err := tr.Parameters(g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := tensors{"loss": nil, "logprobs": nil}
	for at, p := 0, 0; p < len(shapes); p++ {
		n := int(shapes[p].Dims[0] * shapes[p].Dims[1])
		put(t, in, shapes[p].Name, params[at:at+n], shapes[p].Dims...)
		out["grad."+shapes[p].Name] = nil
		at += n
	}
	if err := s.Run(in, out); err != nil {
		t.Fatal(err)
	}
	if got := float64(ort.Data[float32](out["loss"])[0]); !close4(got, loss) {
		t.Errorf("loss is %g, PEFT has %g", got, loss)
	}
	if len(wanted("logprobs")) != len(g.Train.Target) {
		t.Fatalf("the golden has %d log-probabilities of %d positions", len(wanted("logprobs")), len(g.Train.Target))
	}
	for i, want := range wanted("logprobs") {
		if got := ort.Data[float32](out["logprobs"])[i]; !close4(float64(got), float64(want)) {
			t.Errorf("log-probability %d is %g, PEFT has %g", i, got, want)
		}
	}
	for _, p := range shapes {
		want := wanted("grad." + p.Name)
		if len(want) == 0 {
			t.Fatalf("the golden has no gradient of %s", p.Name)
		}
		got := ort.Data[float32](out["grad."+p.Name])
		var diff, norm float64
		for i := range want {
			diff += math.Pow(float64(got[i]-want[i]), 2)
			norm += math.Pow(float64(want[i]), 2)
		}
		if math.Sqrt(diff) > 1e-4*math.Sqrt(norm) {
			t.Errorf("gradient of %s differs from PEFT's by %g of its norm", p.Name, math.Sqrt(diff/norm))
		}
	}
}

// trainInputs packs both prompts into one row, as two segments, with padding behind.
func (g *golden) trainInputs(t *testing.T) tensors {
	t.Helper()
	in := tensors{}
	columns := len(g.Prompts[0]) + len(g.Prompts[1]) + 2
	ids, positions, segments := make([]int64, columns), make([]int64, columns), make([]int64, columns)
	at, starts := 0, []int{}
	for s, prompt := range g.Prompts {
		starts = append(starts, at)
		for i, id := range prompt {
			ids[at], positions[at], segments[at] = id, int64(i), int64(s+1)
			at++
		}
	}
	n := int64(len(g.Train.Target))
	index, probs := make([]int64, n), make([]float32, n)
	for i := range index {
		index[i], probs[i] = int64(starts[g.Train.Sequence[i]]+g.Train.Position[i]), 1
	}
	put(t, in, "input_ids", ids, 1, int64(columns))
	put(t, in, "position_ids", positions, 1, int64(columns))
	put(t, in, "segment_ids", segments, 1, int64(columns))
	put(t, in, "loss_index", index, n)
	put(t, in, "target_ids", g.Train.Target, n, 1)
	put(t, in, "target_probs", probs, n, 1)
	put(t, in, "target_heads", make([]float32, n), n, 1)
	put(t, in, "tail_probs", make([]float32, n), n)
	put(t, in, "weights", g.Train.Weight, n)
	return in
}

// adapt gives each row an adapter, or none, with the ranks of the largest.
func adapt(t *testing.T, d *decoder, list []*adapter.Adapter) {
	t.Helper()
	ranks := 0
	for _, a := range list {
		if a != nil {
			ranks = max(ranks, (a.Config.Rank+7)/8*8)
		}
	}
	for layer := range d.cfg.Layers {
		for _, m := range d.cfg.Modules() {
			in, out, err := d.cfg.Dims(m)
			if err != nil {
				t.Fatal(err)
			}
			a, b := factor{make([]float32, len(list)*ranks*in), []int64{int64(ranks / 8), 8, int64(in)}}, factor{make([]float32, len(list)*ranks*out), []int64{int64(ranks), int64(out)}}
			for i, adapted := range list {
				if adapted == nil {
					continue
				}
				f, ok := adapted.Factors[arch.Target{Layer: layer, Module: m}]
				if !ok {
					continue
				}
				rank := adapted.Config.Rank
				for k := range rank {
					for x := range in {
						a.data[(i*ranks+k)*in+x] = f.A[x*rank+k]
					}
					for y := range out {
						b.data[(i*ranks+k)*out+y] = f.B[k*out+y] * float32(adapted.Config.Scale())
					}
				}
			}
			d.factors[graphs.LoraA(arch.Target{Layer: layer, Module: m})], d.factors[graphs.LoraB(arch.Target{Layer: layer, Module: m})] = a, b
		}
	}
}

// TestMixedAdaptersEqualPEFT decodes a batch in which every row has another adapter, or none.
func TestMixedAdaptersEqualPEFT(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			names, list := []string{""}, []*adapter.Adapter{nil}
			all := g.adapters(t)
			for _, n := range []string{"full", "rslora", "range", "full"} {
				if a, ok := all[n]; ok {
					names, list = append(names, n), append(list, a)
				}
			}
			d := newDecoder(t, g.cfg, g.model.Initializer, g.model.Dir(), g.cfg.Modules(), len(names))
			adapt(t, d, list)
			prompt := g.Prompts[0]
			for r := range names {
				d.run(t, r, [][]int64{prompt[:3]}, 0, 3)
			}
			for n := 4; n <= len(prompt); n++ {
				rows := make([][]int64, len(names))
				for r := range rows {
					rows[r] = prompt[:n]
				}
				got := d.run(t, 0, rows, -1, 1)
				for r, name := range names {
					key := "logits.0"
					if name != "" {
						key = name + "/logits.0"
					}
					want := g.values[key][(n-1)*g.cfg.Vocab : n*g.cfg.Vocab]
					if diff := apart(got[r], want); diff > 1e-4 {
						t.Errorf("row %d (%q), %d tokens: logits differ from PEFT's by %g", r, name, n, diff)
					}
				}
			}
		})
	}
}
