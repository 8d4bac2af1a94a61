package bench

import (
	"context"
	"math"
	"slices"
	"testing"

	"nightshift/internal/engine"
	"nightshift/internal/sampling"
	"nightshift/onnx/ort"
)

// TestPartings finds answers that differ, measures by how much their tokens do where they part, and does not take that for rounding.
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
	if list, err := partings(ctx, e.Engine, prompts, plain, other); err != nil || len(list) != 0 {
		t.Errorf("the same answers: %v parted, %v", list, err)
	}
	limit, err := rounding(ctx, e.Engine, prompts)
	if err != nil || !(limit > 0 && limit < 1e-3) {
		t.Fatalf("gaps are rounded by up to %v nats, %v", limit, err)
	}
	var want []parting
	for i, at := range []int{2, 0} { // the second likeliest token in two places
		a, _, err := answerOne(ctx, e.Engine, prompts[i], 2)
		if err != nil {
			t.Fatal(err)
		}
		other[i] = append(slices.Clone(plain[i][:at]), a.tops[at][1].ID)
		want = append(want, parting{i, at, float64(a.tops[at][0].LogProb - a.tops[at][1].LogProb)})
	}
	list, err := partings(ctx, e.Engine, prompts, plain, other)
	if err != nil || len(list) != 2 {
		t.Fatalf("parted: %v, %v", list, err)
	}
	for i, got := range list {
		if got.answer != want[i].answer || got.position != want[i].position || math.Abs(got.gap-want[i].gap) > 1e-5 || got.tied(limit) {
			t.Errorf("parted: %+v, want %+v; a tie: %v, rounding %v", got, want[i], got.tied(limit), limit)
		}
	}
	other[3] = plain[3][:1]
	if _, err := partings(ctx, e.Engine, prompts, plain, other); err == nil {
		t.Error("an answer that ends too early was taken")
	}
}

// TestTies judges gaps, and measures how far two lists of likely tokens are apart.
func TestTies(t *testing.T) {
	for _, c := range []struct {
		gap, rounding float64
		tie           bool
	}{{0, 0, true}, {1e-6, 0, false}, {2e-5, 1e-5, true}, {3e-5, 1e-5, false}} {
		p := parting{1, 2, c.gap}
		tie, _ := Result{Figures: p.numbers(c.rounding)}.Figure("tie")
		if p.tied(c.rounding) != c.tie || (tie == 1) != c.tie {
			t.Errorf("%+v is a tie: %v, %v", c, p.tied(c.rounding), tie)
		}
	}
	list := func(values ...float32) (l []sampling.Choice) {
		for i, v := range values {
			l = append(l, sampling.Choice{ID: int32(i), LogProb: v})
		}
		return l
	}
	swapped := list(-1.5, -2, -3)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	for _, c := range []struct {
		a, b []sampling.Choice
		want float64
	}{
		{list(-1, -2, -3), list(-1, -2, -3), 0}, {list(-1, -2, -3), list(-1.5, -2.5, -3.5), 0}, {list(-1, -2, -3), list(-1, -2.25, -3), 0.25},
		{list(-1, -2, -3), list(-1.5, -2, -3), 0.5}, {list(-1, -2, -3), list(-1, -2), 0}, {list(-1, -2, -3), swapped, 0.5}, {list(-1), list(-1)[:0], 0},
	} {
		if got := gapsApart(c.a, c.b); got != c.want {
			t.Errorf("%v and %v are %v apart, want %v", c.a, c.b, got, c.want)
		}
	}
}
