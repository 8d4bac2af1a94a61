package adapter

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"nightshift/models/arch"
)

// filled is an adapter with numbers in both factors.
func filled(t *testing.T, cfg Config, seed int) *Adapter {
	t.Helper()
	a := fresh(t, cfg)
	for n, target := range a.Targets() {
		f := a.Factors[target]
		for i := range f.A {
			f.A[i] = float32(math.Sin(float64(seed+7*n+i*i))) / 2
		}
		for i := range f.B {
			f.B[i] = float32(math.Cos(float64(3*seed+n+i*i))) / 8
		}
	}
	return a
}

// addition is weight·scale·A·B of a target, nothing where the adapter has no factors for it.
func addition(a *Adapter, target arch.Target, weight float64) []float64 {
	in, out, _ := small.Dims(target.Module)
	sum := make([]float64, in*out)
	f, ok := a.Factors[target]
	if !ok {
		return sum
	}
	r := a.Config.Rank
	for i := range in {
		for j := range out {
			for k := range r {
				sum[i*out+j] += weight * a.Config.Scale() * float64(f.A[i*r+k]) * float64(f.B[k*out+j])
			}
		}
	}
	return sum
}

// apartBy compares what merged adds to what parts add, over all targets: the norms of the difference and of the whole.
func apartBy(merged *Adapter, parts []Part) (difference, whole float64) {
	for _, target := range merged.Targets() {
		got := addition(merged, target, 1)
		want := make([]float64, len(got))
		for _, p := range parts {
			for i, v := range addition(p.Adapter, target, p.Weight) {
				want[i] += v
			}
		}
		for i, w := range want {
			difference += (got[i] - w) * (got[i] - w)
			whole += w * w
		}
	}
	return math.Sqrt(difference), math.Sqrt(whole)
}

func TestMergeIsExactWhereTheRankSuffices(t *testing.T) {
	parts := []Part{
		{filled(t, Config{Rank: 3, Alpha: 6, Modules: []string{"mlp.c_fc", "mlp.c_proj"}}, 1), 1},
		{filled(t, Config{Rank: 2, Alpha: 1, RSLoRA: true, Modules: []string{"attn.c_attn", "mlp.c_fc"}}, 2), 0.5},
		{filled(t, Config{Rank: 4, Alpha: 4, Modules: []string{"mlp.c_proj"}}, 3), -0.75},
	}
	for _, rank := range []int{9, 16, 40} { // 40 is above every width
		merged, lost, err := Merge(Config{Rank: rank, Alpha: 16, BaseModel: "shop"}, parts...)
		if err != nil {
			t.Fatal(err)
		}
		if difference, whole := apartBy(merged, parts); difference > 3e-7*whole || whole == 0 || lost > 1e-12 {
			t.Errorf("rank %d: apart by %g of %g, lost %g", rank, difference, whole, lost)
		}
		c := merged.Config
		if c.Rank != rank || c.Alpha != 16 || c.BaseModel != "shop" || c.Layers != nil || !reflect.DeepEqual(c.Modules, []string{"attn.c_attn", "mlp.c_fc", "mlp.c_proj"}) {
			t.Errorf("config %+v", c)
		}
		again, _, err := Merge(Config{Rank: rank, Alpha: 16, BaseModel: "shop"}, parts...)
		if err != nil || !reflect.DeepEqual(merged, again) {
			t.Errorf("rank %d: merging again gave another adapter (%v)", rank, err)
		}
	}
}

// TestMergeTruncatesToTheNearest merges factors whose singular values are known: the smaller one is lost.
func TestMergeTruncatesToTheNearest(t *testing.T) {
	one := fresh(t, Config{Rank: 2, Alpha: 2, Modules: []string{"attn.c_proj"}, Layers: []int{1}})
	f := one.Factors[arch.Target{Layer: 1, Module: "attn.c_proj"}]
	clear(f.A)
	clear(f.B)
	f.A[0], f.B[1] = 1, 3        // 3·e₀e₁ᵀ
	f.A[2*5+1], f.B[16+2] = 2, 2 // 4·e₅e₂ᵀ
	merged, lost, err := Merge(Config{Rank: 1, Alpha: 5}, Part{one, 2})
	if err != nil {
		t.Fatal(err)
	}
	got := addition(merged, arch.Target{Layer: 1, Module: "attn.c_proj"}, 1)
	for i, v := range got {
		want := 0.0
		if i == 5*16+2 {
			want = 8
		}
		if math.Abs(v-want) > 1e-6 {
			t.Errorf("element %d is %g, want %g", i, v, want)
		}
	}
	if want := 3.0 / 5; math.Abs(lost-want) > 1e-12 || !reflect.DeepEqual(merged.Config.Layers, []int{1}) {
		t.Errorf("lost %g, want %g; layers %v", lost, want, merged.Config.Layers)
	}
	parts := []Part{{filled(t, Config{Rank: 3, Alpha: 6, Modules: []string{"mlp.c_fc"}}, 1), 1}, {filled(t, Config{Rank: 3, Alpha: 6, Modules: []string{"mlp.c_fc"}}, 2), 1}}
	for rank := 1; rank < 6; rank++ {
		merged, lost, err := Merge(Config{Rank: rank, Alpha: 16}, parts...)
		if err != nil {
			t.Fatal(err)
		}
		if difference, whole := apartBy(merged, parts); math.Abs(difference/whole-lost) > 1e-5 || lost == 0 {
			t.Errorf("rank %d: apart by %g, said to have lost %g", rank, difference/whole, lost)
		}
	}
}

func TestMergeOfNothingLearned(t *testing.T) {
	empty := fresh(t, Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}})
	merged, lost, err := Merge(Config{Rank: 2, Alpha: 4}, Part{empty, 1}, Part{filled(t, empty.Config, 1), 0})
	if err != nil {
		t.Fatal(err)
	}
	for target, f := range merged.Factors {
		var a float64
		for _, v := range f.A {
			a += float64(v) * float64(v)
		}
		for _, v := range f.B {
			if v != 0 {
				t.Fatalf("%s: B is %g", target, v)
			}
		}
		if math.Abs(a-2) > 1e-5 {
			t.Errorf("%s: A has the square %g, its two columns cannot learn", target, a)
		}
	}
	if lost != 0 {
		t.Errorf("lost %g", lost)
	}
}

func TestMergeRefuses(t *testing.T) {
	good := filled(t, Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}, 1)
	wide, err := New(Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}, shape(2, 16, 32), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		cfg   Config
		parts []Part
		want  string
	}{
		{"nothing", Config{Rank: 2, Alpha: 4}, nil, "none was given"},
		{"no rank", Config{Alpha: 4}, []Part{{good, 1}}, "r is 0"},
		{"no factors", Config{Rank: 2, Alpha: 4}, []Part{{&Adapter{Config: good.Config}, 1}}, "merge adapter 1"},
		{"weight", Config{Rank: 2, Alpha: 4}, []Part{{good, math.NaN()}}, "weight is NaN"},
		{"sizes", Config{Rank: 2, Alpha: 4}, []Part{{good, 1}, {wide, 1}}, "in adapter 2 it is [16, 32], in another one [16, 24]"},
		{"overflow", Config{Rank: 2, Alpha: 4}, []Part{{good, 1e300}}, "must be finite"},
	} {
		if _, _, err := Merge(c.cfg, c.parts...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
