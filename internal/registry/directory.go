package registry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Modes of what the registry makes, before the umask.
const (
	dirMode  = 0o777
	fileMode = 0o666
)

// makeDirs creates a directory below that of the registry, and what is missing above it, and makes each name durable, also
// where the directory was there: whoever made it may have died before.
func (r *Registry) makeDirs(names ...string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(r.dir), dirMode); err != nil {
		return "", err
	}
	path := r.dir
	for i := 0; ; i++ {
		r.mu.Lock()
		made := r.made[path]
		r.mu.Unlock()
		if !made {
			if err := r.files.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
				return "", err
			}
			if err := r.files.Sync(filepath.Dir(path)); err != nil {
				return "", err
			}
			r.mu.Lock()
			r.made[path] = true
			r.mu.Unlock()
		}
		if i == len(names) {
			return path, nil
		}
		path = filepath.Join(path, names[i])
	}
}
