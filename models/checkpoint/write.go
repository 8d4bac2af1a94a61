package checkpoint

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"nightshift/internal/atomicfile"
	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// Write writes a checkpoint that transformers and Open read: config.json and model.safetensors, float32. tensors must be
// exactly those of the shape, finite, row-major. The same input always gives the same bytes. Existing files are replaced, each
// atomically; the weights come first.
func Write(dir string, shape arch.Shape, tensors map[string][]float32) error {
	if err := write(dir, shape, tensors); err != nil {
		return fmt.Errorf("write checkpoint %s: %w", dir, err)
	}
	return nil
}

func write(dir string, shape arch.Shape, tensors map[string][]float32) error {
	if err := shape.Check(); err != nil {
		return err
	}
	var files []safetensors.Tensor
	known := map[string]bool{}
	for _, t := range shape.Tensors() {
		values, ok := tensors[t.Name]
		if !ok {
			return fmt.Errorf("tensor %s is missing", t.Name)
		}
		if len(values) != t.Elements() {
			return fmt.Errorf("tensor %s has %d values, shape %v needs %d", t.Name, len(values), t.Dims, t.Elements())
		}
		for i, v := range values {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("tensor %s holds %v at index %d; every weight must be finite", t.Name, v, i)
			}
		}
		known[t.Name] = true
		for i, p := range t.Files() {
			read := func(visit func([]float32) error) error { return visit(unpack(t, i, values)) }
			files = append(files, safetensors.Tensor{Name: shape.Stored(p.Name), Shape: p.Dims, Read: read})
		}
	}
	for name := range tensors {
		if !known[name] {
			return fmt.Errorf("tensor %s has no place in this configuration", name)
		}
	}
	config, err := shape.Encode()
	if err != nil {
		return fmt.Errorf("encode config: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err = atomicfile.Create(filepath.Join(dir, single), 0o644, func(w io.Writer) error { return writeFile(w, files) })
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "config.json"), config, 0o644)
}

// writeFile writes one safetensors file as transformers does.
func writeFile(w io.Writer, tensors []safetensors.Tensor) error {
	return safetensors.Write(w, tensors, map[string]string{"format": "pt"})
}

// Random makes weights as GPT-2's training began: N(0, 0.02), the projections into the residual stream scaled by 1/√(2L)
// (Radford et al. 2019, section 2.3), biases 0, layer norms 1. Each tensor depends on the seed and its name alone.
func Random(shape arch.Shape, seed uint64) map[string][]float32 {
	tensors := map[string][]float32{}
	for _, t := range shape.Tensors() {
		values := make([]float32, t.Elements())
		tensors[t.Name] = values
		switch t.Start {
		case arch.Zeros:
		case arch.Ones:
			for i := range values {
				values[i] = 1
			}
		case arch.Residual:
			normal(values, t.Name, seed, 0.02/math.Sqrt(2*float64(shape.Layers)))
		case arch.Normal:
			normal(values, t.Name, seed, 0.02)
		}
	}
	return tensors
}

// normal fills values from N(0, deviation²) by the Box-Muller transform over PCG.
func normal(values []float32, name string, seed uint64, deviation float64) {
	stream := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(name) {
		stream = (stream ^ uint64(b)) * 1099511628211
	}
	rng := rand.NewPCG(seed, stream)
	unit := func() float64 { return (float64(rng.Uint64()>>11) + 0.5) / (1 << 53) }
	for i := 0; i < len(values); i += 2 {
		radius := deviation * math.Sqrt(-2*math.Log(unit()))
		sin, cos := math.Sincos(2 * math.Pi * unit())
		values[i] = float32(radius * cos)
		if i+1 < len(values) {
			values[i+1] = float32(radius * sin)
		}
	}
}
