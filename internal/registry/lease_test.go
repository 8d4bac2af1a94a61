package registry

import (
	"context"
	"errors"
	"testing"
)

// TestLease: one holds a track's lease at a time, others wait, and other tracks are free.
func TestLease(t *testing.T) {
	r, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	release, err := r.Lease(t.Context(), Default)
	if err != nil {
		t.Fatal(err)
	}
	other, err := r.Lease(t.Context(), "support")
	if err != nil {
		t.Fatalf("another track: %v", err)
	}
	if _, err := r.TryLease(Default); !errors.Is(err, ErrLeased) {
		t.Errorf("tried for a lease that another holds: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Lease(gone, Default); !errors.Is(err, context.Canceled) {
		t.Errorf("a lease that another holds: %v", err)
	}
	next := make(chan error, 1)
	go func() {
		release, err := r.Lease(t.Context(), Default)
		if err == nil {
			err = release()
		}
		next <- err
	}()
	if err := errors.Join(release(), other()); err != nil {
		t.Fatal(err)
	}
	if err := <-next; err != nil {
		t.Errorf("after the release: %v", err)
	}
	if release, err := r.TryLease(Default); err != nil || release() != nil {
		t.Errorf("tried for a free lease: %v", err)
	}
	if _, err := r.Lease(t.Context(), "../x"); !errors.Is(err, ErrName) {
		t.Errorf("the lease of no track: %v", err)
	}
}

// TestNightFilesInDirectories: a file of a night may lie in one directory, and goes with it.
func TestNightFilesInDirectories(t *testing.T) {
	r, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteNightFile("n1", "candidate/weights", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("written into no night: %v", err)
	}
	if err := r.CreateNight("n1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := r.WriteNightFile("n1", "candidate/weights", []byte("w")); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := r.ReadNight("n1", "candidate/weights"); err != nil || string(data) != "w" {
		t.Errorf("read %q, %v", data, err)
	}
	for _, name := range []string{"../x", "a/b/c", "a/../b", "/a", "a/"} {
		if err := r.WriteNightFile("n1", name, nil); !errors.Is(err, ErrName) {
			t.Errorf("file %q: %v", name, err)
		}
	}
	if err := r.RemoveNightFiles("n1", "candidate", "nothing"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadNight("n1", "candidate/weights"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after it was removed: %v", err)
	}
}
