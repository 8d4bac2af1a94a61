package onnx

import (
	"fmt"
	"strings"
)

// printLimit is how many elements of a constant the print form shows.
const printLimit = 8

// String is the print form of a graph: inputs, initializers, nodes in order, outputs, one line each.
//
//	graph tiny
//	input x float[B,4]
//	const w float[4,2] external model.safetensors+1024
//	y float[B,2] = MatMul(x, w)
//	output y
func (g *Graph) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graph %s\n", g.Name)
	for _, v := range g.Inputs {
		fmt.Fprintf(&b, "input %v\n", v)
	}
	for _, i := range g.Initializers {
		fmt.Fprintf(&b, "const %s %v\n", i.Value.Name, i.Tensor)
	}
	for _, n := range g.Nodes {
		fmt.Fprintln(&b, n)
	}
	for _, v := range g.Outputs {
		fmt.Fprintf(&b, "output %s\n", v.Name)
	}
	return b.String()
}

// String is the print form of a node: y float[B,2] = Gemm(x, w) transB=1. An input that is left out prints as _.
func (n *Node) String() string {
	var b strings.Builder
	for i, v := range n.Outputs {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v.String())
	}
	b.WriteString(" = " + n.Op + "(")
	for i, v := range n.Inputs {
		if i > 0 {
			b.WriteString(", ")
		}
		if v == nil {
			b.WriteString("_")
		} else {
			b.WriteString(v.Name)
		}
	}
	b.WriteString(")")
	for _, a := range n.Attrs {
		b.WriteString(" " + a.String())
	}
	return b.String()
}

// String is the print form of a constant: float[2] {1 2}, cut after eight elements.
func (t Tensor) String() string {
	s := t.Type.String() + t.Shape().String()
	if t.External != nil {
		return fmt.Sprintf("%s external %s+%d", s, t.External.Location, t.External.Offset)
	}
	var list string
	more := t.Elements() > printLimit
	switch data := t.Float32s(); {
	case data != nil:
		list = strings.Trim(fmt.Sprint(data[:min(len(data), printLimit)]), "[]")
	case t.Type == Float16:
		return fmt.Sprintf("%s %x", s, t.Raw[:min(len(t.Raw), 2*printLimit)])
	default:
		data := t.Int64s()
		list = strings.Trim(fmt.Sprint(data[:min(len(data), printLimit)]), "[]")
	}
	if more {
		list += " …"
	}
	return s + " {" + list + "}"
}
