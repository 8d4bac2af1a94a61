package onnx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// record is a protobuf message read back: the values of each field, in order, as uint64 or bytes.
type record map[protowire.Number][]any

func decode(t testing.TB, b []byte) record {
	t.Helper()
	r := record{}
	for len(b) > 0 {
		id, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		var v any
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(b)
			v = math.Float32frombits(bits)
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d has wire type %d", id, kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		r[id] = append(r[id], v)
	}
	return r
}

func (r record) text(id protowire.Number) string {
	if len(r[id]) == 0 {
		return ""
	}
	return string(r[id][0].([]byte))
}

func (r record) int(id protowire.Number) int64 {
	if len(r[id]) == 0 {
		return 0
	}
	return int64(r[id][0].(uint64))
}

func (r record) each(t testing.TB, id protowire.Number, f func(record)) {
	for _, v := range r[id] {
		f(decode(t, v.([]byte)))
	}
}

// printed rebuilds the print form from a decoded model, as far as a model says it.
func printed(t testing.TB, model []byte) string {
	var b strings.Builder
	g := decode(t, decode(t, model)[7][0].([]byte))
	fmt.Fprintf(&b, "graph %s\n", g.text(2))
	value := func(v record) string {
		tensor := decode(t, decode(t, v[2][0].([]byte))[1][0].([]byte))
		var dims []string
		decode(t, tensor[2][0].([]byte)).each(t, 1, func(d record) {
			switch {
			case d[2] != nil:
				dims = append(dims, d.text(2))
			case d[1] != nil:
				dims = append(dims, fmt.Sprint(d.int(1)))
			default:
				dims = append(dims, "?")
			}
		})
		return fmt.Sprintf("%s %v[%s]", v.text(1), DType(tensor.int(1)), strings.Join(dims, ","))
	}
	g.each(t, 11, func(v record) { fmt.Fprintf(&b, "input %s\n", value(v)) })
	g.each(t, 5, func(v record) {
		fmt.Fprintf(&b, "const %s %v\n", v.text(8), tensorOf(t, v))
	})
	g.each(t, 1, func(n record) {
		names := func(id protowire.Number) string {
			var out []string
			for _, v := range n[id] {
				name := string(v.([]byte))
				if name == "" {
					name = "_"
				}
				out = append(out, name)
			}
			return strings.Join(out, ", ")
		}
		fmt.Fprintf(&b, "%s = %s.%s(%s)", names(2), n.text(7), n.text(4), names(1))
		n.each(t, 5, func(a record) { fmt.Fprintf(&b, " %v", attrOf(t, a)) })
		b.WriteString("\n")
	})
	g.each(t, 12, func(v record) { fmt.Fprintf(&b, "output %s\n", value(v)) })
	return b.String()
}

func tensorOf(t testing.TB, r record) Tensor {
	out := Tensor{Type: DType(r.int(2))}
	for _, d := range r[1] {
		out.Dims = append(out.Dims, int64(d.(uint64)))
	}
	if r[9] != nil {
		out.Raw = r[9][0].([]byte)
	}
	if r.int(14) == 1 {
		out.External = &External{}
		r.each(t, 13, func(e record) {
			switch e.text(1) {
			case "location":
				out.External.Location = e.text(2)
			case "offset":
				fmt.Sscan(e.text(2), &out.External.Offset)
			case "length":
				fmt.Sscan(e.text(2), &out.External.Length)
			}
		})
	}
	return out
}

func attrOf(t testing.TB, r record) Attr {
	a := Attr{Name: r.text(1), kind: attrKind(r.int(20)), I: r.int(3), S: r.text(4)}
	if r[2] != nil {
		a.F = r[2][0].(float32)
	}
	for _, v := range r[7] {
		a.Fs = append(a.Fs, v.(float32))
	}
	for _, v := range r[8] {
		a.Is = append(a.Is, int64(v.(uint64)))
	}
	if r[5] != nil {
		v := tensorOf(t, decode(t, r[5][0].([]byte)))
		a.T = &v
	}
	return a
}

func sample() *Graph {
	g := NewGraph("sample")
	x := g.Input("x", Float, Sym("B"), Sym("S"), N(4))
	ids := g.Input("ids", Int64, Sym("B"))
	w := g.Initializer("w", Tensor{Type: Float, Dims: []int64{4, 6}, External: &External{"model.safetensors", 1024, 96}})
	y := g.Gemm(g.Reshape(x, -1, 4), w, nil, false, false)
	y = g.Op("Clip", []*Value{y, nil, g.Float(1.5)})
	g.Output("rows", g.Gather(g.Transpose(g.FastGelu(y, nil)), ids, -1))
	g.Output("tail", g.Slice(x, 1, 1, -1))
	fill := g.Op("ConstantOfShape", []*Value{g.ShapeOf(ids)}, TensorAttr("value", Bytes(Uint8, []int64{1}, 7)))
	g.Output("sum", g.ScatterElements(g.Cast(fill, Float), ids, g.Cast(ids, Float), 0, "add"))
	g.Output("norm", g.LayerNormalization(x, g.Initializer("s", Floats([]int64{4}, 1, 2, 3, -0.5)), nil, 1e-5))
	g.Output("copy", ids)
	return g
}

func TestEncode(t *testing.T) {
	model, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := sample().Encode()
	if err != nil || !bytes.Equal(model, again) {
		t.Errorf("the same graph has two encodings (%v)", err)
	}
	m := decode(t, model)
	if m.int(1) != 10 || m.text(2) != "nightshift" {
		t.Errorf("IR version %d, producer %q", m.int(1), m.text(2))
	}
	var sets []string
	m.each(t, 8, func(r record) { sets = append(sets, fmt.Sprint(r.text(1), r.int(2))) })
	if got := fmt.Sprint(sets); got != "[21 com.microsoft1]" {
		t.Errorf("operator sets %s", got)
	}
	want := `graph sample
input x float[B,S,4]
input ids int64[B]
const w float[4,6] external model.safetensors+1024
const const_1 int64[2] {-1 4}
const const_2 float[] {1.5}
const const_3 int64[1] {1}
const const_4 int64[1] {-1}
const s float[4] {1 2 3 -0.5}
reshape_1 = .Reshape(x, const_1)
gemm_1 = .Gemm(reshape_1, w) transA=0 transB=0
clip_1 = .Clip(gemm_1, _, const_2)
fastgelu_1 = com.microsoft.FastGelu(clip_1)
transpose_1 = .Transpose(fastgelu_1)
rows = .Gather(transpose_1, ids) axis=-1
tail = .Slice(x, const_3, const_4, const_3)
shape_1 = .Shape(ids)
constantofshape_1 = .ConstantOfShape(shape_1) value=uint8[1] {7}
cast_1 = .Cast(constantofshape_1) to=1
cast_2 = .Cast(ids) to=1
sum = .ScatterElements(cast_1, ids, cast_2) axis=0 reduction="add"
norm = .LayerNormalization(x, s) axis=-1 epsilon=1e-05
copy = .Identity(ids)
output rows float[6,B]
output tail float[B,?,4]
output sum float[B]
output norm float[B,S,4]
output copy int64[B]
`
	if got := printed(t, model); got != want {
		t.Errorf("decoded:\n%s\nwant:\n%s", got, want)
	}
}

func TestPrintAttributes(t *testing.T) {
	for want, a := range map[string]Attr{
		`axis=-1`: Int("axis", -1), `alpha=0.25`: Float32("alpha", 0.25), `reduction="add"`: String("reduction", "add"),
		`perm=[0,2,1]`: IntList("perm", 0, 2, 1), `scales=[0.5,1]`: FloatList("scales", 0.5, 1),
		`value=int64[10] {0 1 2 3 4 5 6 7 …}`: TensorAttr("value", Ints([]int64{10}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)),
		`value=int32[2] {-1 7}`:               TensorAttr("value", Int32s([]int64{2}, -1, 7)),
		`value=int8[2] {-1 7}`:                TensorAttr("value", Bytes(Int8, []int64{2}, 255, 7)),
		`value=bool[2] {0 1}`:                 TensorAttr("value", Bytes(Bool, []int64{2}, 0, 1)),
		`value=float16[1] 003c`:               TensorAttr("value", Tensor{Type: Float16, Dims: []int64{1}, Raw: []byte{0, 0x3c}}),
		`nothing=?`:                           {Name: "nothing"},
	} {
		if got := a.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if a.kind == 0 {
			continue
		}
		if got := attrOf(t, decode(t, a.encode())).String(); got != want {
			t.Errorf("encoded: %s, want %s", got, want)
		}
	}
	if got := (*Value)(nil).String(); got != "_" {
		t.Errorf("a missing value prints as %s", got)
	}
}

// FuzzEncode builds graphs from bytes: whatever the builder accepts must pass Check, encode and decode to the same values.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})
	f.Add([]byte{4, 0, 0, 12, 3, 1, 200, 17, 6, 2, 9, 9, 5, 1, 1})
	f.Add([]byte("the quick brown fox jumps over the lazy dog"))
	f.Fuzz(func(t *testing.T, program []byte) {
		g := NewGraph("fuzz")
		vals := []*Value{g.Input("x", Float, Sym("B"), N(4)), g.Input("i", Int64, Sym("B"))}
		pick := func(b byte) *Value { return vals[int(b)%len(vals)] }
		for len(program) >= 3 && g.Err() == nil && len(g.Nodes) < 40 {
			op, a, b := program[0], program[1], program[2]
			program = program[3:]
			next := fuzzStep(g, op, pick(a), pick(b), int64(int8(b)))
			if g.Err() == nil {
				vals = append(vals, next)
			}
		}
		if g.Err() != nil {
			if _, err := g.Encode(); err == nil {
				t.Fatal("a graph with an error was encoded")
			}
			return
		}
		for k, v := range vals {
			g.Output(fmt.Sprintf("out%d", k), v)
		}
		model, err := g.Encode()
		if err != nil {
			t.Fatalf("%v\n%v", err, g)
		}
		got, nodes := printed(t, model), 0
		for _, line := range strings.Split(got, "\n") {
			if strings.Contains(line, " = ") {
				nodes++
			}
		}
		if nodes != len(g.Nodes) {
			t.Fatalf("%d nodes of %d came back:\n%s", nodes, len(g.Nodes), got)
		}
	})
}

func fuzzStep(g *Graph, op byte, a, b *Value, k int64) *Value {
	switch op % 14 {
	case 0:
		return g.Add(a, b)
	case 1:
		return g.MatMul(a, b)
	case 2:
		return g.Reshape(a, -1, k)
	case 3:
		return g.Transpose(a)
	case 4:
		return g.Gather(a, b, k)
	case 5:
		return g.Slice(a, 0, k, -k)
	case 6:
		return g.Concat(k, a, b)
	case 7:
		return g.Unsqueeze(a, k)
	case 8:
		return g.Squeeze(a, k)
	case 9:
		return g.ReduceSum(a, k > 0, k)
	case 10:
		return g.Expand(a, b)
	case 11:
		return g.Cast(a, DType(k))
	case 12:
		return g.Const(Tensor{Type: DType(k), Dims: []int64{1}, Raw: binary.LittleEndian.AppendUint64(nil, uint64(k))})
	}
	return g.Op("Range", []*Value{g.Int(k), g.Int(0), g.Int(int64(op))})
}
