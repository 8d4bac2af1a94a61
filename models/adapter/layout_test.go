package adapter

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// TestLayout takes the factors out of a file's bytes and compares them with the parsed ones.
func TestLayout(t *testing.T) {
	base := shape(3, 8, 24)
	made, err := New(Config{Rank: 3, Alpha: 6, Modules: []string{"attn.c_attn", "mlp.c_proj"}, Layers: []int{0, 2}}, base, 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range made.Factors {
		for i := range f.B {
			f.B[i] = float32(i) - 7.5
		}
	}
	config, weights, err := made.Files()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Parse(config, weights)
	if err != nil {
		t.Fatal(err)
	}
	l, err := a.Layout(weights)
	if err != nil || l.Size() != len(weights) || l.Targets() != 4 || l.Config.Rank != 3 || l.Config.Scale() != 2 {
		t.Fatalf("layout %+v, %v", l, err)
	}
	at := func(b []byte, i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])) }
	for _, target := range a.Targets() {
		in, out := a.Dims(target)
		fa, fb := l.Factors(weights, target)
		if len(fa) != 4*3*in || len(fb) != 4*3*out {
			t.Fatalf("%s: %d and %d bytes", target, len(fa), len(fb))
		}
		for r := range 3 {
			for i := range in {
				if got, want := at(fa, r*in+i), a.Factors[target].A[i*3+r]; got != want {
					t.Fatalf("%s: A[%d,%d] is %v, want %v", target, r, i, got, want)
				}
			}
			for o := range out {
				if got, want := at(fb, o*3+r), a.Factors[target].B[r*out+o]; got != want {
					t.Fatalf("%s: B[%d,%d] is %v, want %v", target, o, r, got, want)
				}
			}
		}
	}
	if fa, fb := l.Factors(weights, arch.Target{Layer: 1, Module: "mlp.c_proj"}); fa != nil || fb != nil {
		t.Error("a linear without factors has some")
	}
	if fa, _ := l.Factors(weights[:len(weights)-1], a.Targets()[0]); fa != nil {
		t.Error("bytes of another size have factors")
	}
}

// TestLayoutRefuses what cannot be used as it lies.
func TestLayoutRefuses(t *testing.T) {
	config, _ := files(t, Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}, Layers: []int{0}}, func(map[string]any) {})
	const path = "base_model.model.transformer.h.0.mlp.c_fc"
	half := func(name string, shape ...int64) safetensors.Raw {
		return safetensors.Raw{Name: name, Type: safetensors.F16, Shape: shape, Read: func(visit func([]byte) error) error {
			return visit(make([]byte, 2*shape[0]*shape[1]))
		}}
	}
	var weights bytes.Buffer
	if err := safetensors.WriteRaw(&weights, []safetensors.Raw{half(path+".lora_A.weight", 2, 16), half(path+".lora_B.weight", 24, 2)}, nil); err != nil {
		t.Fatal(err)
	}
	a, err := Parse(config, weights.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Layout(weights.Bytes()); err == nil || !strings.Contains(err.Error(), "F16") {
		t.Errorf("half precision: %v", err)
	}
	if _, err := a.Layout([]byte("none")); err == nil {
		t.Error("bytes that are no file have a layout")
	}
}
