package arch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Target is one linear of a model by its place: what an adapter changes, what a scale or an importance belongs to.
type Target struct {
	Layer  int // −1 for the output head
	Module string
}

// String spells t as tensors do: h.3.mlp.c_fc, or lm_head.
func (t Target) String() string {
	if t.Layer < 0 {
		return t.Module
	}
	return fmt.Sprintf("h.%d.%s", t.Layer, t.Module)
}

// MarshalText is String.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what String writes of a linear in a layer.
func (t *Target) UnmarshalText(text []byte) error {
	number, module, ok := strings.Cut(strings.TrimPrefix(string(text), "h."), ".")
	layer, err := strconv.Atoi(number)
	if !ok || err != nil || layer < 0 || layer >= MaxLayers || !slices.Contains(Modules(), module) {
		return fmt.Errorf("parse linear %q: want a layer and one of %v, as in h.3.mlp.c_fc", text, Modules())
	}
	*t = Target{layer, module}
	return nil
}

// Compare orders targets by layer and then by module, in canonical order.
func Compare(a, b Target) int {
	if a.Layer != b.Layer {
		return a.Layer - b.Layer
	}
	return slices.Index(Modules(), a.Module) - slices.Index(Modules(), b.Module)
}

// Linear is one matrix product of a model, x·W + b.
type Linear struct {
	Target
	In, Out int
	Weight  string // the tensor of W, [In, Out], or [Out, In] where it is Transposed
	Bias    string // the tensor of b, [Out]; "" for none
	// Transposed says that W is kept as [Out, In].
	Transposed bool
	// Split says that files have W as [Out, In], and each of Parts as a matrix of its own.
	Split bool
	// Norm are the tensors, a gain and, where there is one, a bias, of the norm whose output x is; nil where x comes from elsewhere.
	Norm []string
	// Fed says which outputs of another linear its inputs are proportional to; nil where it is to none.
	Fed *Fed
	// HeadNorms are the tensors of the norms of the heads in its outputs.
	HeadNorms []Tensor
	// Residual says that the output is added to the residual stream.
	Residual bool
	// Parts are the modules that adapters change apart and that W packs side by side in its columns; nil where W is one module.
	Parts []Part
}

// Fed is which outputs of a linear the inputs of another are proportional to: what one is divided by the other is divided by as well.
// The outputs from Column on, in groups of Width, are taken Repeat times each, group by group.
type Fed struct {
	Of                    Target
	Column, Width, Repeat int
}

// Output is the output that input i is proportional to.
func (f Fed) Output(i int) int { return f.Column + i/(f.Width*f.Repeat)*f.Width + i%f.Width }

// Part is a module that is some of the outputs of a linear.
type Part struct {
	Module string
	Out    int
}

// tensors lists those of a linear: its norm's, its weight and its bias.
func (l Linear) tensors() []Tensor {
	var list []Tensor
	for i, name := range l.Norm {
		list = append(list, Tensor{Name: name, Dims: []int64{int64(l.In)}, Start: []Start{Ones, Zeros}[i]})
	}
	weight := Tensor{Name: l.Weight, Dims: []int64{int64(l.In), int64(l.Out)}, Start: Normal}
	if l.Transposed {
		slices.Reverse(weight.Dims)
	}
	if l.Residual {
		weight.Start = Residual
	}
	bias := Tensor{Name: l.Bias, Dims: []int64{int64(l.Out)}}
	if l.Split {
		weight.Pieces = l.pieces(".weight", true, int64(l.In))
		bias.Pieces = l.pieces(".bias", false)
	}
	if list = append(list, weight); l.Bias != "" {
		list = append(list, bias)
	}
	return append(list, l.HeadNorms...)
}

// pieces are what a file has of a tensor of a linear that it keeps apart: one of each of its parts, the width of which comes before dims.
func (l Linear) pieces(suffix string, turned bool, dims ...int64) (list []Piece) {
	parts := l.Parts
	if parts == nil {
		parts = []Part{{l.Module, l.Out}}
	}
	for _, p := range parts {
		list = append(list, Piece{Target{l.Layer, p.Module}.String() + suffix, append([]int64{int64(p.Out)}, dims...), turned})
	}
	return list
}
