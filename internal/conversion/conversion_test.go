package conversion

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/engine"
	"nightshift/internal/longtest"
	"nightshift/lab/pretrain"
	"nightshift/models/demo"
	"nightshift/models/quantize"
	"nightshift/onnx/ort"
)

// shipped opens the model that ships.
func shipped(t *testing.T) (m *engine.Model, dir, cache string) {
	t.Helper()
	ort.ForTest(t)
	cache = t.TempDir()
	dir, err := demo.Dir(cache)
	if err != nil {
		t.Fatal(err)
	}
	m, err = engine.LoadModel(dir, cache)
	if err != nil {
		t.Fatal(err)
	}
	return m, dir, cache
}

func options(format, cache string) Options {
	return Options{Options: quantize.Defaults(format), CacheDir: cache, Threads: 2, Limit: Limits[format]}
}

// TestShippedModel converts the model that ships and measures what it still knows.
func TestShippedModel(t *testing.T) {
	m, dir, cache := shipped(t)
	text, err := Read(m, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{quantize.Int8, quantize.Int4} {
		t.Run(format, func(t *testing.T) {
			r, err := Run(t.Context(), m, text, options(format, cache))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+.5f ± %.5f nats per token on %d tokens, from %.4f", r.Change, r.Uncertainty, r.Measured, r.Float32.Nats)
			if !(r.Change <= Limits[format]) || r.Change == 0 || r.Measured < 1000 || !r.Kept || m.Quantized != nil {
				t.Errorf("report %+v", r)
			}
			q, err := engine.LoadModelAs(dir, cache, format)
			if err != nil {
				t.Fatal(err)
			}
			if q.Weights() != format || q.Dir() != q.Quantized.Dir() || q.Quantized.Text() == "" || r.Bytes*2 > 8<<20 {
				t.Errorf("weights %s in %s, %d bytes", q.Weights(), q.Dir(), r.Bytes)
			}
			if !longtest.Wanted() {
				return
			}
			quality := answers(t, q)
			t.Logf("%.2f %% of %d right, %.1f %% of %d foreign questions refused", 100*quality.Facts, quality.Asked, 100*quality.Refusals, quality.Foreign)
			if quality.Facts < 0.95 || quality.Refusals < 0.9 {
				t.Errorf("%.2f %% of the questions were answered with the right fact, want 95 %%; %.1f %% of the foreign ones refused, want 90 %%: %q",
					100*quality.Facts, 100*quality.Refusals, quality.Examples)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "conversion-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// answers asks a model the questions that nothing was trained on.
func answers(t *testing.T, m *engine.Model) pretrain.Quality {
	t.Helper()
	e, err := engine.New(m, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	defer func() { stop(); <-done; e.Close() }()
	q, err := pretrain.Evaluate(ctx, e, demo.Heldout)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// spoiled is the model that ships with outliers.
func spoiled(t *testing.T, m *engine.Model, dir string) (*engine.Model, string) {
	t.Helper()
	to := t.TempDir()
	if err := WriteOutliers(m.Checkpoint, dir, to); err != nil {
		t.Fatal(err)
	}
	s, err := engine.LoadModel(to, "")
	if err != nil {
		t.Fatal(err)
	}
	return s, to
}

// TestSmoothingBringsOutliersBack converts a model with outlier channels with and without smoothing.
func TestSmoothingBringsOutliersBack(t *testing.T) {
	longtest.Skip(t)
	m, dir, cache := shipped(t)
	s, dir := spoiled(t, m, dir)
	text, err := Read(s, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	worst := func(r Report) (e float64) { // of the linears that layer norms feed
		for _, l := range r.Linears {
			if strings.HasSuffix(l.Name, "c_attn") || strings.HasSuffix(l.Name, "c_fc") {
				e = max(e, *l.Error)
			}
		}
		return e
	}
	for _, format := range []string{quantize.Int8, quantize.Int4} {
		opt := options(format, cache)
		opt.Worst4, opt.Worst8, opt.Force = 10, 10, true // no linear is kept back
		smooth, err := Run(t.Context(), s, text, opt)
		if err != nil {
			t.Fatal(err)
		}
		opt.Alphas = nil
		rough, err := Run(t.Context(), s, text, opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: with smoothing %+.5f nats per token and a relative error of %.4f, without %+.5f and %.4f", format, smooth.Change, worst(smooth), rough.Change, worst(rough))
		limit := map[string]float64{quantize.Int8: 0.02, quantize.Int4: 0.07}[format]
		if !(smooth.Change <= Limits[format]) || !(worst(smooth) < limit) {
			t.Errorf("%s: with smoothing %+.5f nats per token, relative error %.4f", format, smooth.Change, worst(smooth))
		}
		if !(worst(rough) > 1.5*limit) || !(rough.Change > smooth.Change) {
			t.Errorf("%s: without smoothing %+.5f nats per token, relative error %.4f: the fixture has no outliers", format, rough.Change, worst(rough))
		}
	}
}

// TestLossIsRefused asks for less loss than is possible.
func TestLossIsRefused(t *testing.T) {
	longtest.Skip(t)
	m, dir, cache := shipped(t)
	text, err := Read(m, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	text.Sequences = text.Sequences[:40]
	opt := options(quantize.Int8, cache)
	opt.Limit = -1
	r, err := Run(t.Context(), m, text, opt)
	if !errors.Is(err, ErrLoss) || r.Kept || len(r.Linears) == 0 || r.Measured == 0 || r.Attempts != 4 {
		t.Errorf("%v, report %+v", err, r)
	}
	kept := 0
	for _, l := range r.Linears {
		if l.Weights == quantize.Float32 {
			kept++
		}
	}
	if kept < 10 { // 2, 5 and 9 of 17, the head perhaps among them
		t.Errorf("%d linears are float32 in the last attempt", kept)
	}
	if _, err := engine.LoadModelAs(dir, cache, quantize.Int8); err == nil || !strings.Contains(err.Error(), "nightshift import") {
		t.Errorf("a conversion that was refused: %v", err)
	}
	opt.Force = true
	var stages []string
	opt.Progress = func(stage string, done, total int) {
		if done == total {
			stages = append(stages, stage)
		}
	}
	if _, err := Run(t.Context(), m, text, opt); err != nil {
		t.Fatal(err)
	}
	if want := []string{"calibrate", "measure float32", "convert", "measure int8"}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	before, err := os.Stat(filepath.Join(r.Dir, quantize.FileName))
	if err != nil {
		t.Fatal(err)
	}
	opt.Force = false
	if _, err := Run(t.Context(), m, text, opt); !errors.Is(err, ErrLoss) {
		t.Error(err)
	}
	if after, err := os.Stat(filepath.Join(r.Dir, quantize.FileName)); err != nil || !os.SameFile(before, after) {
		t.Errorf("a refused conversion replaced the one that was there (%v)", err)
	}
	text.Sequences = text.Sequences[:3]
	if _, err := Run(t.Context(), m, text, opt); err == nil || !strings.Contains(err.Error(), "3 pieces") {
		t.Errorf("too little text: %v", err)
	}
}

// TestStop asks a conversion to stop.
func TestStop(t *testing.T) {
	m, dir, cache := shipped(t)
	text, err := Read(m, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	text.Sequences = text.Sequences[:60]
	ctx, stop := context.WithCancel(t.Context())
	opt := options(quantize.Int4, cache)
	opt.Progress = func(stage string, _, _ int) {
		if stage == "convert" {
			stop()
		}
	}
	if _, err := Run(ctx, m, text, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("a conversion that was asked to stop: %v", err)
	}
}

// TestObserve compares what the graph saw before the first linear with what follows from the weights.
func TestObserve(t *testing.T) {
	m, dir, _ := shipped(t)
	text, err := Read(m, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	seen, tokens, err := observe(t.Context(), m, text.Sequences[:80], Options{})
	if err != nil {
		t.Fatal(err)
	}
	packed := pack(text.Sequences[:80], 256, maxCalibration)
	if tokens != len(packed.ids) || packed.count() < 3 {
		t.Fatalf("%d tokens, %d rows", tokens, packed.count())
	}
	floats := func(name string) []float32 {
		v, err := m.Checkpoint.Floats(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	wte, wpe, gain, bias := floats("wte.weight"), floats("wpe.weight"), floats("h.0.ln_1.weight"), floats("h.0.ln_1.bias")
	w := m.Config.Width
	largest, mean, square := make([]float64, w), make([]float64, w), make([]float64, w)
	for i, id := range packed.ids {
		x := make([]float64, w)
		var sum, squares float64
		for c := range x {
			x[c] = float64(wte[int(id)*w+c]) + float64(wpe[int(packed.positions[i])*w+c])
			sum += x[c]
			squares += x[c] * x[c]
		}
		mu := sum / float64(w)
		scale := 1 / math.Sqrt(squares/float64(w)-mu*mu+m.Config.Epsilon)
		for c := range x {
			v := (x[c]-mu)*scale*float64(gain[c]) + float64(bias[c])
			largest[c] = max(largest[c], math.Abs(v))
			mean[c] += v / float64(tokens)
			square[c] += v * v / float64(tokens)
		}
	}
	a := seen["h.0.attn.c_attn"]
	for c := range w {
		for _, p := range [][2]float64{{float64(a.Max[c]), largest[c]}, {float64(a.Mean[c]), mean[c]}, {float64(a.Square[c]), square[c]}} {
			if math.Abs(p[0]-p[1]) > 1e-3*(1+math.Abs(p[1])) {
				t.Fatalf("channel %d: saw %v, want %v", c, p[0], p[1])
			}
		}
	}
	for _, l := range m.Checkpoint.Shape().Linears() {
		if a := seen[l.String()]; a == nil || len(a.Rows)/len(a.Max) < sampled/2 || len(a.OutMean) == 0 {
			t.Errorf("%s was not looked at", l)
		}
	}
}
