package arch

import (
	"slices"
	"testing"
)

func TestTargetText(t *testing.T) {
	for _, target := range []Target{{0, "attn.c_attn"}, {11, "mlp.c_proj"}} {
		var back Target
		if err := back.UnmarshalText([]byte(target.String())); err != nil || back != target {
			t.Errorf("%s: %v, %v", target, back, err)
		}
	}
	for _, bad := range []string{"", "h.1", "h.-1.mlp.c_fc", "h.1.c_fc", "h.1024.mlp.c_fc", "x.1.mlp.c_fc"} {
		var back Target
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is %v", bad, back)
		}
	}
}

// TestLinears holds the lists of a shape to each other: what adapters name, what tensors a checkpoint has, what is stored.
func TestLinears(t *testing.T) {
	untied := tiny()
	untied.TiedHead = false
	for _, s := range append(llamas(), tiny(), untied) {
		for _, l := range s.Linears() {
			checkTensors(t, s, l)
			if l.Layer >= 0 {
				checkModules(t, s, l)
			}
		}
		for _, m := range s.Modules() {
			if NamingOf(m) != &s.family().naming {
				t.Errorf("%s is a module of another family", m)
			}
		}
		for _, tensor := range s.Tensors() {
			for _, p := range tensor.Files() {
				if back := s.Canonical(s.Stored(p.Name)); back != p.Name {
					t.Errorf("%s is stored as %s, read as %s", p.Name, s.Stored(p.Name), back)
				}
			}
		}
		if _, _, err := s.Dims("c_fc"); err == nil {
			t.Error("there is a module c_fc")
		}
	}
}

// checkTensors holds the tensors of a linear to its widths.
func checkTensors(t *testing.T, s Shape, l Linear) {
	t.Helper()
	weight, ok := s.Tensor(l.Weight)
	want := []int64{int64(l.In), int64(l.Out)}
	if l.Transposed {
		slices.Reverse(want)
	}
	if !ok || !slices.Equal(weight.Dims, want) {
		t.Errorf("%s: weight %v of %v, want %v", l, ok, weight.Dims, want)
	}
	for _, name := range append([]string{l.Bias}, l.Norm...) {
		tensor, ok := s.Tensor(name)
		if name != "" && !ok {
			t.Errorf("%s: there is no tensor %s", l, name)
		}
		width := 0
		for _, p := range tensor.Pieces {
			width += p.Width()
		}
		if tensor.Pieces != nil && width != l.Out {
			t.Errorf("%s: the pieces of %s are %d wide together, want %d", l, name, width, l.Out)
		}
	}
}

// checkModules holds the modules of a linear to what adapters are told.
func checkModules(t *testing.T, s Shape, l Linear) {
	t.Helper()
	parts, column := l.Parts, 0
	if parts == nil {
		parts = []Part{{l.Module, l.Out}}
	}
	for _, p := range parts {
		holder, at := s.Holder(Target{l.Layer, p.Module})
		if in, out, err := s.Dims(p.Module); err != nil || in != l.In || out != p.Out || holder.Target != l.Target || at != column || !slices.Contains(s.Modules(), p.Module) {
			t.Errorf("%s: %d, %d, %v, in %s at %d", p.Module, in, out, err, holder, at)
		}
		column += p.Out
	}
	if column != l.Out {
		t.Errorf("%s: its parts are %d wide, want %d", l, column, l.Out)
	}
}
