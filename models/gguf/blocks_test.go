package gguf

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// matrices is a file with one random matrix of each type that has Blocks, some blocks of them zero, constant or tiny.
func matrices(t *testing.T) *File {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 6*128)
	for i := range values {
		values[i] = float32(rng.NormFloat64() * math.Pow(10, float64(i/32%5-2)))
	}
	for i := range 32 {
		values[32+i], values[64+i], values[96+i] = 0, -0.375, 1e-7*float32(i)
	}
	var tensors []Source
	for _, kind := range []Type{Q4_0, Q4_1, Q8_0} {
		tensors = append(tensors, Source{Name: kind.String(), Type: kind, Shape: []int64{6, 128}, Values: values})
	}
	tensors = append(tensors, Source{Name: "plain", Type: F32, Shape: []int64{6, 128}, Values: values},
		Source{Name: "vector", Type: Q4_0, Shape: []int64{768}, Values: values})
	data, err := Encode(nil, tensors)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBlocksAreWhatChunksYields(t *testing.T) {
	f := matrices(t)
	for _, name := range []string{"Q4_0", "Q4_1", "Q8_0"} {
		want := floats(t, f, name)
		var got []float32
		err := f.Blocks(name, func(b *Block) error {
			for _, v := range b.Values {
				got = append(got, b.Scale*float32(v)+b.Minimum)
			}
			return nil
		})
		for i := range want {
			if err != nil || len(got) != len(want) || got[i] != want[i] {
				t.Fatalf("%s: another value at index %d (%v)", name, i, err)
			}
		}
	}
}

// TestPackedComputesTheSame reads packed arrays as MatMulNBits does.
func TestPackedComputesTheSame(t *testing.T) {
	f := matrices(t)
	for _, name := range []string{"Q4_0", "Q4_1", "Q8_0"} {
		p, err := f.Pack(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Out != 6 || p.In != 128 || len(p.Scales) != 24 || len(p.Weights) != 6*128*p.Bits/8 || (p.Minimums != nil) != (name == "Q4_1") {
			t.Fatalf("%s: %d by %d, %d scales, %d bytes", name, p.Out, p.In, len(p.Scales), len(p.Weights))
		}
		zeros, offsets := p.ZeroPoints(), p.Offsets()
		for i, want := range floats(t, f, name) {
			block := i / BlockSize
			value, usual := float32(p.Weights[i*p.Bits/8]), float32(8)
			if p.Bits == 8 {
				usual = 128
			} else if value = float32(p.Weights[i/2] & 15); i%2 == 1 {
				value = float32(p.Weights[i/2] >> 4)
			}
			scale := p.Scales[block]
			if name != "Q4_1" {
				if got := scale * (value - usual); got != want || zeros != nil || offsets != nil {
					t.Fatalf("%s: got %v at index %d, want %v", name, got, i, want)
				}
				continue
			}
			if got := scale*value + p.Minimums[block]; got != want {
				t.Fatalf("with a minimum: got %v at index %d, want %v", got, i, want)
			}
			most := math.Ldexp(max(math.Abs(float64(want)), math.Abs(float64(p.Minimums[block]))), -22)
			if got := scale * (value - zeros[block]); math.Abs(float64(got-want)) > most {
				t.Errorf("with a zero point: got %v at index %d, want %v", got, i, want)
			}
			most += math.Ldexp(math.Abs(float64(8*scale)), -22)
			if got := scale*(value-8) + offsets[block]; math.Abs(float64(got-want)) > most {
				t.Errorf("with an offset: got %v at index %d, want %v", got, i, want)
			}
		}
		if name == "Q4_1" && (p.Scales[1] != 0 || zeros[1] != 0 || p.Scales[2] != -0.375 || zeros[2] != -1) {
			t.Errorf("constant blocks have scales %v and zero points %v", p.Scales[1:3], zeros[1:3])
		}
	}
}

func TestPackRefuses(t *testing.T) {
	f := matrices(t)
	for name, want := range map[string]string{
		"plain": "tensor plain: its type is F32, want Q4_0, Q4_1 or Q8_0", "vector": "its shape is [768], want a matrix", "none": "no such tensor",
	} {
		if _, err := f.Pack(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, want)
		}
	}
	if err := f.Blocks("none", nil); err == nil {
		t.Error("a tensor that is not there was read")
	}
}
