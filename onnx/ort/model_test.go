package ort_test

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tests build their models field by field, so that what the package reads was not written by the project's encoder.

func message(fields ...[]byte) []byte {
	var out []byte
	for _, f := range fields {
		out = append(out, f...)
	}
	return out
}

func bytesField(id protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, id, protowire.BytesType), b)
}

func textField(id protowire.Number, s string) []byte { return bytesField(id, []byte(s)) }

func numberField(id protowire.Number, n int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, id, protowire.VarintType), uint64(n))
}

// value is a ValueInfoProto; a dimension of -1 is symbolic, nil dims declare no shape.
func value(name string, dtype int64, dims []int64) []byte {
	tensor := numberField(1, dtype)
	if dims != nil {
		var shape []byte
		for _, d := range dims {
			if d < 0 {
				shape = append(shape, bytesField(1, textField(2, "N"))...)
			} else {
				shape = append(shape, bytesField(1, numberField(1, d))...)
			}
		}
		tensor = append(tensor, bytesField(2, shape)...)
	}
	return message(textField(1, name), bytesField(2, bytesField(1, tensor)))
}

func node(op string, inputs, outputs []string, attributes ...[]byte) []byte {
	var out []byte
	for _, in := range inputs {
		out = append(out, textField(1, in)...)
	}
	for _, o := range outputs {
		out = append(out, textField(2, o)...)
	}
	out = append(out, textField(4, op)...)
	for _, a := range attributes {
		out = append(out, bytesField(5, a)...)
	}
	return out
}

// weight is a float TensorProto.
func weight(name string, dims []int64, data ...float32) []byte {
	var raw []byte
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return message(tensorHead(name, dims), bytesField(9, raw))
}

func tensorHead(name string, dims []int64) []byte {
	var out []byte
	for _, d := range dims {
		out = append(out, numberField(1, d)...)
	}
	return message(out, numberField(2, 1), textField(8, name))
}

// external is a float TensorProto whose data is in a file.
func external(name string, dims []int64, file, offset, length string) []byte {
	entry := func(k, v string) []byte { return bytesField(13, message(textField(1, k), textField(2, v))) }
	return message(tensorHead(name, dims), entry("location", file), entry("offset", offset), entry("length", length),
		numberField(14, 1))
}

type model struct {
	nodes, weights, inputs, outputs [][]byte
}

func (m model) encode() []byte {
	graph := message()
	for _, n := range m.nodes {
		graph = append(graph, bytesField(1, n)...)
	}
	graph = append(graph, textField(2, "test")...)
	for _, w := range m.weights {
		graph = append(graph, bytesField(5, w)...)
	}
	for _, v := range m.inputs {
		graph = append(graph, bytesField(11, v)...)
	}
	for _, v := range m.outputs {
		graph = append(graph, bytesField(12, v)...)
	}
	return message(numberField(1, 10), bytesField(7, graph), bytesField(8, message(textField(1, ""), numberField(2, 21))))
}

// adder is sum = x + y over [N].
func adder() []byte {
	return model{
		nodes:   [][]byte{node("Add", []string{"x", "y"}, []string{"sum"})},
		inputs:  [][]byte{value("x", 1, []int64{-1}), value("y", 1, []int64{-1})},
		outputs: [][]byte{value("sum", 1, []int64{-1})},
	}.encode()
}
