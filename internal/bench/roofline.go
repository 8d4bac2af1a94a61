package bench

import (
	"fmt"
	"sync"
	"time"

	"nightshift/onnx"
	"nightshift/onnx/ort"
)

// Bandwidth reads a large array with threads goroutines for about duration and returns the best pass in GB/s
// (10⁹ bytes).
func Bandwidth(threads int, duration time.Duration) float64 {
	const size = 1 << 26 // float32 values, 256 MiB: far beyond any cache
	data := ort.AlignedFloats(size)
	defer ort.FreeFloats(data) //nolint:errcheck // nothing holds it
	for i := range data {
		data[i] = 1
	}
	part := size / threads
	best := 0.0
	sums := make([]float32, threads*16)
	for start := time.Now(); time.Since(start) < duration; {
		begin := time.Now()
		var wg sync.WaitGroup
		for t := range threads {
			wg.Go(func() { sums[t*16] += sum(data[t*part : (t+1)*part]) })
		}
		wg.Wait()
		best = max(best, 4*float64(part*threads)/time.Since(begin).Seconds()/1e9)
	}
	return best
}

// sum adds one value of every 64-byte line, so that memory and not arithmetic is the limit.
func sum(data []float32) float32 {
	var a, b, c, d float32
	for i := 0; i+64 <= len(data); i += 64 {
		a += data[i]
		b += data[i+16]
		c += data[i+32]
		d += data[i+48]
	}
	return a + b + c + d
}

// MatrixRate multiplies two 2048×2048 float32 matrices in ONNX Runtime for about duration and returns the best pass
// in GFLOP/s.
func MatrixRate(threads int, duration time.Duration) (float64, error) {
	const n = 2048
	g := onnx.NewGraph("matrix")
	a, b := g.Input("a", onnx.Float, onnx.N(n), onnx.N(n)), g.Input("b", onnx.Float, onnx.N(n), onnx.N(n))
	g.Output("c", g.MatMul(a, b))
	data, err := g.Encode()
	if err != nil {
		return 0, err
	}
	s, err := ort.NewSession(data, ort.SessionConfig{Threads: threads, Spin: true})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	binding, err := s.NewBinding()
	if err != nil {
		return 0, err
	}
	for i, name := range []string{"a", "b", "c"} {
		values := ort.AlignedFloats(n * n)
		for j := range values {
			values[j] = float32(j%7) - 3
		}
		t, err := ort.NewTensor([]int64{n, n}, values)
		if err != nil {
			return 0, err
		}
		bind := binding.Input
		if i == 2 {
			bind = binding.Output
		}
		if err := bind(name, t); err != nil {
			return 0, fmt.Errorf("measure matrix rate: %w", err)
		}
	}
	best := 0.0
	for start := time.Now(); time.Since(start) < duration; {
		begin := time.Now()
		if err := binding.Run(); err != nil {
			return 0, fmt.Errorf("measure matrix rate: %w", err)
		}
		best = max(best, 2*n*n*n/time.Since(begin).Seconds()/1e9)
	}
	return best, nil
}
