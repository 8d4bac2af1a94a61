package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nightshift/internal/atomicfile"
)

var errCrash = errors.New("the machine stopped")

// faultDisk is the real disk with a fault at step number at: the step fails, or the machine stops. After a stop every step
// fails, and what was not synced is lost: file contents that were never synced are cut in half, and names that were not synced
// in their directory are undone, newest first (unless keep: a disk may also have written them). No step waits for a real sync.
type faultDisk struct {
	atomicfile.System
	at, step int
	crash    bool // stop instead of one failure
	keep     bool
	stopped  bool
	names    []name // not yet synced
	unsynced map[string]bool
}

type name struct {
	path string
	undo func(path string)
}

// next counts a step and reports whether it must not happen.
func (d *faultDisk) next() error {
	if d.stopped {
		return errCrash
	}
	d.step++
	if d.step != d.at {
		return nil
	}
	if d.crash {
		d.stop()
	}
	return errCrash
}

func (d *faultDisk) stop() {
	d.stopped = true
	for path := range d.unsynced {
		if info, err := os.Stat(path); err == nil {
			_ = os.Truncate(path, info.Size()/2)
		}
	}
	if d.keep {
		return
	}
	for _, n := range slices.Backward(d.names) {
		n.undo(n.path)
	}
}

func (d *faultDisk) named(path string, undo func(path string)) {
	d.names = append(d.names, name{path, undo})
}

func remove(path string) { _ = os.RemoveAll(path) }

func (d *faultDisk) Mkdir(path string, perm fs.FileMode) error {
	if err := d.next(); err != nil {
		return err
	}
	err := d.System.Mkdir(path, perm)
	if err == nil {
		d.named(path, remove)
	}
	return err
}

func (d *faultDisk) Create(path string, perm fs.FileMode) (atomicfile.File, error) {
	if err := d.next(); err != nil {
		return nil, err
	}
	f, err := d.System.Create(path, perm)
	if err != nil {
		return nil, err
	}
	d.unsynced[path] = true
	d.named(path, remove)
	return &faultFile{File: f, disk: d, path: path}, nil
}

func (d *faultDisk) Link(from, to string) error {
	if err := d.next(); err != nil {
		return err
	}
	err := d.System.Link(from, to)
	if err == nil {
		d.named(to, remove)
	}
	return err
}

func (d *faultDisk) Rename(from, to string) error {
	if err := d.next(); err != nil {
		return err
	}
	old, readErr := os.ReadFile(to)
	err := d.System.Rename(from, to)
	if err == nil {
		for i, n := range d.names { // what is below moves along
			if below, ok := strings.CutPrefix(n.path, from+"/"); ok {
				d.names[i].path = filepath.Join(to, below)
			}
		}
		d.named(to, func(to string) {
			if readErr == nil {
				_ = os.WriteFile(to, old, 0o666)
			} else {
				_ = os.RemoveAll(to)
			}
		})
	}
	return err
}

func (d *faultDisk) RemoveAll(path string) error {
	if err := d.next(); err != nil {
		return err
	}
	return d.System.RemoveAll(path)
}

func (d *faultDisk) Sync(path string) error {
	if err := d.next(); err != nil {
		return err
	}
	delete(d.unsynced, path)
	d.names = slices.DeleteFunc(d.names, func(n name) bool { return filepath.Dir(n.path) == path })
	_, err := os.Stat(path) // what a sync means is simulated
	return err
}

type faultFile struct {
	atomicfile.File
	disk *faultDisk
	path string
}

func (f *faultFile) Write(data []byte) (int, error) {
	if err := f.disk.next(); err != nil {
		n, _ := f.File.Write(data[:len(data)/2])
		return n, err
	}
	return f.File.Write(data)
}

func (f *faultFile) Sync() error {
	if err := f.disk.next(); err != nil {
		return err
	}
	delete(f.disk.unsynced, f.path)
	return nil
}

func (f *faultFile) Close() error {
	return errors.Join(f.disk.next(), f.File.Close())
}

// operation is something that a process does to a registry, and what must be true of what it left behind.
type operation struct {
	name    string
	prepare func(t *testing.T, r *Registry)
	do      func(r *Registry) error
	// check reads as a replica would; done says that the operation returned nil.
	check func(t *testing.T, r *Registry, done bool)
}

var operations = []operation{
	{
		name: "open", prepare: func(*testing.T, *Registry) {}, do: func(*Registry) error { return nil },
		check: func(*testing.T, *Registry, bool) {},
	},
	{
		name:    "put",
		prepare: func(t *testing.T, r *Registry) { put(t, r, "default", "one") },
		do:      func(r *Registry) error { _, err := r.Put(ctx, "support", version("two")); return err },
		check: func(t *testing.T, r *Registry, done bool) {
			refs, err := r.Versions("support")
			if err != nil || len(refs) > 1 || done && len(refs) != 1 {
				t.Errorf("versions: %v, %v", refs, err)
			}
			for _, ref := range refs {
				if _, _, _, err := r.Load(ref.Digest); err != nil {
					t.Errorf("a numbered version cannot be loaded: %v", err)
				}
			}
			two := version("two")
			if _, _, _, err := r.Load(Digest(two.Config, two.Weights)); err != nil && (done || !errors.Is(err, ErrNotFound)) {
				t.Errorf("a version is half there: %v", err)
			}
		},
	},
	{
		name: "activate",
		prepare: func(t *testing.T, r *Registry) {
			activate(t, r, put(t, r, "default", "one"))
			put(t, r, "default", "two")
		},
		do: func(r *Registry) error {
			two := version("two")
			_, err := r.Activate(ctx, "default", Activation{Digest: Digest(two.Config, two.Weights), Previous: Latest, Actor: "ann"})
			return err
		},
		check: func(t *testing.T, r *Registry, done bool) {
			a, err := r.Champion("default")
			if err != nil || a.Sequence < 1 || a.Number != 1 && a.Number != 2 || done && a.Number != 2 {
				t.Errorf("champion: %+v, %v", a, err)
			}
			if _, _, _, err := r.Load(a.Digest); err != nil {
				t.Errorf("the champion cannot be loaded: %v", err)
			}
		},
	},
	{
		name: "create track", prepare: func(*testing.T, *Registry) {},
		do: func(r *Registry) error {
			if _, err := r.CreateTrack(ctx, "support", "ann", ""); err != nil && !errors.Is(err, ErrExists) {
				return err
			}
			return nil
		},
		check: func(t *testing.T, r *Registry, done bool) {
			if found := r.FindTrack("support"); found != nil && (done || !errors.Is(found, ErrNotFound)) {
				t.Errorf("track: %v", found)
			}
		},
	},
	{
		name:    "delete track",
		prepare: func(t *testing.T, r *Registry) { activate(t, r, put(t, r, "support", "one")) },
		do: func(r *Registry) error {
			if _, err := r.DeleteTrack(ctx, "support", "ann", ""); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			return nil
		},
		check: func(t *testing.T, r *Registry, done bool) {
			if found := r.FindTrack("support"); !errors.Is(found, ErrNotFound) && (done || found != nil) {
				t.Errorf("track: %v", found)
			}
			if refs, err := r.Versions("support"); err != nil || len(refs) != 1 {
				t.Errorf("versions: %v, %v", refs, err)
			}
		},
	},
	{
		name: "night",
		prepare: func(t *testing.T, r *Registry) {
			if err := errors.Join(r.CreateNight("n"), r.WriteNightFile("n", "verdict.json", []byte("old content"))); err != nil {
				t.Fatal(err)
			}
		},
		do: func(r *Registry) error {
			if err := r.CreateNight("m"); err != nil && !errors.Is(err, ErrExists) {
				return err
			}
			return r.WriteNightFile("n", "verdict.json", []byte("new and longer content"))
		},
		check: func(t *testing.T, r *Registry, done bool) {
			data, err := r.ReadNight("n", "verdict.json")
			if err != nil || string(data) != "new and longer content" && (done || string(data) != "old content") {
				t.Errorf("night file: %q, %v", data, err)
			}
		},
	},
}

// TestFaults stops the machine at, and fails, every single step of every operation, and shows that no reader sees anything
// half done, that what was acknowledged survives, and that doing it again succeeds.
func TestFaults(t *testing.T) {
	for _, op := range operations {
		for _, mode := range []struct {
			name        string
			crash, keep bool
		}{{"fail", false, false}, {"crash, names lost", true, false}, {"crash, names kept", true, true}} {
			steps := 0
			for at := 1; ; at++ {
				ran := false
				t.Run(fmt.Sprintf("%s/%s/%d", op.name, mode.name, at), func(t *testing.T) {
					ran = faultAt(t, op, at, mode.crash, mode.keep)
				})
				if !ran {
					break // all steps are done
				}
				steps++
			}
			if steps < 7 {
				t.Errorf("%s, %s: only %d steps were tried", op.name, mode.name, steps)
			}
		}
	}
}

// faultAt reports whether the operation has a step number at.
func faultAt(t *testing.T, op operation, at int, crash, keep bool) bool {
	dir := filepath.Join(t.TempDir(), "registry")
	if op.name != "open" {
		whole, err := open(dir, nil, &faultDisk{unsynced: map[string]bool{}})
		if err != nil {
			t.Fatal(err)
		}
		op.prepare(t, whole)
	}
	d := &faultDisk{at: at, crash: crash, keep: keep, unsynced: map[string]bool{}}
	r, err := open(dir, nil, d)
	if err == nil {
		err = op.do(r)
	}
	if d.step < at {
		if err != nil {
			t.Fatalf("without a fault: %v", err)
		}
		if crash {
			d.stop() // acknowledged, then the power fails
		}
	}
	done := err == nil
	if !crash && !done {
		// The process dies, another one does it again, then the power fails: what the first left unsynced is not trusted.
		if r, err = open(dir, nil, d); err == nil {
			err = op.do(r)
		}
		if err != nil {
			t.Fatalf("again after the failure: %v", err)
		}
		d.stop()
		done = true
	}
	after, err := open(dir, nil, &faultDisk{unsynced: map[string]bool{}})
	if err != nil {
		t.Fatalf("open after the fault: %v", err)
	}
	op.check(t, after, done)
	if err := op.do(after); err != nil {
		t.Fatalf("again after the fault: %v", err)
	}
	op.check(t, after, true)
	return d.step >= at
}
