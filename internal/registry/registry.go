// Package registry keeps the truth about versions, activations and nights in files under one directory:
//
//	versions/sha256/<hex>/adapter_config.json, adapter_model.safetensors, manifest.json
//	tracks/<track>/versions/000017.json       number → digest, candidates included
//	tracks/<track>/activations/000031.json    the highest one says what serves the track
//	nights/<id>/…                             whatever a night writes
//
// Any number of processes on one file system may use the directory at the same time; there is no daemon, and no lock
// but the lease of a track, which one updater holds while it runs a night of it (leases/<track>).
//
// Invariants:
//   - Everything but the files of a night is immutable. A file appears whole or not at all, and is on disk (file and
//     directory synced) before the call that wrote it returns.
//   - A number is given once: two that race for it are told apart by the file system, in link(2).
//   - What is read is checked every time: records carry their own sha256, versions are compared with size and sha256.
//     Reload alone, of weights that this process has checked before, is content with their Stamp.
//     A damaged file is an error that wraps ErrCorrupt and names the file; nothing falls back silently.
//   - An activation is the whole state of its track (version, canary, hold, deletion), so one file answers every question, and
//     an updater that decided on an older state is refused with ErrConflict.
//   - A track begins with CreateTrack, or with the first version that is put there, and ends with an activation that deletes
//     it. Nothing else makes one: to read a track that does not exist makes no directory, and to change it is ErrNotFound.
//
// It is not a cache and knows nothing of adapters: what makes a version sound is a func that the caller hands in.
package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"nightshift/internal/atomicfile"
)

// Default is the track that always exists.
const Default = "default"

// Causes of errors, for errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrConflict = errors.New("the track changed in the meantime")
	ErrHeld     = errors.New("the track is held by a person")
	ErrCorrupt  = errors.New("corrupted")
	ErrName     = errors.New("name not allowed")
	ErrRequest  = errors.New("request not allowed")
	ErrDeclared = errors.New("the track cannot be deleted")
	ErrNoTrack  = fmt.Errorf("no such track: %w", ErrNotFound)
)

// Registry is a directory of versions, activations and nights. Its methods may be called from any goroutine.
type Registry struct {
	dir    string
	verify func(config, weights []byte, m Manifest) error
	files  atomicfile.Files
	now    func() time.Time
	empty  bool // that the directory is missing means that it is empty

	mu       sync.Mutex
	highest  map[string]int    // directory of numbered records → a number known to exist there
	made     map[string]bool   // directories known to be durable
	declared map[string]bool   // tracks that exist whatever the directory says
	newest   map[string]ending // track → what its newest activation says of the track's end
}

// Open returns the registry in dir and creates the directory where it is missing. verify is called with the bytes of a
// version before it is stored and each time it is loaded, after size and digest have been checked; nil accepts all.
func Open(dir string, verify func(config, weights []byte, m Manifest) error) (*Registry, error) {
	return open(dir, verify, atomicfile.System{})
}

// Look is Open, and changes nothing in dir: a directory that is missing holds no version and no night. What is written through it makes the
// directories that it needs.
func Look(dir string, verify func(config, weights []byte, m Manifest) error) (*Registry, error) {
	r, err := look(dir, verify, atomicfile.System{})
	if err == nil {
		r.empty = true
	}
	return r, err
}

func look(dir string, verify func(config, weights []byte, m Manifest) error, d atomicfile.Disk) (*Registry, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if verify == nil {
		verify = func([]byte, []byte, Manifest) error { return nil }
	}
	return &Registry{dir: dir, verify: verify, files: atomicfile.Files{Disk: d}, now: time.Now, highest: map[string]int{}, made: map[string]bool{},
		declared: map[string]bool{Default: true}, newest: map[string]ending{}}, nil
}

func open(dir string, verify func(config, weights []byte, m Manifest) error, d atomicfile.Disk) (*Registry, error) {
	r, err := look(dir, verify, d)
	if err != nil {
		return nil, err
	}
	for _, sub := range [][]string{{"versions", "sha256"}, {"tracks"}, {"nights"}} {
		if _, err := r.makeDirs(sub...); err != nil {
			return nil, fmt.Errorf("open registry %s: %w", r.dir, err)
		}
	}
	r.sweep()
	return r, nil
}

// Dir returns the absolute path of the registry.
func (r *Registry) Dir() string { return r.dir }

var (
	trackName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	nightName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	digestHex = regexp.MustCompile(`^sha256:([0-9a-f]{64})$`)
	numbered  = regexp.MustCompile(`^([0-9]{6,9})\.json$`)
)

// list reads one of the registry's own directories.
func (r *Registry) list(name string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, name))
	if r.empty && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

func (r *Registry) trackDir(track, kind string) string {
	return filepath.Join(r.dir, "tracks", track, kind)
}

func recordPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.json", number))
}

// last returns the highest number among the records in dir, 0 when there is none. Numbers have no gaps, so it remembers where
// it was and only looks ahead.
func (r *Registry) last(dir string) (int, error) {
	r.mu.Lock()
	n := r.highest[dir]
	r.mu.Unlock()
	if n > 0 {
		if _, err := os.Lstat(recordPath(dir, n)); err != nil {
			n = 0 // the directory was replaced: look at all of it
		}
	}
	if n == 0 {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, e := range entries {
			if m := numbered.FindStringSubmatch(e.Name()); m != nil {
				var k int
				_, _ = fmt.Sscanf(m[1], "%d", &k) // digits only: cannot fail
				n = max(n, k)
			}
		}
	}
	for {
		if _, err := os.Lstat(recordPath(dir, n+1)); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
			break
		}
		n++
	}
	r.mu.Lock()
	r.highest[dir] = n
	r.mu.Unlock()
	return n, nil
}

// sweep removes what interrupted writers left behind an hour ago or more. Best effort: a leftover is never read.
func (r *Registry) sweep() {
	for _, pattern := range []string{"versions/sha256/", "tracks/*/versions/", "tracks/*/activations/", "nights/*/", "nights/*/*/"} {
		dirs, _ := filepath.Glob(filepath.Join(r.dir, pattern)) // the pattern is good
		for _, dir := range dirs {
			atomicfile.Sweep(dir, "", time.Hour)
		}
	}
}
