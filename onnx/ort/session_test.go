package ort_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"nightshift/onnx/ort"
)

func session(t testing.TB, model []byte, cfg ort.SessionConfig) *ort.Session {
	t.Helper()
	ort.ForTest(t)
	if cfg.Threads == 0 {
		cfg.Threads = 1
	}
	s, err := ort.NewSession(model, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func tensor[T ort.Element](t testing.TB, dims []int64, data ...T) *ort.Tensor {
	t.Helper()
	x, err := ort.NewTensor(dims, data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

// mention fails unless err names all of words.
func mention(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not mention %q", err, w)
		}
	}
}

func equal[T any](t testing.TB, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSignature(t *testing.T) {
	s := session(t, model{
		nodes:   [][]byte{node("MatMul", []string{"x", "w"}, []string{"y"}), node("Cast", []string{"y"}, []string{"z"}, message(textField(1, "to"), numberField(3, 7), numberField(20, 2)))},
		weights: [][]byte{weight("w", []int64{2, 1}, 3, 4)},
		inputs:  [][]byte{value("x", 1, []int64{-1, 2}), value("w", 1, []int64{2, 1})},
		outputs: [][]byte{value("y", 1, []int64{-1, 1}), value("z", 7, nil)},
	}.encode(), ort.SessionConfig{})
	equal(t, s.Inputs(), []ort.Info{{Name: "x", Type: ort.Float, Dims: []int64{-1, 2}}})
	equal(t, s.Outputs(), []ort.Info{{Name: "y", Type: ort.Float, Dims: []int64{-1, 1}}, {Name: "z", Type: ort.Int64}})

	out := map[string]*ort.Tensor{"z": nil}
	if err := s.Run(map[string]*ort.Tensor{"x": tensor[float32](t, []int64{2, 2}, 1, 2, 10, 20)}, out); err != nil {
		t.Fatal(err)
	}
	equal(t, len(out), 1)
	equal(t, ort.Data[int64](out["z"]), []int64{11, 110})
	equal(t, out["z"].Dims(), []int64{2, 1})
}

func TestRunGivenAndAllocated(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{Threads: 2, Spin: true, DisablePrepacking: true, DisableArena: true,
		DisableMemoryPattern: true, DisableOptimizations: true, Entries: map[string]string{"session.set_denormal_as_zero": "0"}})
	in := map[string]*ort.Tensor{"x": tensor[float32](t, []int64{2}, 1, 2), "y": tensor[float32](t, []int64{2}, 10, 20)}
	given := tensor[float32](t, []int64{2}, 0, 0)
	if err := s.Run(in, map[string]*ort.Tensor{"sum": given}); err != nil {
		t.Fatal(err)
	}
	equal(t, ort.Data[float32](given), []float32{11, 22})
	out := map[string]*ort.Tensor{"sum": nil}
	if err := s.RunContext(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	equal(t, ort.Data[float32](out["sum"]), []float32{11, 22})
	out["sum"].Close()
	out["sum"].Close()
	equal(t, ort.Data[float32](out["sum"]), []float32(nil))
}

func TestExternalData(t *testing.T) {
	raw := []byte("a header of any length")
	offset := len(raw)
	for _, v := range []float32{3, 4} {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	real := t.TempDir()
	if err := os.WriteFile(filepath.Join(real, "weights.bin"), append(raw, "and a tail"...), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if offset != 22 {
		t.Fatal("the model below says 22")
	}
	encode := func(file, offset string) []byte {
		return model{
			nodes:   [][]byte{node("Mul", []string{"x", "w"}, []string{"y"})},
			weights: [][]byte{external("w", []int64{2}, file, offset, "8")},
			inputs:  [][]byte{value("x", 1, []int64{2})},
			outputs: [][]byte{value("y", 1, []int64{2})},
		}.encode()
	}
	for _, dir := range []string{real, link} {
		s := session(t, encode("weights.bin", "22"), ort.SessionConfig{ExternalDir: dir})
		out := map[string]*ort.Tensor{"y": nil}
		if err := s.Run(map[string]*ort.Tensor{"x": tensor[float32](t, []int64{2}, 10, 100)}, out); err != nil {
			t.Fatal(err)
		}
		equal(t, ort.Data[float32](out["y"]), []float32{30, 400})
	}
	for name, c := range map[string]struct {
		model []byte
		dir   string
		words []string
	}{
		"no such file":    {encode("absent.bin", "0"), real, []string{"load model", "absent.bin"}},
		"beyond the file": {encode("weights.bin", "4096"), real, []string{"load model"}},
		"outside":         {encode("../weights.bin", "22"), real, []string{"load model"}},
		"no such folder":  {encode("weights.bin", "22"), real + "/absent", []string{"external data", "absent"}},
		"not a folder":    {encode("weights.bin", "22"), real + "/weights.bin", []string{"external data", "not a folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ort.NewSession(c.model, ort.SessionConfig{Threads: 1, ExternalDir: c.dir})
			mention(t, err, c.words...)
		})
	}
}

func TestBadModels(t *testing.T) {
	ort.ForTest(t)
	good := adder()
	unknown := model{
		nodes:   [][]byte{node("Frobnicate", []string{"x"}, []string{"y"})},
		inputs:  [][]byte{value("x", 1, []int64{2})},
		outputs: [][]byte{value("y", 1, []int64{2})},
	}.encode()
	for name, c := range map[string]struct {
		model []byte
		words []string
	}{
		"empty":            {nil, []string{"not an ONNX model"}},
		"text":             {[]byte("hello, this is not a model"), []string{"read model of 26 bytes"}},
		"cut short":        {good[:len(good)-len(good)/3], []string{"not an ONNX model"}},
		"unknown operator": {unknown, []string{"load model", "Frobnicate"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ort.NewSession(c.model, ort.SessionConfig{Threads: 1})
			mention(t, err, c.words...)
		})
	}
	_, err := ort.NewSession(good, ort.SessionConfig{Threads: -1})
	mention(t, err, "-1 threads")
}

func TestRunErrors(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	x := tensor[float32](t, []int64{2}, 1, 2)
	closed := tensor[float32](t, []int64{2}, 1, 2)
	closed.Close()
	type m = map[string]*ort.Tensor
	for name, c := range map[string]struct {
		in, out m
		words   []string
	}{
		"missing":        {m{"x": x}, m{}, []string{"input y is missing"}},
		"unknown input":  {m{"x": x, "y": x, "q": x}, m{}, []string{`no input "q"`, "[x y]"}},
		"unknown output": {m{"x": x, "y": x}, m{"q": nil}, []string{`no output "q"`, "[sum]"}},
		"type":           {m{"x": x, "y": tensor[int64](t, []int64{2}, 1, 2)}, m{}, []string{"input y is of float32", "int64"}},
		"rank":           {m{"x": x, "y": tensor[float32](t, []int64{1, 2}, 1, 2)}, m{}, []string{"input y has the shape [-1]", "[1 2]"}},
		"broadcast":      {m{"x": x, "y": tensor[float32](t, []int64{3}, 1, 2, 3)}, m{}, []string{"run session"}},
		"closed":         {m{"x": x, "y": closed}, m{}, []string{"tensor for y", "closed"}},
		"output shape":   {m{"x": x, "y": x}, m{"sum": tensor[float32](t, []int64{3}, 0, 0, 0)}, []string{"run session"}},
	} {
		t.Run(name, func(t *testing.T) { mention(t, s.Run(c.in, c.out), c.words...) })
	}
	s.Close()
	s.Close()
	mention(t, s.Run(m{"x": x, "y": x}, m{"sum": nil}), "closed")
	_, err := s.NewBinding()
	mention(t, err, "closed")
}

func TestScalarOutput(t *testing.T) {
	for name, dims := range map[string][]int64{"declared": {}, "undeclared": nil} {
		t.Run(name, func(t *testing.T) {
			s := session(t, model{
				nodes:   [][]byte{node("ReduceSum", []string{"x"}, []string{"y"}, message(textField(1, "keepdims"), numberField(3, 0), numberField(20, 2)))},
				inputs:  [][]byte{value("x", 1, []int64{2})},
				outputs: [][]byte{value("y", 1, dims)},
			}.encode(), ort.SessionConfig{})
			out := map[string]*ort.Tensor{"y": nil}
			err := s.Run(map[string]*ort.Tensor{"x": tensor[float32](t, []int64{2}, 1, 2)}, out)
			mention(t, err, "no dimensions", "[1]")
			equal(t, out["y"], (*ort.Tensor)(nil))
		})
	}
	_, err := ort.NewTensor([]int64{}, []float32{1})
	mention(t, err, "at least one dimension")
}

func TestModelWithoutInputs(t *testing.T) {
	s := session(t, model{
		nodes:   [][]byte{node("Neg", []string{"w"}, []string{"y"})},
		weights: [][]byte{weight("w", []int64{2}, 3, 4)},
		outputs: [][]byte{value("y", 1, []int64{2})},
	}.encode(), ort.SessionConfig{})
	y := tensor[float32](t, []int64{2}, 0, 0)
	if err := s.Run(nil, map[string]*ort.Tensor{"y": y}); err != nil {
		t.Fatal(err)
	}
	equal(t, ort.Data[float32](y), []float32{-3, -4})
	mention(t, s.Run(nil, map[string]*ort.Tensor{"y": nil}), "without inputs")
}

// slow is a loop of n matrix products.
func slow(n int) []byte {
	m := model{inputs: [][]byte{value("x", 1, []int64{512, 512})}}
	from := "x"
	for i := range n {
		to := "t" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		m.nodes = append(m.nodes, node("MatMul", []string{from, "x"}, []string{to}))
		from = to
	}
	m.outputs = [][]byte{value(from, 1, []int64{512, 512})}
	return m.encode()
}

func TestRunContext(t *testing.T) {
	s := session(t, slow(400), ort.SessionConfig{})
	in := map[string]*ort.Tensor{"x": tensor(t, []int64{512, 512}, make([]float32, 512*512)...)}
	out := map[string]*ort.Tensor{s.Outputs()[0].Name: nil}
	why := errors.New("changed my mind")
	// Long enough to be inside the run, which takes many times longer.
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	if err := s.RunContext(ctx, in, out); !errors.Is(err, why) {
		t.Fatalf("got %v, want %v", err, why)
	}
	if err := s.RunContext(ctx, in, out); !errors.Is(err, why) {
		t.Fatalf("after the cancellation: got %v, want %v", err, why)
	}
	if err := s.RunContext(t.Context(), in, out); err != nil {
		t.Fatalf("the session is unusable after a cancelled run: %v", err)
	}
}

// A cancellation that comes just as the run ends is either late or obeyed.
func TestCancellationAtTheEnd(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	x := tensor[float32](t, []int64{1}, 1)
	in, out := map[string]*ort.Tensor{"x": x, "y": x}, map[string]*ort.Tensor{"sum": tensor[float32](t, []int64{1}, 0)}
	for range 500 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(cancel)
		if err := s.RunContext(ctx, in, out); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		wg.Wait()
	}
}

func TestConcurrentSessions(t *testing.T) {
	var wg sync.WaitGroup
	for range 2 {
		s := session(t, adder(), ort.SessionConfig{})
		for i := range 4 {
			wg.Go(func() {
				x, err := ort.NewTensor([]int64{1}, []float32{float32(i)})
				if err != nil {
					t.Error(err)
					return
				}
				defer x.Close()
				for range 50 {
					out := map[string]*ort.Tensor{"sum": nil}
					if err := s.Run(map[string]*ort.Tensor{"x": x, "y": x}, out); err != nil {
						t.Error(err)
						return
					}
					if got := ort.Data[float32](out["sum"])[0]; got != float32(2*i) {
						t.Errorf("got %v, want %v", got, 2*i)
					}
					out["sum"].Close()
				}
			})
		}
	}
	wg.Wait()
}
