package conversion

import (
	"math/rand/v2"
	"testing"

	"nightshift/models/quantize"
	"nightshift/onnx"
	"nightshift/onnx/ort"
)

// TestProductsAreExact multiplies the largest inputs with weights whose pairs are as large as they can be. Any processor gives the
// sums of the integers.
func TestProductsAreExact(t *testing.T) {
	ort.ForTest(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []struct{ rows, in, out int }{{1, 768, 2304}, {2, 768, 96}, {3, 50, 33}, {5, 7, 17}, {16, 3072, 100}, {128, 96, 64}} {
		weights := make([]float32, shape.in*shape.out)
		for o := range shape.out { // pairs of a sum of 1, of one sign each
			for i := 0; i < shape.in; i += 2 {
				share, sign := random.Float32(), float32(1-2*random.IntN(2))
				weights[i*shape.out+o] = sign * share
				if i+1 < shape.in {
					weights[(i+1)*shape.out+o] = sign * (1 - share)
				}
			}
		}
		values, _ := quantize.Bytes8(weights, shape.in, shape.out)
		inputs := make([]byte, shape.rows*shape.in)
		for i := range inputs {
			inputs[i] = 255 - byte(random.IntN(2)*random.IntN(255))
		}
		got := integerProduct(t, inputs, values, shape.rows, shape.in, shape.out)
		for r := range shape.rows {
			for o := range shape.out {
				var want int32
				for i := range shape.in {
					want += (int32(inputs[r*shape.in+i]) - 128) * int32(values[i*shape.out+o])
				}
				if v := got[r*shape.out+o]; v != float32(want) {
					t.Fatalf("%+v: row %d, output %d is %g, want %d", shape, r, o, v, want)
				}
			}
		}
	}
}

// integerProduct is (inputs − 128)·values as the runtime computes it: [rows,in] times [in,out].
func integerProduct(t *testing.T, inputs []byte, values []int8, rows, in, out int) []float32 {
	t.Helper()
	raw, ones := make([]byte, len(values)), make([]float32, out)
	for i, v := range values {
		raw[i] = byte(v)
	}
	for o := range ones {
		ones[o] = 1
	}
	dims := []int64{int64(rows), int64(in)}
	g := onnx.NewGraph("product")
	g.Output("y", g.Op("MatMulIntegerToFloat", []*onnx.Value{g.Input("x", onnx.Uint8, onnx.N(rows), onnx.N(in)), g.Const(onnx.Bytes(onnx.Int8, []int64{int64(in), int64(out)}, raw...)),
		g.Const(onnx.FloatScalar(1)), g.Const(onnx.Floats([]int64{int64(out)}, ones...)), g.Const(onnx.Bytes(onnx.Uint8, nil, 128)), g.Const(onnx.Bytes(onnx.Int8, nil, 0))}))
	encoded, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	session, err := ort.NewSession(encoded, ort.SessionConfig{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	x, err := ort.NewTensor(dims, inputs)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	y := make([]float32, rows*out)
	result, err := ort.NewTensor([]int64{int64(rows), int64(out)}, y)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	if err := session.Run(map[string]*ort.Tensor{"x": x}, map[string]*ort.Tensor{"y": result}); err != nil {
		t.Fatal(err)
	}
	return y
}
