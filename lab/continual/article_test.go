package continual

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"nightshift/update/train"
)

// TestBatches: each epoch has every sequence once, in batches of at most the size, and the memory is in all of them.
func TestBatches(t *testing.T) {
	name := func(prefix string, n int) []train.Sequence {
		list := make([]train.Sequence, n)
		for i := range list {
			list[i].ID = fmt.Sprint(prefix, i)
		}
		return list
	}
	next := batches(name("new", 10), name("old", 3), 4)
	r := rand.New(rand.NewPCG(1, 1))
	for epoch := range 3 {
		var seen []string
		for _, want := range []int{4, 4, 2} {
			batch := next(r, 8, 64)
			if len(batch) != want+3 {
				t.Fatalf("epoch %d: a batch of %d, want %d", epoch, len(batch), want+3)
			}
			for i, q := range batch {
				if i < want {
					seen = append(seen, q.ID)
				} else if q.ID != fmt.Sprint("old", i-want) {
					t.Errorf("%s is where the memory is", q.ID)
				}
			}
		}
		slices.Sort(seen)
		if len(slices.Compact(seen)) != 10 {
			t.Errorf("epoch %d has %v", epoch, seen)
		}
	}
}

// TestArticle runs it on a small model: what is learned is learned, the memory changes what becomes of the first task, and
// the same seed gives the same figures.
func TestArticle(t *testing.T) {
	m := tinyModel(t)
	a := DefaultArticle()
	a.Epochs, a.Rate = 2, 3e-3
	size := Sizes{Train: 2, Exam: 1, Quick: 1}
	steps := 0
	r, err := a.Run(t.Context(), m, size, func(train.Step) error { steps++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * 48 / 4; r.Steps != want || steps != 3*want {
		t.Errorf("%d steps a task and %d in all, want %d and %d", r.Steps, steps, want, 3*want)
	}
	if !(r.Middle.First < r.Before.First) || !(r.Naive.Second < r.Middle.Second) || !(r.After.Second < r.Middle.Second) {
		t.Errorf("what was learned was not: %+v", r)
	}
	if !(r.After.First < r.Naive.First) {
		t.Errorf("the memory does not help: %+v", r)
	}
	near(t, "mean", r.After.Mean, (r.After.First+r.After.Second)/2)
	again, err := a.Run(t.Context(), m, size, func(train.Step) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if again != r {
		t.Errorf("the same seed gave %+v and %+v", r, again)
	}
	a.Batch = 0
	if _, err := a.Run(t.Context(), m, size, nil); err == nil {
		t.Error("batches of nothing were trained on")
	}
}
