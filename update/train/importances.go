package train

import (
	"fmt"
	"strconv"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// Importances are what regularizers carry from one night to the next beside a version: how important each of its parameters
// is, in the order of the flat vector. Their center is the version itself.
//
// As a file they are safetensors: a tensor fisher.NAME or si.NAME in each parameter's shape, NAME as the graphs have it, and in
// the metadata "nights", how many nights they sum up. A kind that is not carried has no tensors.
type Importances struct {
	Nights     int
	Fisher, SI []float32
}

// kinds are the vectors by the prefix of their tensors.
func (i *Importances) kinds() map[string]*[]float32 {
	return map[string]*[]float32{"fisher.": &i.Fisher, "si.": &i.SI}
}

// Encode writes the file for parameters of the given shapes. Equal importances give equal bytes.
func (i Importances) Encode(shapes []arch.Tensor) ([]byte, error) {
	var tensors []safetensors.Tensor
	for prefix, values := range i.kinds() {
		if *values == nil {
			continue
		}
		if n := Size(shapes); len(*values) != n {
			return nil, fmt.Errorf("encode importances: %d values of %s for %d parameters", len(*values), prefix, n)
		}
		at := 0
		for _, s := range shapes {
			tensors = append(tensors, safetensors.Slice(prefix+s.Name, s.Dims, (*values)[at:at+s.Elements()]))
			at += s.Elements()
		}
	}
	return safetensors.Encode(tensors, map[string]string{"nights": strconv.Itoa(i.Nights)})
}

// ParseImportances reads the file for parameters of the given shapes. It refuses tensors of other names or shapes, and values that
// are negative or not finite.
func ParseImportances(data []byte, shapes []arch.Tensor) (Importances, error) {
	f, err := safetensors.Parse(data, safetensors.MaxAdapterHeader)
	if err != nil {
		return Importances{}, fmt.Errorf("parse importances: %w", err)
	}
	var i Importances
	if i.Nights, err = strconv.Atoi(f.Metadata()["nights"]); err != nil || i.Nights < 1 {
		return Importances{}, fmt.Errorf("parse importances: they are of %q nights, want a number from 1", f.Metadata()["nights"])
	}
	used := 0
	for prefix, values := range i.kinds() {
		if _, ok := f.Entry(prefix + shapes[0].Name); !ok {
			continue
		}
		for _, s := range shapes {
			part, err := tensorOf(f, prefix+s.Name, s.Dims)
			if err != nil {
				return Importances{}, fmt.Errorf("parse importances: %w", err)
			}
			*values = append(*values, part...)
		}
		used += len(shapes)
	}
	if used != len(f.Entries()) {
		return Importances{}, fmt.Errorf("parse importances: %d of %d tensors are of these parameters", used, len(f.Entries()))
	}
	return i, nil
}

// tensorOf reads one tensor of importances.
func tensorOf(f *safetensors.File, name string, dims []int64) ([]float32, error) {
	e, ok := f.Entry(name)
	if !ok || fmt.Sprint(e.Shape) != fmt.Sprint(dims) {
		return nil, fmt.Errorf("tensor %s is missing or has shape %v, want %v; it belongs to an adapter of other modules, layers or rank", name, e.Shape, dims)
	}
	values, err := f.Floats(name)
	if err != nil {
		return nil, err
	}
	for at, v := range values {
		if !(v >= 0) || !finite(float64(v)) {
			return nil, fmt.Errorf("tensor %s holds %g at index %d", name, v, at)
		}
	}
	return values, nil
}
