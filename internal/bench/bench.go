// Package bench measures the program on the machine it runs on: decoding and training on random weights of a named
// shape, beside the machine's own memory bandwidth and matrix rate, measured in the same run. Absolute figures depend
// on the machine and its neighbours; the shares of the roofline are what to compare.
package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"nightshift/internal/engine"
	"nightshift/models/checkpoint"
	"nightshift/onnx/gpt2"
)

// Result is one line of a benchmark's output; the last line of a run is its summary.
type Result struct {
	Bench           string  `json:"bench"`
	Shape           string  `json:"shape,omitempty"`
	Weights         string  `json:"weights,omitempty"`
	Batch           int     `json:"batch,omitempty"`
	Threads         int     `json:"threads,omitempty"`
	TokensPerSecond float64 `json:"tokens_per_second,omitempty"`
	StepP50         float64 `json:"step_ms_p50,omitempty"`
	StepP99         float64 `json:"step_ms_p99,omitempty"`
	PeakRSS         float64 `json:"peak_rss_mb,omitempty"`
	// RooflineShare is the share of the measured memory bandwidth (decode) or of the measured matrix rate (train).
	RooflineShare float64 `json:"roofline_share,omitempty"`
	Bandwidth     float64 `json:"bandwidth_gb_s,omitempty"` // measured read bandwidth
	MatrixRate    float64 `json:"matrix_gflop_s,omitempty"` // measured float32 matrix rate
	Achieved      float64 `json:"achieved,omitempty"`       // GB/s (decode) or GFLOP/s (train)
	Summary       bool    `json:"summary,omitempty"`
}

// shapes are the named model shapes.
var shapes = map[string]checkpoint.Config{
	"gpt2":        {Layers: 12, Heads: 12, Width: 768, Context: 1024, Vocab: 50257},
	"gpt2-medium": {Layers: 24, Heads: 16, Width: 1024, Context: 1024, Vocab: 50257},
	"gpt2-large":  {Layers: 36, Heads: 20, Width: 1280, Context: 1024, Vocab: 50257},
	"gpt2-xl":     {Layers: 48, Heads: 25, Width: 1600, Context: 1024, Vocab: 50257},
	"demo":        {Layers: 4, Heads: 6, Width: 192, Context: 256, Vocab: 2048},
}

// Shape returns a named shape, or one written as layers,heads,width,vocabulary,context.
func Shape(name string) (checkpoint.Config, error) {
	c, ok := shapes[name]
	if !ok {
		parts := strings.Split(name, ",")
		if len(parts) != 5 {
			names := make([]string, 0, len(shapes))
			for n := range shapes {
				names = append(names, n)
			}
			slices.Sort(names)
			return c, fmt.Errorf("shape %q is not known: use one of %s, or layers,heads,width,vocabulary,context", name, strings.Join(names, ", "))
		}
		for i, into := range []*int{&c.Layers, &c.Heads, &c.Width, &c.Vocab, &c.Context} {
			n, err := strconv.Atoi(strings.TrimSpace(parts[i]))
			if err != nil || n < 1 {
				return c, fmt.Errorf("shape %q: %q is not a positive number", name, parts[i])
			}
			*into = n
		}
	}
	c.Inner, c.Activation, c.Epsilon, c.ScaleAttn, c.TiedHead = 4*c.Width, "gelu_new", 1e-5, true, true
	c.EOS, c.BOS = c.Vocab-1, c.Vocab-1
	return c, c.Check()
}

// RandomModel opens a model of a shape with random weights, made once and kept in the cache. It has no tokenizer.
func RandomModel(shape, cacheDir string) (*engine.Model, error) {
	cfg, err := Shape(shape)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cacheDir, "bench", strings.ReplaceAll(shape, ",", "-"))
	if _, err := os.Stat(filepath.Join(dir, "model.safetensors")); os.IsNotExist(err) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make random model: %w", err)
		}
		if err := checkpoint.Write(dir, cfg, checkpoint.Random(cfg, 1)); err != nil {
			return nil, fmt.Errorf("make random model: %w", err)
		}
	}
	c, err := checkpoint.Open(dir, cacheDir)
	if err != nil {
		return nil, err
	}
	return &engine.Model{Checkpoint: c, Config: gpt2.Config(c.Config())}, nil
}

// peakRSS is the largest resident set of this process so far, in megabytes.
func peakRSS() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}

// quantile is the q-quantile of values, which it sorts.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(len(values)-1, int(q*float64(len(values))))]
}

// matrixParameters counts the weights that a token is multiplied with: every linear and the head.
func matrixParameters(c gpt2.Config) int {
	perLayer := 0
	for _, m := range gpt2.Modules {
		in, out, err := c.ModuleShape(m)
		if err == nil {
			perLayer += in * out
		}
	}
	return c.Layers*perLayer + c.Vocab*c.Width
}
