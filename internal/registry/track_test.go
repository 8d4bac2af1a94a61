package registry

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// create makes a track.
func create(t testing.TB, r *Registry, track string) Activation {
	t.Helper()
	a, err := r.CreateTrack(ctx, track, "ann", "a test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tracks lists the tracks in one line.
func tracks(t *testing.T, r *Registry) string {
	t.Helper()
	list, err := r.Tracks()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// TestMistypedTrack changes and reads a track that does not exist: all of it is refused, and no directory is made.
func TestMistypedTrack(t *testing.T) {
	r := newRegistry(t)
	create(t, r, "support")
	for name, do := range map[string]func() error{
		"activate": func() error {
			_, err := r.Activate(ctx, "suppor", Activation{Previous: Latest, Actor: "ann"})
			return err
		},
		"hold":     func() error { _, err := r.Hold(ctx, "suppor", "ann", ""); return err },
		"release":  func() error { _, err := r.Release(ctx, "suppor", "ann", ""); return err },
		"rollback": func() error { _, err := r.Rollback(ctx, "suppor", "ann", ""); return err },
		"delete":   func() error { _, err := r.DeleteTrack(ctx, "suppor", "ann", ""); return err },
		"base":     func() error { _, err := r.Resolve("suppor", "@base"); return err },
		"number":   func() error { _, err := r.Resolve("suppor", "@1"); return err },
	} {
		if err := do(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "there is no track suppor: did you mean support?") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(r.Dir(), "tracks", "suppor")); !os.IsNotExist(err) {
		t.Errorf("a directory was made: %v", err)
	}
	if got := tracks(t, r); got != "default support" {
		t.Errorf("tracks: %s", got)
	}
}

// TestMissingVersion wants to be told which versions there are.
func TestMissingVersion(t *testing.T) {
	r := newRegistry(t)
	for _, want := range []string{"the track has none but default@base", "the track has default@1 and default@base", "the track has default@1 to default@2, and default@base"} {
		_, err := r.Resolve("default", "@9")
		if !errors.Is(err, ErrNotFound) || err.Error() != "there is no version default@9: "+want {
			t.Errorf("%v, want %s", err, want)
		}
		put(t, r, "default", want)
	}
}

// TestTrackEnds deletes a track and makes it again: its versions stay, none of them serves, and there is nothing to go back to.
func TestTrackEnds(t *testing.T) {
	r := newRegistry(t)
	watcher := r.Watcher()
	one := put(t, r, "support", "one")
	activate(t, r, one)
	if _, err := r.Hold(ctx, "support", "ann", ""); err != nil {
		t.Fatal(err)
	}
	other, err := Look(r.Dir(), nil) // another process
	if err != nil {
		t.Fatal(err)
	}
	if got := tracks(t, other); got != "default support" {
		t.Fatalf("tracks: %s", got)
	}
	if _, err := r.DeleteTrack(ctx, "support", Updater, ""); !errors.Is(err, ErrHeld) {
		t.Errorf("an updater deletes a held track: %v", err)
	}
	a, err := r.DeleteTrack(ctx, "support", "ann", "closed")
	if err != nil || !a.Deleted || a.Held || a.Digest != "" || a.Sequence != 3 {
		t.Fatalf("delete: %+v, %v", a, err)
	}
	if got := tracks(t, r) + ", " + tracks(t, other); got != "default, default" {
		t.Errorf("tracks: %s", got)
	}
	if every, err := r.EveryTrack(); err != nil || !slices.Equal(every, []string{"default", "support"}) {
		t.Errorf("every track: %v, %v", every, err)
	}
	if changes, err := watcher.Poll(); err != nil || len(changes) != 0 {
		t.Errorf("told of a track that is gone: %+v, %v", changes, err)
	}
	if _, err := r.Put(ctx, "support", version("two")); !errors.Is(err, ErrNotFound) {
		t.Errorf("put: %v", err)
	}
	if _, err := r.Activate(ctx, "support", Activation{Digest: one.Digest, Previous: 2, Actor: Updater}); !errors.Is(err, ErrConflict) {
		t.Errorf("an updater that decided before it was deleted: %v", err)
	}
	if _, err := r.DeleteTrack(ctx, "support", "ann", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete again: %v", err)
	}
	if a := create(t, r, "support"); a.Sequence != 4 || a.Digest != "" || a.Deleted || a.Held {
		t.Errorf("made again: %+v", a)
	}
	if _, err := r.CreateTrack(ctx, "support", "ann", ""); !errors.Is(err, ErrExists) {
		t.Errorf("make it twice: %v", err)
	}
	if _, err := r.Rollback(ctx, "support", "ann", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("roll back to before it was deleted: %v", err)
	}
	if ref, err := r.Resolve("support", "@1"); err != nil || ref != one {
		t.Errorf("its version: %v, %v", ref, err)
	}
	if two := put(t, r, "support", "two"); two.Number != 2 {
		t.Errorf("the next version is %s", two)
	}
	if changes, err := watcher.Poll(); err != nil || len(changes) != 1 || changes[0].Activation.Sequence != 4 {
		t.Errorf("told %+v, %v", changes, err)
	}
}

// TestTracksThatStay wants Default and what was declared to exist, to take activations, and not to be deleted.
func TestTracksThatStay(t *testing.T) {
	r := newRegistry(t)
	if err := r.Declare("support", "x y"); !errors.Is(err, ErrName) {
		t.Errorf("a name that no track can have: %v", err)
	}
	if err := r.Declare("support"); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Hold(ctx, "support", "ann", ""); err != nil || a.Sequence != 1 {
		t.Errorf("hold: %+v, %v", a, err)
	}
	for _, track := range []string{Default, "support"} {
		if _, err := r.DeleteTrack(ctx, track, "ann", ""); !errors.Is(err, ErrDeclared) {
			t.Errorf("delete %s: %v", track, err)
		}
		if _, err := r.CreateTrack(ctx, track, "ann", ""); !errors.Is(err, ErrExists) {
			t.Errorf("create %s: %v", track, err)
		}
	}
	// Deleted by a process whose configuration does not name it, it stays here, with the base model.
	other, err := Open(r.Dir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.DeleteTrack(ctx, "support", "bob", ""); err != nil {
		t.Fatal(err)
	}
	if here, there := tracks(t, r), tracks(t, other); here != "default support" || there != "default" {
		t.Errorf("tracks: %s and %s", here, there)
	}
	if ref := put(t, r, "support", "one"); activate(t, r, ref).Sequence != 3 {
		t.Errorf("activated %s", ref)
	}
}

// TestRaceToCreate has one of many make a track.
func TestRaceToCreate(t *testing.T) {
	dir := t.TempDir()
	var made, had int
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 8 {
		r, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			_, err := r.CreateTrack(ctx, "support", "ann", "")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made++
			case errors.Is(err, ErrExists):
				had++
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made != 1 || had != 7 {
		t.Errorf("%d made it, %d were told that it exists", made, had)
	}
}

// TestLook reads a registry that is not there and makes nothing.
func TestLook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "registry")
	r, err := Look(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := tracks(t, r); got != "default" {
		t.Errorf("tracks: %s", got)
	}
	if nights, err := r.ListNights(); err != nil || len(nights) != 0 {
		t.Errorf("nights: %v, %v", nights, err)
	}
	if _, err := r.Rollback(ctx, "default", "ann", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("rollback: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !os.IsNotExist(err) {
		t.Errorf("a directory was made: %v", err)
	}
	if ref := put(t, r, "default", "one"); activate(t, r, ref).Sequence != 1 {
		t.Errorf("activated %s", ref)
	}
}
