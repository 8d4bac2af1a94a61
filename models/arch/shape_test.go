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
	for _, tied := range []bool{true, false} {
		s := tiny()
		s.TiedHead = tied
		modules := map[string]bool{}
		for _, l := range s.Linears() {
			weight, ok := s.Tensor(l.Weight)
			want := []int64{int64(l.In), int64(l.Out)}
			if l.Transposed {
				slices.Reverse(want)
			}
			if !ok || !slices.Equal(weight.Dims, want) {
				t.Errorf("%s: weight %v of %v, want %v", l, ok, weight.Dims, want)
			}
			for _, name := range append([]string{l.Bias}, l.Norm...) {
				if _, ok := s.Tensor(name); name != "" && !ok {
					t.Errorf("%s: there is no tensor %s", l, name)
				}
			}
			if l.Layer < 0 {
				continue
			}
			modules[l.Module] = true
			if in, out, err := s.Dims(l.Module); err != nil || in != l.In || out != l.Out || s.Holder(l.Target) != l.Target {
				t.Errorf("%s: %d, %d, %v and %v", l, in, out, err, s.Holder(l.Target))
			}
		}
		for _, m := range s.Modules() {
			if !modules[m] || NamingOf(m).Title != s.Title() {
				t.Errorf("no layer has a linear %s", m)
			}
		}
		if n := len(s.Modules()); len(modules) != n || len(s.Linears()) != s.Layers*n+1 {
			t.Errorf("%d modules, %d linears", len(modules), len(s.Linears()))
		}
		for _, tensor := range s.Tensors() {
			if back := s.Canonical(s.Stored(tensor.Name)); back != tensor.Name {
				t.Errorf("%s is stored as %s, read as %s", tensor.Name, s.Stored(tensor.Name), back)
			}
		}
		if _, _, err := s.Dims("c_fc"); err == nil {
			t.Error("there is a module c_fc")
		}
	}
}

// TestPacked is a family whose layers pack two modules that adapters change apart, with one norm before two linears.
func TestPacked(t *testing.T) {
	norm := []string{"h.0.norm.weight"}
	packed := family{model: "packed", naming: Naming{Title: "Packed", Root: "model.", List: "layers", Modules: []string{"q_proj", "k_proj", "up_proj"}},
		inputs: func(Shape) []Tensor { return nil },
		layer: func(Shape, int) []Linear {
			return []Linear{
				{Target: Target{0, "qk"}, In: 8, Out: 12, Weight: "h.0.qk.weight", Norm: norm, Parts: []Part{{"q_proj", 8}, {"k_proj", 4}}},
				{Target: Target{0, "up_proj"}, In: 8, Out: 16, Weight: "h.0.up_proj.weight", Norm: norm},
			}
		},
		head: func(Shape) Linear {
			return Linear{Target: Target{-1, HeadName}, In: 8, Out: 5, Weight: HeadWeight, Transposed: true}
		}}
	before := families
	families = append(slices.Clone(before), &packed)
	defer func() { families = before }()
	s := Shape{Family: "packed", Layers: 1, Heads: 2, KVHeads: 1, HeadSize: 4, Width: 8}
	for module, out := range map[string]int{"q_proj": 8, "k_proj": 4, "up_proj": 16} {
		if in, got, err := s.Dims(module); err != nil || in != 8 || got != out {
			t.Errorf("%s: %d, %d, %v", module, in, got, err)
		}
	}
	if _, _, err := s.Dims("qk"); err == nil {
		t.Error("adapters change a packed linear as one")
	}
	if got := s.Holder(Target{0, "k_proj"}); got != (Target{0, "qk"}) {
		t.Errorf("k_proj is held by %s", got)
	}
	if got := s.KVWidth(); got != 4 {
		t.Errorf("keys are %d wide", got)
	}
	var names []string
	for _, tensor := range s.Tensors() {
		names = append(names, tensor.Name)
	}
	if want := []string{"h.0.norm.weight", "h.0.qk.weight", "h.0.up_proj.weight", HeadWeight}; !slices.Equal(names, want) {
		t.Errorf("tensors %v, want %v", names, want)
	}
	if got := packed.naming.Path("model.", Target{0, "q_proj"}); got != "model.layers.0.q_proj" {
		t.Errorf("PEFT names it %s", got)
	}
}
