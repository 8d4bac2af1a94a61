package ort_test

import (
	"runtime"
	"sync"
	"testing"

	"nightshift/onnx/ort"
)

func binding(t testing.TB, s *ort.Session) *ort.Binding {
	t.Helper()
	b, err := s.NewBinding()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// In place: the same memory is an input and the output, as one tensor or as two.
func TestBindingInPlace(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	memory := ort.AlignedFloats(4)
	defer func() { must(t, ort.FreeFloats(memory)) }()
	for name, two := range map[string]bool{"one tensor": false, "two views": true} {
		t.Run(name, func(t *testing.T) {
			clear(memory)
			state := tensor(t, []int64{2}, memory[1:3]...)
			result := state
			if two {
				result = tensor(t, []int64{2}, memory[1:3]...)
			}
			b := binding(t, s)
			must(t, b.Input("x", state))
			must(t, b.Input("y", tensor[float32](t, []int64{2}, 1, 10)))
			must(t, b.Output("sum", result))
			for range 3 {
				must(t, b.Run())
			}
			equal(t, memory, []float32{0, 3, 30, 0})
			// What Go writes, the next run reads.
			memory[1] = 100
			must(t, b.Run())
			equal(t, memory, []float32{0, 101, 40, 0})
			b.Close()
			state.Close()
			result.Close()
		})
	}
}

func TestRebinding(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	b := binding(t, s)
	sum := tensor[float32](t, []int64{1}, 0)
	one := tensor[float32](t, []int64{1}, 1)
	must(t, b.Output("sum", sum))
	must(t, b.Input("y", one))
	for i := range 1000 {
		x := tensor[float32](t, []int64{1}, float32(i))
		must(t, b.Input("x", x))
		x.Close() // the binding keeps it
		if i%100 == 0 {
			runtime.GC()
		}
		must(t, b.Run())
		if got := ort.Data[float32](sum)[0]; got != float32(i+1) {
			t.Fatalf("run %d: got %v", i, got)
		}
	}
	// Another shape, with another output.
	wide := tensor[float32](t, []int64{3}, 0, 0, 0)
	must(t, b.Input("x", tensor[float32](t, []int64{3}, 1, 2, 3)))
	must(t, b.Output("sum", wide))
	must(t, b.Run())
	equal(t, ort.Data[float32](wide), []float32{2, 3, 4})
}

// A tensor that its maker has forgotten stays alive while it is bound.
func TestBoundTensorOutlivesItsMaker(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	b := binding(t, s)
	sum := tensor(t, []int64{1 << 16}, make([]float32, 1<<16)...)
	must(t, b.Output("sum", sum))
	for _, name := range []string{"x", "y"} {
		data := make([]float32, 1<<16)
		for i := range data {
			data[i] = float32(i)
		}
		x, err := ort.NewTensor([]int64{1 << 16}, data)
		must(t, err)
		must(t, b.Input(name, x))
	}
	for range 3 {
		runtime.GC()
		_ = make([]float32, 1<<20) // room for a mistake to show
	}
	must(t, b.Run())
	for i, v := range ort.Data[float32](sum) {
		if v != float32(2*i) {
			t.Fatalf("element %d is %v", i, v)
		}
	}
}

func TestBindingErrors(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	b := binding(t, s)
	x := tensor[float32](t, []int64{1}, 1)
	mention(t, b.Input("q", x), `no input "q"`)
	mention(t, b.Output("q", x), `no output "q"`)
	mention(t, b.Input("x", nil), "x", "no tensor")
	mention(t, b.Input("x", tensor[int32](t, []int64{1}, 1)), "float32", "int32")
	mention(t, b.Output("sum", tensor[float32](t, []int64{1, 1}, 1)), "[-1]", "[1 1]")
	must(t, b.Input("x", x))
	mention(t, b.Run(), "input y is not bound")
	must(t, b.Input("x", tensor[float32](t, []int64{1}, 3))) // in the place of what is bound: y is missing still
	must(t, b.Input("x", x))
	mention(t, b.Run(), "input y is not bound")
	must(t, b.Input("y", x))
	mention(t, b.Run(), "no output")
	must(t, b.Output("sum", tensor[float32](t, []int64{2}, 0, 0)))
	mention(t, b.Run(), "run binding")
	// The mistake does no lasting harm.
	sum := tensor[float32](t, []int64{1}, 0)
	must(t, b.Output("sum", sum))
	must(t, b.Run())
	equal(t, ort.Data[float32](sum), []float32{2})
	gone := tensor[float32](t, []int64{1}, 1)
	gone.Close()
	mention(t, b.Input("x", gone), "closed")
	b.Close()
	b.Close()
	mention(t, b.Run(), "closed")
	mention(t, b.Input("x", x), "closed")
}

// Closing a session while its bindings run neither crashes nor leaves a run hanging.
func TestCloseWhileRunning(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	x := tensor[float32](t, []int64{1}, 1)
	var wg sync.WaitGroup
	var ran sync.WaitGroup
	for range 4 {
		b := binding(t, s)
		must(t, b.Input("x", x))
		must(t, b.Input("y", x))
		must(t, b.Output("sum", tensor[float32](t, []int64{1}, 0)))
		ran.Add(1)
		wg.Go(func() {
			first := true
			for b.Run() == nil {
				if first {
					ran.Done()
					first = false
				}
			}
			if first {
				ran.Done()
			}
		})
	}
	ran.Wait()
	s.Close()
	wg.Wait()
}

func TestBoundRunAllocatesNothing(t *testing.T) {
	s := session(t, adder(), ort.SessionConfig{})
	b := binding(t, s)
	x := tensor[float32](t, []int64{1}, 1)
	must(t, b.Input("x", x))
	must(t, b.Input("y", x))
	must(t, b.Output("sum", tensor[float32](t, []int64{1}, 0)))
	must(t, b.Run())
	if n := testing.AllocsPerRun(100, func() {
		must(t, b.Input("x", x))
		must(t, b.Run())
	}); n != 0 {
		t.Errorf("a bound run allocates %v times", n)
	}
}

// BenchmarkBoundRun is the cost of a call: an operator on one element.
func BenchmarkBoundRun(b *testing.B) {
	s := session(b, adder(), ort.SessionConfig{})
	bound := binding(b, s)
	x := tensor[float32](b, []int64{1}, 1)
	must(b, bound.Input("x", x))
	must(b, bound.Input("y", x))
	must(b, bound.Output("sum", tensor[float32](b, []int64{1}, 0)))
	for b.Loop() {
		must(b, bound.Run())
	}
}

// BenchmarkRebind is the cost of giving an input another tensor.
func BenchmarkRebind(b *testing.B) {
	s := session(b, adder(), ort.SessionConfig{})
	bound := binding(b, s)
	x := [2]*ort.Tensor{tensor[float32](b, []int64{1}, 1), tensor[float32](b, []int64{1}, 2)}
	for i := 0; b.Loop(); i++ {
		must(b, bound.Input("x", x[i%2]))
	}
}
