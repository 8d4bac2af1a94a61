package night

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"nightshift/internal/nightrecord"
	"nightshift/internal/registry"
	"nightshift/models/adapter"
	"nightshift/models/arch"
	"nightshift/onnx/ort"
	"nightshift/update/history"
	"nightshift/update/nighttest"
	"nightshift/update/selection"
)

// TestMerge: ½·A − 2·B, exactly where the rank suffices, with parents in the manifest and nothing activated.
func TestMerge(t *testing.T) {
	s := newShop(t, "model")
	a, refA := s.Put("default", adapter.Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}, 1, registry.Manifest{BaseDigest: "base"})
	b, refB := s.Put("support", adapter.Config{Rank: 3, Alpha: 3, Modules: []string{"mlp.c_fc", "mlp.c_proj"}}, 2, registry.Manifest{Examples: 7})
	parts := []Addend{{refA, 0.5}, {refB, -2}}
	got, err := Merge(t.Context(), s.Registry, "both", parts, 0, 64)
	if err != nil || got.Rank != 5 || got.Lost > 1e-6 || got.Ref.String() != "both@1" {
		t.Fatalf("merged %+v, %v", got, err)
	}
	config, weights, m, err := s.Registry.Load(got.Ref.Digest)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := adapter.Parse(config, weights)
	if err != nil {
		t.Fatal(err)
	}
	target := arch.Target{Module: "mlp.c_fc"} // [32, 64]
	at := func(x *adapter.Adapter, i, j int) (v float64) {
		f, r := x.Factors[target], x.Config.Rank
		for k := range r {
			v += x.Config.Scale() * float64(f.A[i*r+k]) * float64(f.B[k*64+j])
		}
		return v
	}
	for i := range 32 {
		for j := range 64 {
			if want, has := 0.5*at(a, i, j)-2*at(b, i, j), at(sum, i, j); math.Abs(want-has) > 1e-5 {
				t.Fatalf("element %d, %d is %g, want %g", i, j, has, want)
			}
		}
	}
	if want := []registry.Share{{Digest: refA.Digest, Weight: 0.5}, {Digest: refB.Digest, Weight: -2}}; !slices.Equal(m.Merged, want) || m.Made() != "merged" ||
		m.BaseDigest != "base" || m.Examples != 7 || !slices.Equal(m.Origins(), []string{refA.Digest}) {
		t.Errorf("manifest %+v", m)
	}
	if c, err := s.Registry.Champion("both"); err != nil || c.Digest != "" {
		t.Errorf("the champion is %+v, %v", c, err)
	}
	if again, err := Merge(t.Context(), s.Registry, "both", parts, 0, 64); err != nil || again.Ref != got.Ref {
		t.Errorf("merged again it is %+v, %v", again, err)
	}
	small, err := Merge(t.Context(), s.Registry, "both", parts, 3, 64)
	if err != nil || small.Rank != 3 || small.Lost <= 0 || small.Lost >= 1 || small.Ref.Number != 2 {
		t.Errorf("at rank 3 %+v, %v", small, err)
	}
	if capped, err := Merge(t.Context(), s.Registry, "both", parts, 0, 3); err != nil || capped.Ref != small.Ref {
		t.Errorf("at most rank 3 %+v, %v", capped, err)
	}
}

func TestMergeRefuses(t *testing.T) {
	s := newShop(t, "model")
	c := adapter.Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}
	_, a := s.Put("default", c, 1, registry.Manifest{BaseDigest: "one"})
	_, b := s.Put("default", c, 2, registry.Manifest{BaseDigest: "another"})
	for want, parts := range map[string][]Addend{
		"none was named": nil, "the base model adds nothing": {{registry.Ref{Track: "default"}, 1}}, "made for another base model": {{a, 1}, {b, 1}}, "its weight is NaN": {{a, math.NaN()}},
	} {
		if _, err := Merge(t.Context(), s.Registry, "default", parts, 0, 64); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := Merge(t.Context(), s.Registry, "default", []Addend{{a, 1}}, 65, 64); err == nil || !strings.Contains(err.Error(), "rank 65 cannot be served") {
		t.Errorf("a rank that nobody serves: %v", err)
	}
}

// TestLearningOfAMerge: a merged champion has learned what its parts have, but those that it takes away; and whoever is erased is
// found in it, in whatever track, taken away or not.
func TestLearningOfAMerge(t *testing.T) {
	ort.ForTest(t)
	s := newShop(t, nighttest.Model(t))
	s.Correct(0, 12)
	ns := s.nights()
	n := s.run(ns, Request{}, nightrecord.Published)
	made := s.Champion()
	_, other := s.Put("zoo", adapter.Config{Rank: 2, Alpha: 4, Modules: []string{"mlp.c_fc"}}, 1, registry.Manifest{})
	plus, err := Merge(t.Context(), s.Registry, "alpha", []Addend{{registry.Ref{Track: "default", Number: made.Number, Digest: made.Digest}, 1}, {other, 1}}, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	minus, err := Merge(t.Context(), s.Registry, "alpha", []Addend{{registry.Ref{Track: "default", Number: made.Number, Digest: made.Digest}, -1}, {other, 1}}, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	for digest, learned := range map[string]bool{plus.Ref.Digest: true, minus.Ref.Digest: false} {
		set, nights, err := ns.history.Ancestors(digest)
		if err != nil || set[made.Digest] != learned || slices.Contains(nights, n.ID) != learned || !set[other.Digest] {
			t.Errorf("ancestors %v by nights %v, %v; want the night's among them: %t", set, nights, err, learned)
		}
	}
	report, err := s.Store.Erase(t.Context(), selection.Using(s.Selected(n.ID), selection.New)[0].Subject)
	if err != nil {
		t.Fatal(err)
	}
	traces, err := history.Erase(s.Registry, report)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ref := range traces.Versions {
		names = append(names, ref.String())
	}
	if !slices.Equal(names, []string{"alpha@1", "alpha@2", "default@1"}) {
		t.Errorf("learned from the person: %v", names)
	}
}

// TestCleanVersionOfAMerge: a merged version has no parent; what went into it and belongs to the track is gone back to.
func TestCleanVersionOfAMerge(t *testing.T) {
	s := newShop(t, "model")
	own := s.Learned(registry.Default, "night1", "ann", 1, "")
	other := s.Learned("support", "night2", "bob", 2, "")
	merged, err := Merge(t.Context(), s.Registry, registry.Default, []Addend{{other, 1}, {own, 0.5}}, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	s.Activate("eve", merged.Ref, registry.Ref{})
	s.Activate(registry.Updater, other, registry.Ref{})
	s.Erase("bob")
	s.Now = s.Now.Add(time.Hour)
	list := s.Owed()
	if len(list) != 2 || list[0].Clean != own || len(list[0].Nights) != 0 || list[1].Track != "support" || list[1].Clean.Digest != "" || len(list[1].Nights) != 1 {
		t.Errorf("owed %+v", list)
	}
}
