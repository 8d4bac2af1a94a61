package serve

import (
	"errors"
	"testing"

	"nightshift/internal/registry"
)

// TestInForce asks the registry what counts after a write that ended with an error.
func TestInForce(t *testing.T) {
	r, err := registry.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.Champion("default")
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("sync directory: input/output error")
	if a, ok := inForce(r, before, "ann", "why", failed); ok {
		t.Errorf("nothing was written, and %+v is in force", a)
	}
	written, err := r.Hold(t.Context(), "default", "ann", "why")
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := inForce(r, before, "ann", "why", failed); !ok || a.Sequence != written.Sequence {
		t.Errorf("the record is there, and %+v is in force: %v", a, ok)
	}
	if _, ok := inForce(r, before, "bob", "why", failed); ok {
		t.Error("what another person wrote counts as ours")
	}
	if _, ok := inForce(r, before, "ann", "why", registry.ErrConflict); ok {
		t.Error("a conflict counts as ours")
	}
	if _, ok := inForce(r, written, "ann", "why", failed); ok {
		t.Error("what was in force before counts as written now")
	}
}
