package registry

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestReload reads weights again that were checked, and refuses them once the file has been touched in any way.
func TestReload(t *testing.T) {
	weights := bytes.Repeat([]byte("weights "), 1000)
	for name, change := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"edited in place, times as before": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			if _, err := f.WriteAt([]byte("W"), 5000); err != nil {
				return err
			}
			return errors.Join(f.Close(), os.Chtimes(path, info.ModTime(), info.ModTime()))
		},
		"replaced by its copy": func(path string) error {
			return errors.Join(os.WriteFile(path+"2", weights, 0o600), os.Rename(path+"2", path))
		},
		"cut short": func(path string) error { return os.Truncate(path, 10) },
		"removed":   os.Remove,
	} {
		r, err := Open(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := r.Put(t.Context(), Default, Version{Config: []byte("{}"), Weights: weights})
		if err != nil {
			t.Fatal(err)
		}
		stamp, err := r.Stamp(ref.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Reload(ref.Digest, stamp, nil); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: a stamp of no bytes: %v", name, err)
		}
		if _, err := r.Reload(ref.Digest, stamp.Bind(weights[1:]), nil); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: a stamp of other bytes: %v", name, err)
		}
		dir, err := r.versionDir(ref.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(filepath.Join(dir, WeightsFile)); err != nil {
			t.Fatal(err)
		}
		got, err := r.Reload(ref.Digest, stamp.Bind(weights), make([]byte, 0, 1<<16))
		if name == "nothing" {
			if err != nil || !bytes.Equal(got, weights) || cap(got) != 1<<16 {
				t.Errorf("unchanged: %d bytes in a buffer of %d, %v", len(got), cap(got), err)
			}
			continue
		}
		if !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v, want %v", name, err, ErrChanged)
		}
	}
	r, err := Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Stamp("../etc"); !errors.Is(err, ErrName) {
		t.Errorf("a digest that is none: %v", err)
	}
	if _, err := r.Reload("../etc", Stamp{}, nil); !errors.Is(err, ErrName) {
		t.Errorf("a digest that is none: %v", err)
	}
}
