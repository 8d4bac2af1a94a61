package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDamage(t *testing.T) {
	r := newRegistry(t)
	one, two := put(t, r, "default", "one"), put(t, r, "default", "two")
	activate(t, r, one)
	activate(t, r, two)
	dir, _ := r.versionDir(two.Digest)
	paths := map[string]func() error{
		filepath.Join(dir, ConfigFile):                      func() error { _, _, _, err := r.Load(two.Digest); return err },
		filepath.Join(dir, WeightsFile):                     func() error { _, _, _, err := r.Load(two.Digest); return err },
		filepath.Join(dir, ManifestFile):                    func() error { _, err := r.Version(two.Digest); return err },
		recordPath(r.trackDir("default", "versions"), 2):    func() error { _, err := r.Resolve("default", "@2"); return err },
		recordPath(r.trackDir("default", "activations"), 2): func() error { _, err := r.Champion("default"); return err },
	}
	for path, read := range paths {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		half := good[:len(good)/2]
		for name, bad := range map[string][]byte{"half": half, "empty": {}, "longer": append(slices.Clone(good), "{}"...), "flipped": flip(good), "zeros": make([]byte, len(good))} {
			if err := os.WriteFile(path, bad, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := read(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s, %s: %v; want ErrCorrupt with the name of the file", filepath.Base(path), name, err)
			}
		}
		if err := os.WriteFile(path, good, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != nil {
			t.Errorf("%s repaired: %v", path, err)
		}
	}
}

func flip(data []byte) []byte {
	bad := slices.Clone(data)
	bad[len(bad)*3/4] ^= 4
	return bad
}

// TestDamagedChampion shows that nothing automatic happens to a track whose latest record is damaged, and that a person can
// go on from it.
func TestDamagedChampion(t *testing.T) {
	r := newRegistry(t)
	one := put(t, r, "default", "one")
	activate(t, r, one)
	activate(t, r, put(t, r, "default", "two"))
	path := recordPath(r.trackDir("default", "activations"), 2)
	if err := os.WriteFile(path, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Activate(ctx, "default", Activation{Digest: one.Digest, Previous: 2, Actor: Updater}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the updater: %v, want ErrCorrupt", err)
	}
	if all, err := r.Activations("default"); !errors.Is(err, ErrCorrupt) || len(all) != 1 {
		t.Errorf("activations: %v, %v; want the whole one and ErrCorrupt", all, err)
	}
	for name, change := range map[string]func() (Activation, error){
		"hold":    func() (Activation, error) { return r.Hold(ctx, "default", "ann", "stop") },
		"release": func() (Activation, error) { return r.Release(ctx, "default", "ann", "go") },
	} {
		if a, err := change(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %+v, %v; want ErrCorrupt: it is not known what is to stay", name, a, err)
		}
	}
	if last, err := r.last(r.trackDir("default", "activations")); err != nil || last != 2 {
		t.Errorf("a hold has written over a damaged record: the last activation is %d, %v", last, err)
	}
	a := activate(t, r, one)
	if a.Sequence != 3 || !a.Held {
		t.Errorf("a person: %+v, want activation 3, held", a)
	}
	if err := os.WriteFile(recordPath(r.trackDir("default", "versions"), 1), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if refs, err := r.Versions("default"); !errors.Is(err, ErrCorrupt) || len(refs) != 1 {
		t.Errorf("versions: %v, %v", refs, err)
	}
	if ref := put(t, r, "default", "one"); ref.Number != 3 {
		t.Errorf("put after its record was damaged: %v, want a new number", ref)
	}
}

func TestDamagedVersionIsNotPutAgain(t *testing.T) {
	r := newRegistry(t)
	ref := put(t, r, "default", "one")
	dir, _ := r.versionDir(ref.Digest)
	if err := os.Truncate(filepath.Join(dir, WeightsFile), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Put(ctx, "default", version("one")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("put over a damaged copy: %v", err)
	}
	if _, err := r.Activate(ctx, "default", Activation{Digest: ref.Digest, Previous: Latest, Actor: "ann"}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("activate a damaged version: %v", err)
	}
	if err := os.Rename(dir, dir+".damaged"); err != nil {
		t.Fatal(err)
	}
	if again := put(t, r, "default", "one"); again != ref {
		t.Errorf("put again: %v, want %v", again, ref)
	}
}

func TestUnknownFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	record := []byte(`{"sequence":1}`)
	for name, data := range map[string]string{
		"format":        fmt.Sprintf(`{"format":2,"sha256":%q,"record":%s}`, sum(record), record),
		"unknown field": fmt.Sprintf(`{"format":1,"sha256":%q,"record":{"sequins":1}}`, sum([]byte(`{"sequins":1}`))),
		"unknown outer": fmt.Sprintf(`{"format":1,"sha256":%q,"record":%s,"x":1}`, sum(record), record),
	} {
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := readRecord(path, &Activation{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := encodeRecord(make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
}
