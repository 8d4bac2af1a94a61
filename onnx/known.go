package onnx

// knownLimit bounds the constants that shape rules look into.
const knownLimit = 64

// known is the elements of an integer value of rank 0 or 1, as far as they can be told while building: constants, the
// dimensions that Shape reports, and what layout operators make of them. It is what gives Reshape(x, Concat(Shape(y)…))
// a shape with names.
func known(v *Value) ([]Dim, bool) {
	if v == nil || !ints.has(v.Type) || len(v.Shape) > 1 {
		return nil, false
	}
	if v.init != nil {
		if v.init.Tensor.External != nil || v.init.Tensor.Elements() > knownLimit {
			return nil, false
		}
		var out []Dim
		for _, n := range v.init.Tensor.Int64s() {
			out = append(out, Dim{Size: n})
		}
		return out, true
	}
	if v.node == nil {
		return nil, false
	}
	n := v.node
	switch n.Op {
	case "Shape":
		start, end := shapeSpan(n)
		return n.Inputs[0].Shape[start:end], true
	case "Identity", "Cast", "Unsqueeze", "Squeeze", "Reshape":
		return known(n.Inputs[0])
	case "Concat":
		return knownConcat(n)
	case "Gather":
		return knownGather(n)
	case "Slice":
		return knownSlice(n)
	case "Mul":
		return knownProduct(n)
	}
	return nil, false
}

func knownConcat(n *Node) ([]Dim, bool) {
	var out []Dim
	for _, in := range n.Inputs {
		d, ok := known(in)
		if !ok {
			return nil, false
		}
		out = append(out, d...)
	}
	return out, true
}

func knownGather(n *Node) ([]Dim, bool) {
	data, ok := known(n.Inputs[0])
	index, ok2 := known(n.Inputs[1])
	if !ok || !ok2 {
		return nil, false
	}
	var out []Dim
	for _, i := range index {
		k, err := normal(i.Size, len(data))
		if !i.Static() || err != nil {
			return nil, false
		}
		out = append(out, data[k])
	}
	return out, true
}

func knownSlice(n *Node) ([]Dim, bool) {
	data, ok := known(n.Inputs[0])
	if !ok || len(n.Inputs) > 4 {
		return nil, false
	}
	start, ok1 := known(n.Inputs[1])
	end, ok2 := known(n.Inputs[2])
	if !ok1 || !ok2 || len(start) != 1 || len(end) != 1 || !start[0].Static() || !end[0].Static() {
		return nil, false
	}
	first, count := SliceRange(int64(len(data)), start[0].Size, end[0].Size, 1)
	return data[first : first+count], true
}

func knownProduct(n *Node) ([]Dim, bool) {
	a, ok1 := known(n.Inputs[0])
	b, ok2 := known(n.Inputs[1])
	if !ok1 || !ok2 || len(a) != len(b) {
		return nil, false
	}
	out := make([]Dim, len(a))
	for i := range a {
		out[i] = product(Shape{a[i], b[i]})
	}
	return out, true
}
