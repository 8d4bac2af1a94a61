package adapter

import (
	"errors"
	"fmt"

	"nightshift/models/arch"
	"nightshift/models/safetensors"
)

// Layout says where the factors of an adapter lie in its adapter_model.safetensors, so that whoever has parsed the file once can
// take them out of the same bytes again without parsing. It checks nothing: it is for bytes that are known to be the same.
type Layout struct {
	Config Config
	size   int
	places map[arch.Target]place
}

// place is where the two factors of a target begin, in bytes, and their lengths.
type place struct{ a, b, lengthA, lengthB int }

// Layout finds the factors of the adapter in the file that it was parsed from. It fails when they are not float32, or differ in rank or scale.
func (a *Adapter) Layout(weights []byte) (*Layout, error) {
	if a.leveled {
		return nil, errors.New("lay out adapter: the ranks or scales of its file differ between modules, so its factors cannot be used as they lie")
	}
	f, err := safetensors.Parse(weights, safetensors.MaxAdapterHeader)
	if err != nil {
		return nil, fmt.Errorf("lay out adapter: %w", err)
	}
	l := &Layout{Config: a.Config.canonical(), size: len(weights), places: make(map[arch.Target]place, len(a.Factors))}
	for _, e := range f.Entries() {
		t, factor, _, err := splitName(e.Name)
		if err != nil {
			return nil, fmt.Errorf("lay out adapter: %w", err)
		}
		if e.Type != safetensors.F32 {
			return nil, fmt.Errorf("lay out adapter: tensor %s is %s, only F32 can be used as it lies", e.Name, e.Type)
		}
		p := l.places[t]
		if factor == "A" {
			p.a, p.lengthA = int(e.Offset), int(e.Length)
		} else {
			p.b, p.lengthB = int(e.Offset), int(e.Length)
		}
		l.places[t] = p
	}
	return l, nil
}

// Factors returns a target's factors as they lie in weights, little-endian float32: A is [r, in] and B is [out, r], row-major,
// without the scale. Both are nil when the target has none, or weights are not of the file's size.
func (l *Layout) Factors(weights []byte, t arch.Target) (a, b []byte) {
	p, ok := l.places[t]
	if !ok || len(weights) != l.size {
		return nil, nil
	}
	return weights[p.a:][:p.lengthA], weights[p.b:][:p.lengthB]
}

// Targets counts the linears that have factors.
func (l *Layout) Targets() int { return len(l.places) }

// Size is the length of the file in bytes.
func (l *Layout) Size() int { return l.size }
