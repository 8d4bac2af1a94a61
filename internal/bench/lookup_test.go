package bench

import (
	"context"
	"math"
	"slices"
	"testing"

	"nightshift/internal/engine"
	"nightshift/onnx/ort"
)

// TestPartings counts answers that differ, and measures by how much their tokens do where they part.
func TestPartings(t *testing.T) {
	ort.ForTest(t)
	ctx := context.Background()
	e, err := startDemo(ctx, Options{CacheDir: t.TempDir(), Threads: 1}, "f32", engine.Config{Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	}()
	asked, err := dialogues(ctx, e, 2)
	if err != nil {
		t.Fatal(err)
	}
	prompts := asked[true]
	if len(prompts) != 2*factsEach || len(asked[false]) != 2*factsEach {
		t.Fatalf("%d questions, and %d again", len(asked[false]), len(prompts))
	}
	plain, _, err := answerAll(ctx, e.Engine, prompts)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(plain)
	count := func() (parted, gap float64) {
		t.Helper()
		numbers, err := partings(ctx, e.Engine, prompts, plain, other)
		if err != nil {
			t.Fatal(err)
		}
		r := Result{Figures: numbers}
		parted, _ = r.Figure("parted")
		gap, _ = r.Figure("largest_gap")
		return parted, gap
	}
	if parted, gap := count(); parted != 0 || gap != 0 {
		t.Errorf("the same answers: %v parted, by %v", parted, gap)
	}
	want := 0.0
	for i, at := range []int{2, 0} { // the second likeliest token in two places
		a, _, err := answerOne(ctx, e.Engine, prompts[i], 2)
		if err != nil {
			t.Fatal(err)
		}
		other[i] = append(slices.Clone(plain[i][:at]), a.tops[at][1].ID)
		want = max(want, float64(a.tops[at][0].LogProb-a.tops[at][1].LogProb))
	}
	if parted, gap := count(); parted != 2 || math.Abs(gap-want) > 1e-5 || want == 0 {
		t.Errorf("%v answers parted, by %v; want 2, %v", parted, gap, want)
	}
	other[3] = plain[3][:1]
	if _, err := partings(ctx, e.Engine, prompts, plain, other); err == nil {
		t.Error("an answer that ends too early was taken")
	}
}
