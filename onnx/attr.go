package onnx

import (
	"fmt"
	"strconv"
	"strings"
)

// attrKind is AttributeProto.AttributeType.
type attrKind int32

const (
	kindFloat  attrKind = 1
	kindInt    attrKind = 2
	kindString attrKind = 3
	kindTensor attrKind = 4
	kindFloats attrKind = 6
	kindInts   attrKind = 7
)

// Attr is a named constant of a node. Make one with [Int], [Float32], [String], [IntList], [FloatList] or [TensorAttr].
type Attr struct {
	Name string
	I    int64
	F    float32
	S    string
	Is   []int64
	Fs   []float32
	T    *Tensor
	kind attrKind
}

// Int is an integer attribute.
func Int(name string, v int64) Attr { return Attr{Name: name, I: v, kind: kindInt} }

// Float32 is a floating-point attribute.
func Float32(name string, v float32) Attr { return Attr{Name: name, F: v, kind: kindFloat} }

// String is a text attribute.
func String(name, v string) Attr { return Attr{Name: name, S: v, kind: kindString} }

// IntList is an attribute of integers.
func IntList(name string, v ...int64) Attr { return Attr{Name: name, Is: v, kind: kindInts} }

// FloatList is an attribute of floating-point numbers.
func FloatList(name string, v ...float32) Attr { return Attr{Name: name, Fs: v, kind: kindFloats} }

// TensorAttr is a tensor attribute.
func TensorAttr(name string, t Tensor) Attr { return Attr{Name: name, T: &t, kind: kindTensor} }

// String is the print form: axis=1.
func (a Attr) String() string {
	switch a.kind {
	case kindInt:
		return a.Name + "=" + strconv.FormatInt(a.I, 10)
	case kindFloat:
		return a.Name + "=" + strconv.FormatFloat(float64(a.F), 'g', -1, 32)
	case kindString:
		return a.Name + "=" + strconv.Quote(a.S)
	case kindInts:
		return a.Name + "=" + strings.ReplaceAll(fmt.Sprint(a.Is), " ", ",")
	case kindFloats:
		return a.Name + "=" + strings.ReplaceAll(fmt.Sprint(a.Fs), " ", ",")
	case kindTensor:
		return a.Name + "=" + a.T.String()
	}
	return a.Name + "=?"
}

func (n *Node) attr(name string, kind attrKind) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name && n.Attrs[i].kind == kind {
			return &n.Attrs[i]
		}
	}
	return nil
}

// Int is the integer attribute of that name, or def.
func (n *Node) Int(name string, def int64) int64 {
	if a := n.attr(name, kindInt); a != nil {
		return a.I
	}
	return def
}

// Float is the floating-point attribute of that name, or def.
func (n *Node) Float(name string, def float32) float32 {
	if a := n.attr(name, kindFloat); a != nil {
		return a.F
	}
	return def
}

// Text is the text attribute of that name, or def.
func (n *Node) Text(name, def string) string {
	if a := n.attr(name, kindString); a != nil {
		return a.S
	}
	return def
}

// Ints is the integer list attribute of that name; ok is false when the node has none.
func (n *Node) Ints(name string) (list []int64, ok bool) {
	if a := n.attr(name, kindInts); a != nil {
		return a.Is, true
	}
	return nil, false
}

// Tensor is the tensor attribute of that name, or nil.
func (n *Node) Tensor(name string) *Tensor {
	if a := n.attr(name, kindTensor); a != nil {
		return a.T
	}
	return nil
}
