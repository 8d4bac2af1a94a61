package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/graphs"
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

// TestReinstallWritesWhatInstallWrites compares every number of the rows, for all ranks, some modules, and weights that divide
// their inputs; the rows held something else before.
func TestReinstallWritesWhatInstallWrites(t *testing.T) {
	m := smallModel(t)
	plain, short := newEngine(t, m, Config{BankRows: 9}), newEngine(t, m, Config{BankRows: 9})
	for _, e := range []*Engine{plain, short} {
		for i := range e.bank.tensors {
			v := &e.bank.tensors[i]
			if i%2 == 0 {
				v.divided = make([]float32, v.in)
				for j := range v.divided {
					v.divided[j] = float32(j%5) + 0.3
				}
			}
			for j := range v.a[v.in*graphs.RankStep:] {
				v.a[v.in*graphs.RankStep+j] = float32(math.NaN())
			}
			for j := range v.b[v.out*graphs.RankStep:] {
				v.b[v.out*graphs.RankStep+j] = float32(math.NaN())
			}
		}
	}
	for rank := 1; rank <= 64; rank++ {
		digest := fmt.Sprint(rank)
		a := randomAdapter(t, m.Config, rank, uint64(rank), m.Config.Modules()[rank%4:]...)
		l, weights := laidOut(t, a)
		if err := plain.Bank().Install(digest, a); err != nil {
			t.Fatal(err)
		}
		if err := short.Bank().Reinstall(digest, l, weights); err != nil {
			t.Fatal(err)
		}
		want, got := plain.bank.versions[digest].rows, short.bank.versions[digest].rows
		if !slices.Equal(want, got) {
			t.Fatalf("rank %d: rows %v, want %v", rank, got, want)
		}
		for i := range plain.bank.tensors {
			p, s := plain.bank.tensors[i], short.bank.tensors[i]
			for _, row := range got {
				if !slices.Equal(p.rowA(row), s.rowA(row)) {
					t.Fatalf("rank %d, %s: A differs in row %d", rank, p.target, row)
				}
				if !slices.Equal(p.rowB(row), s.rowB(row)) {
					t.Fatalf("rank %d, %s: B differs in row %d", rank, p.target, row)
				}
			}
		}
	}
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

// TestBankMemoryIsTakenWhenUsed makes a bank of a thousand rows and looks at which of its pages exist.
func TestBankMemoryIsTakenWhenUsed(t *testing.T) {
	m := smallModel(t)
	e := newEngine(t, m, Config{BankRows: 1025})
	resident := func() (pages int) {
		for _, v := range e.bank.tensors {
			for _, s := range [][]float32{v.a, v.b} {
				pages += residentPages(t, s)
			}
		}
		return pages
	}
	if n := resident(); n != 0 {
		t.Errorf("%d pages of an empty bank are in memory", n)
	}
	a := randomAdapter(t, m.Config, 8, 1)
	if err := e.Bank().Install("v", a); err != nil {
		t.Fatal(err)
	}
	if n, most := resident(), 2*2*len(e.bank.tensors)*(1+4*m.Config.Inner*graphs.RankStep/syscall.Getpagesize()); n == 0 || n > most {
		t.Errorf("one version takes %d pages, want 1 to %d", n, most)
	}
	s := submit(t, e, t.Context(), Request{Prompt: []int32{1, 2}, MaxTokens: 2, IgnoreEOS: true})
	before := resident()
	drain(e)
	if read(t, s); resident() > before+2*len(e.bank.tensors) {
		t.Errorf("an answer takes %d pages", resident()-before)
	}
}

func TestDefaultBankRows(t *testing.T) {
	for name, c := range map[string]struct {
		layers, width, want int
	}{"demo": {4, 192, mostRows}, "gpt2": {12, 768, 113}, "gpt2-xl": {48, 1600, leastRows}} {
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
