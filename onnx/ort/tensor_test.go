package ort_test

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"nightshift/onnx/ort"
)

func TestTensorIsAView(t *testing.T) {
	ort.ForTest(t)
	memory := []int64{1, 2, 3, 4, 5, 6}
	x, err := ort.NewTensor([]int64{2, 2}, memory[1:5])
	must(t, err)
	defer x.Close()
	equal(t, ort.Data[int64](x), []int64{2, 3, 4, 5})
	memory[2] = 30
	equal(t, ort.Data[int64](x)[1], 30)
	equal(t, x.Type(), ort.Int64)
	dims := x.Dims()
	dims[0] = 99
	equal(t, x.Dims(), []int64{2, 2})
}

func TestTensorShapes(t *testing.T) {
	ort.ForTest(t)
	for name, c := range map[string]struct {
		dims []int64
		n    int
		word string
	}{
		"too short": {[]int64{3}, 2, "it has 3 elements, the slice has 2"},
		"too long":  {[]int64{1, 1}, 2, "it has 1 elements, the slice has 2"},
		"negative":  {[]int64{-1, 2}, 2, "negative"},
		"overflow":  {[]int64{math.MaxInt64, 2}, 2, "overflows"},
		"scalar":    {nil, 1, "at least one dimension"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ort.NewTensor(c.dims, make([]float32, c.n))
			mention(t, err, c.word)
		})
	}
	empty, err := ort.NewTensor([]int64{0, 8}, []float32{})
	must(t, err)
	equal(t, empty.Dims(), []int64{0, 8})
	empty.Close()
}

func TestDataOfAnotherType(t *testing.T) {
	x := func() *ort.Tensor { ort.ForTest(t); return tensor[float32](t, []int64{1}, 1) }()
	defer func() {
		if recover() == nil {
			t.Error("float32 was read as int32")
		}
	}()
	ort.Data[int32](x)
}

// Every element type there and back.
func TestElementTypes(t *testing.T) {
	ort.ForTest(t)
	roundTrip(t, 1, []float32{1.5, -2})
	roundTrip(t, 2, []uint8{0, 255})
	roundTrip(t, 3, []int8{-128, 127})
	roundTrip(t, 6, []int32{math.MinInt32, 7})
	roundTrip(t, 7, []int64{math.MaxInt64, 7})
	roundTrip(t, 9, []bool{true, false})
	roundTrip(t, 11, []float64{math.Pi, 7})
}

func roundTrip[T ort.Element](t *testing.T, dtype int64, data []T) {
	t.Helper()
	s := session(t, model{
		nodes:   [][]byte{node("Identity", []string{"x"}, []string{"y"})},
		inputs:  [][]byte{value("x", dtype, []int64{2})},
		outputs: [][]byte{value("y", dtype, []int64{2})},
	}.encode(), ort.SessionConfig{})
	x, err := ort.NewTensor([]int64{2}, data)
	must(t, err)
	defer x.Close()
	equal(t, x.Type(), ort.DType(dtype))
	out := map[string]*ort.Tensor{"y": nil}
	must(t, s.Run(map[string]*ort.Tensor{"x": x}, out))
	equal(t, ort.Data[T](out["y"]), data)
	out["y"].Close()
}

func TestForgottenTensors(t *testing.T) {
	ort.ForTest(t)
	for range 200 {
		if _, err := ort.NewTensor([]int64{1}, []float32{1}); err != nil {
			t.Fatal(err)
		}
	}
	// A leaked pin ends the process when it is collected.
	runtime.GC()
	runtime.GC()
}

func TestAlignedFloats(t *testing.T) {
	for _, n := range []int{0, 1, 15, 1 << 20} {
		s := ort.AlignedFloats(n)
		if len(s) != n {
			t.Fatalf("got %d floats, want %d", len(s), n)
		}
		if n == 0 {
			must(t, ort.FreeFloats(s))
			continue
		}
		if at := uintptr(unsafe.Pointer(&s[0])); at%64 != 0 {
			t.Errorf("%d floats at %x", n, at)
		}
		for i, v := range s {
			if v != 0 {
				t.Fatalf("float %d is %v", i, v)
			}
		}
		s[n-1] = 1
		must(t, ort.FreeFloats(s))
		mention(t, ort.FreeFloats(s), "freed before")
	}
	mention(t, ort.FreeFloats(make([]float32, 4)), "not as AlignedFloats")
}
