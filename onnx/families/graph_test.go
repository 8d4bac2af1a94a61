package families_test

import (
	"math"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/checkpoint"
	"nightshift/onnx/families"
	"nightshift/onnx/graphs"
	"nightshift/onnx/ort"
)

// tensors collects ORT tensors for Session.Run.
type tensors map[string]*ort.Tensor

func put[T ort.Element](t testing.TB, m tensors, name string, data []T, dims ...int64) {
	t.Helper()
	v, err := ort.NewTensor(dims, data)
	if err != nil {
		t.Fatalf("make tensor %s: %v", name, err)
	}
	m[name] = v
}

// decoder runs the decode graph row by row against one cache.
type decoder struct {
	cfg     arch.Shape
	session *ort.Session
	rows    int
	cap     int
	keys    [][]float32
	values  [][]float32
	factors map[string]factor // of every row
}

// factor is an input for adapters, of the given shape for each row.
type factor struct {
	data []float32
	dims []int64
}

func newDecoder(t testing.TB, cfg arch.Shape, weights graphs.Weights, dir string, modules []string, rows int) *decoder {
	t.Helper()
	g, err := families.Of(cfg).Decode(weights, graphs.DecodeOptions{Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	data, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ort.NewSession(data, ort.SessionConfig{Threads: 1, ExternalDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	d := &decoder{cfg: cfg, session: s, rows: rows, cap: cfg.Context, factors: map[string]factor{}}
	for range cfg.Layers {
		d.keys = append(d.keys, make([]float32, rows*cfg.KVWidth()*cfg.Context))
		d.values = append(d.values, make([]float32, rows*cfg.KVWidth()*cfg.Context))
	}
	return d
}

// run feeds tokens[i][from[i]:to[i]] of rows first… in one call and returns the logits of the last column of each.
func (d *decoder) run(t testing.TB, first int, tokens [][]int64, from, n int) [][]float32 {
	t.Helper()
	in := tensors{}
	b := int64(len(tokens))
	var ids, positions, index []int64
	var lengths []int32
	total := int32(0)
	for r, row := range tokens {
		start := from
		if from < 0 { // decode: the last token of each row
			start = len(row) - 1
		}
		for c := range n {
			ids, positions = append(ids, row[start+c]), append(positions, int64(start+c))
		}
		index = append(index, int64(r*n+n-1))
		lengths = append(lengths, int32(start+n-1))
		total = max(total, int32(start+n))
	}
	put(t, in, "input_ids", ids, b, int64(n))
	put(t, in, "position_ids", positions, b, int64(n))
	put(t, in, "logit_index", index, b)
	put(t, in, "seqlens_k", lengths, b)
	put(t, in, "total_sequence_length", []int32{total}, 1)
	for name, f := range d.factors {
		size := len(f.data) / d.rows
		put(t, in, name, f.data[first*size:][:len(tokens)*size], append([]int64{b}, f.dims...)...)
	}
	out := tensors{}
	logits := make([]float32, len(tokens)*d.cfg.Vocab)
	put(t, out, "logits", logits, b, int64(d.cfg.Vocab))
	size := d.cfg.KVWidth() * d.cap
	for l := range d.cfg.Layers {
		dims := []int64{b, int64(d.cfg.KVHeads), int64(d.cap), int64(d.cfg.HeadSize)}
		put(t, in, graphs.PastKey(l), d.keys[l][first*size:][:len(tokens)*size], dims...)
		put(t, in, graphs.PastValue(l), d.values[l][first*size:][:len(tokens)*size], dims...)
		out[graphs.PresentKey(l)], out[graphs.PresentValue(l)] = in[graphs.PastKey(l)], in[graphs.PastValue(l)]
	}
	binding, err := d.session.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	defer binding.Close()
	for name, v := range in {
		if err := binding.Input(name, v); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range out {
		if err := binding.Output(name, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := binding.Run(); err != nil {
		t.Fatal(err)
	}
	var rows [][]float32
	for r := range tokens {
		rows = append(rows, logits[r*d.cfg.Vocab:(r+1)*d.cfg.Vocab])
	}
	return rows
}

func apart(a, b []float32) float64 {
	worst := 0.0
	for i := range a {
		worst = math.Max(worst, math.Abs(float64(a[i]-b[i])))
	}
	return worst
}

// randomModel writes a random checkpoint with weights large enough for differences to show.
func randomModel(t testing.TB, cfg arch.Shape) *checkpoint.Checkpoint {
	t.Helper()
	dir := t.TempDir()
	weights := checkpoint.Random(cfg, 7)
	for _, w := range weights {
		for i := range w {
			if w[i] != 1 {
				w[i] *= 8
			}
		}
	}
	if err := checkpoint.Write(dir, cfg, weights); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRaggedDecodeEqualsFullForward(t *testing.T) {
	ort.ForTest(t)
	cfg := arch.GPT2(arch.Shape{Layers: 2, Heads: 2, Width: 16, Context: 32, Vocab: 40, Inner: 48, Activation: "gelu_new", Epsilon: 1e-5, ScaleAttn: true, TiedHead: true})
	c := randomModel(t, cfg)
	lengths := []int{5, 9, 2}
	var tokens [][]int64
	for r, n := range lengths {
		row := make([]int64, n+6)
		for i := range row {
			row[i] = int64((7*i + 11*r + i*i) % cfg.Vocab)
		}
		tokens = append(tokens, row)
	}
	d := newDecoder(t, cfg, c.Initializer, c.Dir(), nil, len(tokens))
	for r, n := range lengths { // prompts one at a time, the longest in two chunks
		row := tokens[r][:n]
		if n > 8 {
			d.run(t, r, [][]int64{row}, 0, 4)
			d.run(t, r, [][]int64{row}, 4, n-4)
		} else {
			d.run(t, r, [][]int64{row}, 0, n)
		}
	}
	full := newDecoder(t, cfg, c.Initializer, c.Dir(), nil, 1)
	for step := range 5 {
		var rows [][]int64
		for r, n := range lengths {
			rows = append(rows, tokens[r][:n+step+1])
		}
		got := d.run(t, 0, rows, -1, 1)
		for r := range rows {
			want := full.run(t, 0, rows[r:r+1], 0, len(rows[r]))
			if diff := apart(got[r], want[0]); diff > 1e-4 {
				t.Errorf("step %d row %d: ragged decode and full forward differ by %g", step, r, diff)
			}
		}
	}

}
