package registry

import (
	"errors"
	"testing"
)

// TestRollbackPassesOverErasures: what was replaced because somebody was erased is not gone back to.
func TestRollbackPassesOverErasures(t *testing.T) {
	const base = -1
	for _, c := range []struct {
		name   string
		serves []int // one after the other; a version that Eraser activated counts from 100
		want   int   // what was before the last
	}{
		{"nothing erased", []int{0, 1, 2}, 1},
		{"back to the first", []int{0, 1, 2, 100}, base},
		{"back to the second", []int{0, 1, 2, 101}, 0},
		{"learned again", []int{0, 1, 2, 100, 3}, 0},
		{"erased twice", []int{0, 1, 100, 2, 100}, base},
		{"of the candidate", []int{0, 1, 101}, 0},
		{"back to what never served", []int{0, 1, 102}, base},
		{"confirmed by a person", []int{0, 1, 2, 101, 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRegistry(t)
			var refs []Ref
			for _, name := range []string{"one", "two", "three", "four"} {
				refs = append(refs, put(t, r, "default", name))
			}
			for _, i := range c.serves {
				actor := map[bool]string{true: Eraser, false: Updater}[i >= 100]
				if _, err := r.Activate(ctx, "default", Activation{Digest: refs[i%100].Digest, Previous: Latest, Actor: actor}); err != nil {
					t.Fatal(err)
				}
			}
			want := ""
			if c.want != base {
				want = refs[c.want].Digest
			}
			prev, err := r.Resolve("default", "@prev")
			if back, rollErr := r.Rollback(ctx, "default", "ann", ""); err != nil || rollErr != nil || back.Digest != want || prev.Digest != want {
				t.Errorf("back to %s, %v; @prev %s, %v; want version %d", back.Champion(), rollErr, prev, err, c.want+1)
			}
		})
	}
	r := newRegistry(t)
	activate(t, r, put(t, r, "default", "one"))
	if _, err := r.Activate(ctx, "default", Activation{Previous: Latest, Actor: Eraser}); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Rollback(ctx, "default", "ann", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("rolled back from the base model to %+v, %v", a, err)
	}
}
