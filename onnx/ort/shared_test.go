package ort_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/procfs"

	"nightshift/onnx/ort"
)

// side is the size of a square weight: 16 MB, which no allocator hides.
const side = 2048

// sharer is a model with a square weight, which it multiplies x [B,side] by and adds how often.
func sharer(file, offset, length string, times int) []byte {
	m := model{
		nodes:   [][]byte{node("MatMul", []string{"x", "w"}, []string{"y0"})},
		weights: [][]byte{external("w", []int64{side, side}, file, offset, length)},
		inputs:  [][]byte{value("x", 1, []int64{-1, side})},
	}
	last := "y0"
	for i := 1; i < times; i++ {
		next := "y" + strings.Repeat("i", i)
		m.nodes = append(m.nodes, node("Add", []string{last, "y0"}, []string{next}))
		last = next
	}
	m.outputs = [][]byte{value(last, 1, []int64{-1, side})}
	return m.encode()
}

// squareWeight writes a diagonal of twos behind a header of 64 bytes, and returns its folder.
func squareWeight(t *testing.T) string {
	t.Helper()
	raw := make([]byte, 64+4*side*side)
	for i := range side {
		binary.LittleEndian.PutUint32(raw[64+4*(i*side+i):], math.Float32bits(2))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const squareLength = "16777216"

func shared(t *testing.T, dir string) *ort.SharedWeights {
	t.Helper()
	ort.ForTest(t)
	w, err := ort.NewSharedWeights(dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// anonymous is how much memory of its own this process has in RAM, in bytes, where the system tells.
func anonymous() (size int64, ok bool) {
	self, err := procfs.Self()
	if err != nil {
		return 0, false
	}
	status, err := self.NewStatus()
	return int64(status.RssAnon), err == nil
}

// Two models over the same weights give what each gives alone, and the second one takes no memory for them.
func TestSharedWeights(t *testing.T) {
	w := shared(t, squareWeight(t))
	x, last := make([]float32, side), float32(side-1)
	for i := range x {
		x[i] = float32(i)
	}
	in := map[string]*ort.Tensor{"x": tensor(t, []int64{1, side}, x...)}
	var grown []int64
	for times := 1; times <= 2; times++ {
		before, readable := anonymous()
		s := session(t, sharer("weights.bin", "64", squareLength, times), ort.SessionConfig{Weights: w})
		after, _ := anonymous()
		if readable { // not on every system
			grown = append(grown, after-before)
		}
		name := s.Outputs()[0].Name
		out := map[string]*ort.Tensor{name: nil}
		if err := s.Run(in, out); err != nil {
			t.Fatal(err)
		}
		if y := ort.Data[float32](out[name]); y[1] != 2*float32(times) || y[side-1] != 2*float32(times)*last {
			t.Errorf("added %d times: %v and %v", times, y[1], y[side-1])
		}
		out[name].Close()
		if err := w.Close(); err == nil {
			t.Fatal("weights were freed under a session")
		}
		t.Cleanup(func() { // before the sessions' own, which come last
			s.Close()
			if times == 1 {
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				_, err := ort.NewSession(sharer("weights.bin", "64", squareLength, 1), ort.SessionConfig{Threads: 1, Weights: w})
				mention(t, err, "already closed")
			}
		})
	}
	if len(grown) == 2 && (grown[0] < 4*side*side || grown[1] > side*side) {
		t.Errorf("the sessions took %d bytes", grown)
	}
}

func TestSharedWeightsErrors(t *testing.T) {
	dir := squareWeight(t)
	w := shared(t, dir)
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := os.WriteFile(filepath.Join(dir, "empty.bin"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file, offset, length string
		words                []string
	}{
		"no such file":    {"absent.bin", "64", squareLength, []string{"weight w", "absent.bin"}},
		"empty file":      {"empty.bin", "64", squareLength, []string{"weight w", "has 0 bytes"}},
		"beyond the file": {"weights.bin", "65", squareLength, []string{"weight w", "weights.bin", "16777280 bytes"}},
		"negative":        {"weights.bin", "-1", squareLength, []string{"weight w", "weights.bin"}},
		"no number":       {"weights.bin", "x", squareLength, []string{"offset", `"x"`}},
		"outside":         {"../weights.bin", "64", squareLength, []string{"weight w", "../weights.bin is not in"}},
		"too short":       {"weights.bin", "64", "8", []string{"weight w"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ort.NewSession(sharer(c.file, c.offset, c.length, 1), ort.SessionConfig{Threads: 1, Weights: w})
			mention(t, err, append(c.words, "load model")...)
		})
	}
	session(t, sharer("weights.bin", "64", squareLength, 1), ort.SessionConfig{Weights: w}).Close()
	_, err := ort.NewSession(sharer("weights.bin", "60", squareLength, 1), ort.SessionConfig{Threads: 1, Weights: w})
	mention(t, err, "weight w", "other data of that name")
	_, err = ort.NewSharedWeights(filepath.Join(dir, "absent"))
	mention(t, err, "share weights", "absent")
}
