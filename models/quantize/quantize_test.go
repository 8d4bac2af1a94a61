package quantize

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"nightshift/onnx"
	"nightshift/onnx/eval"
)

func normals(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func TestBytes8(t *testing.T) {
	for _, in := range []int{1, 40, 41} {
		testBytes8(t, in)
	}
}

func testBytes8(t *testing.T, in int) {
	const out = 6
	w := normals(in*out, 1)
	for i := range in { // an output that is always zero, one with tiny weights, one whose weights are all as large
		w[i*out+2] = 0
		w[i*out+3] *= 1e-20
		w[i*out+4] = 0.3 - 0.6*float32(i/2%2)
	}
	q, scales := Bytes8(w, in, out)
	for o := range out {
		top, pair := 0, [2]int{}
		for i := range in {
			v, x := q[i*out+o], w[i*out+o]
			if got := float32(v) * scales[o]; abs(got-x) > 0.5001*scales[o] {
				t.Errorf("weight %d of output %d is %g, read back %g with scale %g", i, o, x, got, scales[o])
			}
			if pair[i%2] = max(int(v), -int(v)); i%2 == 0 {
				pair[1] = 0
			}
			top = max(top, pair[0]+pair[1])
		}
		if (top < 126 || top > 128) && o != 2 {
			t.Errorf("pairs of output %d of %d inputs are within %d, want 126 to 128", o, in, top)
		}
		if o == 2 && (top != 0 || scales[o] != 1) {
			t.Errorf("zeros became ±%d with scale %g", top, scales[o])
		}
	}
}

func TestRows8(t *testing.T) {
	rows := []float32{1, -2, 0.5, 0, 0, 0, 127, 63.5, -62.5}
	q, scales := Rows8(rows, 3)
	if want := []int8{64, -127, 32, 0, 0, 0, 127, 64, -62}; !slices.Equal(q, want) { // 63.5 and 31.75 and 62.5: halves to even
		t.Errorf("values %v, want %v", q, want)
	}
	if want := []float32{2.0 / 127, 1, 1}; !slices.Equal(scales, want) {
		t.Errorf("scales %v, want %v", scales, want)
	}
}

// TestBlocks4Layout packs weights that 4 bits hold exactly, and reads the bytes as the published layout says.
func TestBlocks4Layout(t *testing.T) {
	const in, out = 64, 2
	w := make([]float32, in*out)
	for i := range in {
		w[i*out] = 0.25 * float32(i%16-8)
		if i >= 32 {
			w[i*out+1] = 3 * float32(8-i%16) // the longer end above zero: a negative scale
		}
	}
	packed, scales, err := Blocks4(w, in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{0.25, 0.25, 1, -3}; !slices.Equal(scales, want) {
		t.Errorf("scales %v, want %v", scales, want)
	}
	rising := []byte{0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe}
	zeros := bytes.Repeat([]byte{0x88}, 16)
	want := slices.Concat(rising, rising, rising, rising, zeros, rising, rising)
	if !bytes.Equal(packed, want) {
		t.Errorf("packed % x\nwant   % x", packed, want)
	}
	if _, _, err := Blocks4(w[:48], 24, 2, nil); err == nil {
		t.Error("24 inputs fell into blocks of 32")
	}
}

func TestNearest4(t *testing.T) {
	for x := float32(-12); x <= 12; x += 0.03125 {
		if got, want := nearest4(x), max(-8, min(7, math.RoundToEven(float64(x)))); float64(got) != want {
			t.Errorf("%g became %g, want %g", x, got, want)
		}
	}
}

// TestBlocks4Error compares the search with the plain rule, largest weight over 7.
func TestBlocks4Error(t *testing.T) {
	const in, out = 128, 32
	w := normals(in*out, 3)
	importance := make([]float32, in)
	for i := range importance {
		importance[i] = 0.01
		if i%8 == 0 {
			importance[i] = 4
		}
	}
	weigh := func(scales, by []float32) (sum float64) {
		for i := range in {
			for o := range out {
				s := scales[o*in/Block+i/Block]
				d := float64(w[i*out+o] - nearest4(w[i*out+o]/s)*s)
				if by != nil {
					d *= math.Sqrt(float64(by[i]))
				}
				sum += d * d
			}
		}
		return sum
	}
	naive := make([]float32, out*in/Block)
	for b := range naive {
		o, at := b/(in/Block), b%(in/Block)*Block
		for i := at; i < at+Block; i++ {
			naive[b] = max(naive[b], abs(w[i*out+o])/7)
		}
	}
	_, even, err := Blocks4(w, in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, weighed, err := Blocks4(w, in, out, importance)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := weigh(even, nil), weigh(naive, nil); !(a < 0.85*b) {
		t.Errorf("squared error %g with the search, %g without", a, b)
	}
	if a, b := weigh(weighed, importance), weigh(even, importance); !(a < 0.9*b) {
		t.Errorf("weighed squared error %g with importance, %g without", a, b)
	}
}

// TestOperatorsReadTheLayout multiplies with the operators that graphs use.
func TestOperatorsReadTheLayout(t *testing.T) {
	const in, out, rows = 64, 8, 3
	w, x := normals(in*out, 5), normals(rows*in, 6)
	input := eval.New(onnx.Float, rows, in)
	for i, v := range x {
		input.Data[i] = float64(v)
	}
	packed, scales4, err := Blocks4(w, in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	q, scales8 := Bytes8(w, in, out)
	raw := make([]byte, len(q))
	for i, v := range q {
		raw[i] = byte(v)
	}
	g := onnx.NewGraph("read")
	v := g.Input("x", onnx.Float, onnx.N(rows), onnx.N(in))
	four := g.Op("MatMulNBits", []*onnx.Value{v, g.Const(onnx.Bytes(onnx.Uint8, []int64{out, in / Block, Block / 2}, packed...)),
		g.Const(onnx.Floats([]int64{out * in / Block}, scales4...))}, onnx.Int("K", in), onnx.Int("N", out), onnx.Int("bits", 4), onnx.Int("block_size", Block))
	eight := g.MatMul(v, g.Op("DequantizeLinear", []*onnx.Value{g.Const(onnx.Bytes(onnx.Int8, []int64{in, out}, raw...)), g.Const(onnx.Floats([]int64{out}, scales8...)),
		g.Const(onnx.Bytes(onnx.Int8, []int64{out}, make([]byte, out)...))}, onnx.Int("axis", 1)))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	values, err := eval.Run(g, map[string]*eval.Tensor{"x": input})
	if err != nil {
		t.Fatal(err)
	}
	for name, limit := range map[string]float64{four.Name: 0.12, eight.Name: 0.01} {
		var lost, all float64
		for r := range rows {
			for o := range out {
				want := 0.0
				for i := range in {
					want += float64(x[r*in+i]) * float64(w[i*out+o])
				}
				d := values[name].Data[r*out+o] - want
				lost, all = lost+d*d, all+want*want
			}
		}
		if e := math.Sqrt(lost / all); !(e < limit) {
			t.Errorf("%s: relative error %g, want under %g", name, e, limit)
		}
	}
}
