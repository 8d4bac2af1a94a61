package onnx

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// What Encode declares: the IR version and operator sets that ONNX Runtime 1.27 reads.
const (
	irVersion        = 10
	onnxOpset        = 21
	microsoftOpset   = 1
	producer         = "nightshift"
	externalLocation = 1 // TensorProto.DataLocation.EXTERNAL
)

// message is a protobuf message under construction.
type message []byte

func (m *message) int(field protowire.Number, v int64) {
	*m = protowire.AppendTag(*m, field, protowire.VarintType)
	*m = protowire.AppendVarint(*m, uint64(v))
}

func (m *message) text(field protowire.Number, s string) {
	*m = protowire.AppendTag(*m, field, protowire.BytesType)
	*m = protowire.AppendString(*m, s)
}

func (m *message) bytes(field protowire.Number, b []byte) {
	*m = protowire.AppendTag(*m, field, protowire.BytesType)
	*m = protowire.AppendBytes(*m, b)
}

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendTag(*m, field, protowire.Fixed32Type)
	*m = protowire.AppendFixed32(*m, math.Float32bits(v))
}

// Encode is the graph as an ONNX ModelProto. It checks the graph first. The bytes are the same for the same graph. Field
// numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
func (g *Graph) Encode() ([]byte, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	var m message
	m.int(1, irVersion)
	m.text(2, producer)
	m.bytes(7, g.encode())
	for _, set := range []struct {
		domain  string
		version int64
	}{{"", onnxOpset}, {microsoft, microsoftOpset}} {
		var o message
		o.text(1, set.domain)
		o.int(2, set.version)
		m.bytes(8, o)
	}
	return m, nil
}

func (g *Graph) encode() (m message) {
	for _, n := range g.Nodes {
		m.bytes(1, n.encode())
	}
	m.text(2, g.Name)
	for _, i := range g.Initializers {
		m.bytes(5, i.Tensor.encode(i.Value.Name))
	}
	for _, v := range g.Inputs {
		m.bytes(11, v.encode())
	}
	for _, v := range g.Outputs {
		m.bytes(12, v.encode())
	}
	return m
}

func (n *Node) encode() (m message) {
	for _, v := range n.Inputs {
		if v == nil {
			m.text(1, "")
		} else {
			m.text(1, v.Name)
		}
	}
	for _, v := range n.Outputs {
		m.text(2, v.Name)
	}
	m.text(3, n.Name)
	m.text(4, n.Op)
	for _, a := range n.Attrs {
		m.bytes(5, a.encode())
	}
	if n.Domain != "" {
		m.text(7, n.Domain)
	}
	return m
}

func (a Attr) encode() (m message) {
	m.text(1, a.Name)
	switch a.kind {
	case kindFloat:
		m.float(2, a.F)
	case kindInt:
		m.int(3, a.I)
	case kindString:
		m.text(4, a.S)
	case kindTensor:
		m.bytes(5, a.T.encode(""))
	case kindFloats:
		for _, v := range a.Fs {
			m.float(7, v)
		}
	case kindInts:
		for _, v := range a.Is {
			m.int(8, v)
		}
	}
	m.int(20, int64(a.kind))
	return m
}

func (t Tensor) encode(name string) (m message) {
	for _, d := range t.Dims {
		m.int(1, d)
	}
	m.int(2, int64(t.Type))
	if name != "" {
		m.text(8, name)
	}
	if t.External == nil {
		m.bytes(9, t.Raw)
		return m
	}
	for _, e := range [][2]string{
		{"location", t.External.Location},
		{"offset", strconv.FormatInt(t.External.Offset, 10)},
		{"length", strconv.FormatInt(t.External.Length, 10)},
	} {
		var entry message
		entry.text(1, e[0])
		entry.text(2, e[1])
		m.bytes(13, entry)
	}
	m.int(14, externalLocation)
	return m
}

// encode is a ValueInfoProto. Dimensions that no rule could derive stay empty.
func (v *Value) encode() (m message) {
	var shape message
	for _, d := range v.Shape {
		var dim message
		switch {
		case d.Static():
			dim.int(1, d.Size)
		case !d.derived():
			dim.text(2, d.Name)
		}
		shape.bytes(1, dim)
	}
	var tensor, kind message
	tensor.int(1, int64(v.Type))
	tensor.bytes(2, shape)
	kind.bytes(1, tensor)
	m.text(1, v.Name)
	m.bytes(2, kind)
	return m
}
