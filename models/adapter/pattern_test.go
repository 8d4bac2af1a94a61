package adapter

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"nightshift/models/safetensors"
)

// What an adapter with ranks and scales of its own for some modules adds is what PEFT adds (see testdata/make_goldens.py).
func TestPatternsAddWhatPEFTAdds(t *testing.T) {
	for name, want := range map[string]struct {
		rank    int
		leveled bool
	}{
		"ranks": {4, true}, "alphas": {2, true}, "both": {7, true}, "first": {3, true}, "same": {3, false}, "names": {5, true},
	} {
		dir := filepath.Join("testdata", "patterns", name)
		a, err := Read(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		if a.Config.Rank != want.rank || a.leveled != want.leveled {
			t.Errorf("%s: rank %d, changed %t; want %d, %t", name, a.Config.Rank, a.leveled, want.rank, want.leveled)
		}
		if err := a.CheckBase(shape(2, 16, 24)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkDelta(t, a, filepath.Join(dir, "delta.safetensors"))
		weights, err := os.ReadFile(filepath.Join(dir, WeightsFile))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Layout(weights); (err != nil) != want.leveled {
			t.Errorf("%s: laid out: %v", name, err)
		}
		back := t.TempDir() // what is written is an ordinary adapter
		if err := a.Write(back); err != nil {
			t.Fatal(err)
		}
		b, err := Read(back)
		if err != nil {
			t.Fatal(err)
		}
		if b.leveled || b.Config.Rank != want.rank {
			t.Errorf("%s: written, it is not one rank and one scale", name)
		}
		checkDelta(t, b, filepath.Join(dir, "delta.safetensors"))
	}
}

// checkDelta compares Scale·A·B with a file of [in, out] matrices.
func checkDelta(t *testing.T, a *Adapter, path string) {
	t.Helper()
	f, err := safetensors.Open(path, safetensors.MaxAdapterHeader)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Entries()) != len(a.Factors) {
		t.Errorf("%s: %d linears, want %d", path, len(a.Factors), len(f.Entries()))
	}
	scale, rank := a.Config.Scale(), a.Config.Rank
	for target, factors := range a.Factors {
		want, err := f.Floats(target.String())
		if err != nil {
			t.Fatal(err)
		}
		in, out := a.Dims(target)
		largest := 0.0
		for i := range in {
			for o := range out {
				sum := 0.0
				for r := range rank {
					sum += float64(factors.A[i*rank+r]) * float64(factors.B[r*out+o])
				}
				largest = max(largest, math.Abs(scale*sum-float64(want[i*out+o])))
			}
		}
		if largest > 2e-6 {
			t.Errorf("%s: %s differs by %g", path, target, largest)
		}
	}
}
