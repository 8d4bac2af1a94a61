package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/ort"
)

// laidOut is an adapter as its file has it.
func laidOut(t testing.TB, a *adapter.Adapter) (*adapter.Layout, []byte) {
	t.Helper()
	config, weights, err := a.Files()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := adapter.Parse(config, weights)
	if err != nil {
		t.Fatal(err)
	}
	l, err := parsed.Layout(weights)
	if err != nil {
		t.Fatal(err)
	}
	return l, weights
}

// TestReinstallRefuses what was not laid out for the bank, and leaves it as it was.
func TestReinstallRefuses(t *testing.T) {
	m := smallModel(t)
	b := newEngine(t, m, Config{BankRows: 3, Modules: []string{"mlp.c_fc"}}).Bank()
	good, weights := laidOut(t, randomAdapter(t, m.Config, 8, 1, "mlp.c_fc"))
	other, otherWeights := laidOut(t, randomAdapter(t, m.Config, 8, 1))
	large, largeWeights := laidOut(t, randomAdapter(t, m.Config, 24, 1, "mlp.c_fc"))
	if err := b.Reinstall("good", good, weights); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		layout  *adapter.Layout
		weights []byte
		want    string
	}{
		"short":  {good, weights[1:], "install it anew"},
		"module": {other, otherWeights, "install it anew"},
		"large":  {large, largeWeights, "raise engine.bank_rows"},
	} {
		if err := b.Reinstall(name, try.layout, try.weights); err == nil || !strings.Contains(err.Error(), try.want) {
			t.Errorf("%s: %v, want %q", name, err, try.want)
		}
	}
	if got := b.Resident(); !slices.Equal(got, []string{"good"}) {
		t.Errorf("resident: %v", got)
	}
	if err := b.Reinstall("good", good, nil); err != nil {
		t.Errorf("a version that is resident: %v", err)
	}
}

func TestDefaultBankRows(t *testing.T) {
	for name, c := range map[string]struct {
		layers, width, want int
	}{"demo": {4, 192, maxBankRows}, "gpt2": {12, 768, 113}, "gpt2-xl": {48, 1600, minBankRows}} {
		m := &Model{Config: arch.GPT2(arch.Shape{Layers: c.layers, Width: c.width, Inner: 4 * c.width})}
		if got := BankRows(m); got != c.want {
			t.Errorf("%s: %d rows, want %d", name, got, c.want)
		}
	}
}

// BenchmarkInstall is a version of GPT-2's size into the bank, from an adapter in memory and from the bytes of its file.
func BenchmarkInstall(b *testing.B) {
	ort.ForTest(b)
	cfg := arch.GPT2(arch.Shape{Layers: 12, Heads: 12, Width: 768, Inner: 3072})
	bank, err := newBank(&Model{Config: cfg}, cfg.Modules(), 3, 8)
	if err != nil {
		b.Fatal(err)
	}
	defer bank.close() //nolint:errcheck // a benchmark's memory
	a := randomAdapter(b, cfg, 8, 1)
	l, weights := laidOut(b, a)
	b.Run("adapter", func(b *testing.B) {
		for i := range b.N {
			if err := bank.Install(fmt.Sprint("a", i), a); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bytes", func(b *testing.B) {
		for i := range b.N {
			if err := bank.Reinstall(fmt.Sprint("b", i), l, weights); err != nil {
				b.Fatal(err)
			}
		}
	})
}
