package registry

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func poll(t *testing.T, w *Watcher) []Change {
	t.Helper()
	changes, err := w.Poll()
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestPoll(t *testing.T) {
	r := newRegistry(t)
	w := r.Watcher()
	if changes := poll(t, w); len(changes) != 0 {
		t.Errorf("an empty registry has changes: %+v", changes)
	}
	one, two := put(t, r, "default", "one"), put(t, r, "default", "two")
	other := put(t, r, "support", "one")
	if changes := poll(t, w); len(changes) != 0 {
		t.Errorf("a version is no change: %+v", changes)
	}
	activate(t, r, one)
	last := activate(t, r, two)
	support := activate(t, r, other)
	changes := poll(t, w)
	if len(changes) != 2 || changes[0].Activation != last || changes[1].Activation != support {
		t.Errorf("changes: %+v", changes)
	}
	if changes := poll(t, w); len(changes) != 0 {
		t.Errorf("told twice: %+v", changes)
	}
	// A damaged activation is told once, then the one after it.
	activate(t, r, one)
	path := recordPath(r.trackDir("default", "activations"), 3)
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	changes = poll(t, w)
	if len(changes) != 1 || !errors.Is(changes[0].Err, ErrCorrupt) || changes[0].Track != "default" || changes[0].Activation.Sequence != 3 {
		t.Errorf("damage: %+v", changes)
	}
	if changes := poll(t, w); len(changes) != 0 {
		t.Errorf("damage told twice: %+v", changes)
	}
	fresh := activate(t, r, one)
	if changes := poll(t, w); len(changes) != 1 || changes[0].Activation != fresh || changes[0].Err != nil {
		t.Errorf("after the damage: %+v", changes)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Poll(); err == nil {
		t.Error("a registry that is gone has no error")
	}
}

// TestPollOfAReplacedDirectory puts back an older state, as a restore from a backup does.
func TestPollOfAReplacedDirectory(t *testing.T) {
	r := newRegistry(t)
	w := r.Watcher()
	first := activate(t, r, put(t, r, "default", "one"))
	activate(t, r, put(t, r, "default", "two"))
	_ = poll(t, w)
	if err := os.Remove(recordPath(r.trackDir("default", "activations"), 2)); err != nil {
		t.Fatal(err)
	}
	if changes := poll(t, w); len(changes) != 1 || changes[0].Activation != first {
		t.Errorf("changes: %+v, want activation 1 again", changes)
	}
}

func TestWatch(t *testing.T) {
	r := newRegistry(t)
	first := activate(t, r, put(t, r, "default", "one"))
	hints := make(chan struct{})
	told := make(chan Change)
	watching, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- r.Watch(watching, time.Hour, hints, func(c Change) error { told <- c; return nil })
	}()
	if c := <-told; c.Activation != first {
		t.Errorf("told at the start: %+v", c)
	}
	second := activate(t, r, put(t, r, "default", "two"))
	hints <- struct{}{}
	if c := <-told; c.Activation != second {
		t.Errorf("told after a hint: %+v", c)
	}
	close(hints)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}

	// The interval alone is enough.
	third := activate(t, r, put(t, r, "default", "three"))
	enough := errors.New("enough")
	seen := 0
	err := r.Watch(ctx, time.Millisecond, nil, func(c Change) error {
		if seen++; seen == 1 {
			if c.Activation != third {
				t.Errorf("told %+v", c)
			}
			third = activate(t, r, put(t, r, "default", "one"))
			return nil
		}
		if c.Activation != third {
			t.Errorf("told %+v, want %+v", c, third)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Errorf("watch ended with %v", err)
	}
	if err := r.Watch(ctx, 0, nil, nil); !errors.Is(err, ErrRequest) {
		t.Errorf("interval 0: %v", err)
	}
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	if err := r.Watch(ctx, time.Hour, nil, func(c Change) error { return c.Err }); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a registry that is gone: %v", err)
	}
}

func BenchmarkRollback(b *testing.B) {
	r := newRegistry(b)
	activate(b, r, put(b, r, "default", "one"))
	activate(b, r, put(b, r, "default", "two"))
	for b.Loop() {
		if _, err := r.Rollback(ctx, "default", "ann", "measured"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPoll(b *testing.B) {
	r := newRegistry(b)
	activate(b, r, put(b, r, "default", "one"))
	w := r.Watcher()
	for b.Loop() {
		if _, err := w.Poll(); err != nil {
			b.Fatal(err)
		}
	}
}
