package onnx

import (
	"sort"
	"strconv"
	"strings"
)

// Dim is one dimension of a shape: a size known when the graph is built, or a name for one that is known when it runs.
type Dim struct {
	Size int64
	Name string // when not empty the dimension is symbolic and Size is ignored
}

// N is a dimension of known size.
func N(n int) Dim { return Dim{Size: int64(n)} }

// Sym is a symbolic dimension.
func Sym(name string) Dim { return Dim{Name: name} }

// Static reports whether the size is known when the graph is built.
func (d Dim) Static() bool { return d.Name == "" }

// String is the number or the name.
func (d Dim) String() string {
	if d.Static() {
		return strconv.FormatInt(d.Size, 10)
	}
	return d.Name
}

func (d Dim) equal(e Dim) bool {
	return d.Name == e.Name && (d.Name != "" || d.Size == e.Size)
}

func (d Dim) is(n int64) bool { return d.Name == "" && d.Size == n }

// derived reports whether the name was made up, for a dimension that no rule could derive.
func (d Dim) derived() bool { return strings.Contains(d.Name, "?") }

// unify is the dimension that a and b must both be, where nothing may be broadcast.
func unify(a, b Dim) (Dim, bool) {
	switch {
	case a.equal(b):
		return a, true
	case a.Static() && b.Static():
		return a, false
	case a.Static():
		return a, true
	case b.Static():
		return b, true
	case b.derived():
		return a, true
	case a.derived():
		return b, true
	}
	return a, false
}

// Shape is the dimensions of a tensor, outermost first; empty for a scalar.
type Shape []Dim

// String is the print form: [B,S,768].
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = d.String()
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// Static reports whether every dimension is known, and then the sizes.
func (s Shape) Static() (dims []int64, ok bool) {
	dims = make([]int64, len(s))
	for i, d := range s {
		if !d.Static() {
			return nil, false
		}
		dims[i] = d.Size
	}
	return dims, true
}

// Elements is the product of the dimensions, a symbol such as "4*B*S" when some are symbolic.
func (s Shape) Elements() Dim { return product(s) }

func (s Shape) equal(t Shape) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if !s[i].equal(t[i]) {
			return false
		}
	}
	return true
}

func (s Shape) clone() Shape { return append(Shape(nil), s...) }

// broadcast is the shape of an elementwise operation on a and b.
func broadcast(a, b Shape) (Shape, bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := a.clone()
	off := len(a) - len(b)
	for i, d := range b {
		e := out[off+i]
		switch {
		case e.is(1):
			out[off+i] = d
		case d.is(1):
		default:
			u, ok := unify(e, d)
			if !ok {
				return nil, false
			}
			out[off+i] = u
		}
	}
	return out, true
}

// factors is a dimension as a number times sorted symbols.
func (d Dim) factors() (k int64, names []string) {
	if d.Static() {
		return d.Size, nil
	}
	k = 1
	for _, f := range strings.Split(d.Name, "*") {
		if n, err := strconv.ParseInt(f, 10, 64); err == nil {
			k *= n
		} else {
			names = append(names, f)
		}
	}
	return k, names
}

func join(k int64, names []string) Dim {
	if len(names) == 0 || k == 0 {
		return Dim{Size: k}
	}
	sort.Strings(names)
	name := strings.Join(names, "*")
	if k != 1 {
		name = strconv.FormatInt(k, 10) + "*" + name
	}
	return Dim{Name: name}
}

// product multiplies dimensions; symbols become a symbol such as "4*B*S".
func product(s Shape) Dim {
	k, names := int64(1), []string(nil)
	for _, d := range s {
		n, more := d.factors()
		k, names = k*n, append(names, more...)
	}
	return join(k, names)
}

// quotient divides a by b when every factor of b is one of a's.
func quotient(a, b Dim) (Dim, bool) {
	ka, na := a.factors()
	kb, nb := b.factors()
	if kb == 0 || ka%kb != 0 {
		return Dim{}, false
	}
	rest := append([]string(nil), na...)
next:
	for _, f := range nb {
		for i, g := range rest {
			if f == g {
				rest = append(rest[:i], rest[i+1:]...)
				continue next
			}
		}
		return Dim{}, false
	}
	return join(ka/kb, rest), true
}
