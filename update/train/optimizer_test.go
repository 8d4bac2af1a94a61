package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"nightshift/models/safetensors"
)

// goldens are eight steps of clip_grad_norm_ and torch.optim.AdamW; see onnx/gpt2/testdata/make_goldens.py.
var goldens = filepath.Join("..", "..", "onnx", "gpt2", "testdata")

// column reads a float32 tensor of the golden file.
func column(t *testing.T, f *safetensors.File, name string) []float32 {
	t.Helper()
	values, err := f.Floats(name)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func TestAdamWAgreesWithPyTorch(t *testing.T) {
	var settings struct {
		Rate    float64   `json:"lr"`
		Decay   float64   `json:"weight_decay"`
		MaxNorm float64   `json:"max_norm"`
		Norms   []float64 `json:"norms"`
	}
	data, err := os.ReadFile(filepath.Join(goldens, "adamw.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &settings); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(filepath.Join(goldens, "adamw.safetensors"), safetensors.MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	params, grads, want := column(t, f, "start"), column(t, f, "grads"), column(t, f, "params")
	n := len(params)
	if len(grads) != n*len(settings.Norms) || len(want) != len(grads) || n == 0 {
		t.Fatalf("%d parameters, %d gradients, %d results", n, len(grads), len(want))
	}
	o := NewAdamW(n, settings.Decay)
	for step, norm := range settings.Norms {
		g := grads[step*n : (step+1)*n]
		if got := ClipNorm(g, settings.MaxNorm); math.Abs(got-norm) > 1e-5*norm {
			t.Errorf("step %d: norm %g, want %g", step, got, norm)
		}
		o.Step(params, g, settings.Rate)
		for i, w := range want[step*n : (step+1)*n] {
			if math.Abs(float64(params[i]-w)) > 2e-6 {
				t.Fatalf("step %d, parameter %d: %g, want %g", step, i, params[i], w)
			}
		}
	}
}

func TestClipNorm(t *testing.T) {
	for _, c := range []struct {
		limit float64
		want  []float32
	}{{0, []float32{3, 4}}, {10, []float32{3, 4}}, {5, []float32{3, 4}}, {1, []float32{0.6, 0.8}}} {
		g := []float32{3, 4}
		if norm := ClipNorm(g, c.limit); norm != 5 {
			t.Errorf("norm %g, want 5", norm)
		}
		for i := range g {
			if math.Abs(float64(g[i]-c.want[i])) > 1e-5 {
				t.Errorf("limit %g: %v, want %v", c.limit, g, c.want)
			}
		}
	}
}

func TestSchedule(t *testing.T) {
	s := Schedule{Rate: 2, Floor: 0.1, Warmup: 4, Steps: 24}
	for step, want := range map[int]float64{0: 0.5, 1: 1, 3: 2, 4: 2, 14: 1.1, 24: 0.2, 30: 0.2} {
		if got := s.At(step); math.Abs(got-want) > 1e-12 {
			t.Errorf("step %d: %g, want %g", step, got, want)
		}
	}
	for step := 5; step <= 24; step++ {
		if s.At(step) >= s.At(step-1) {
			t.Errorf("the rate does not fall at step %d", step)
		}
	}
	if got := (Schedule{Rate: 3, Warmup: 5, Steps: 5}).At(7); got != 3 {
		t.Errorf("without a decay the rate is %g", got)
	}
}
