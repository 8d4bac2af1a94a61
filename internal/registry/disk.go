package registry

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is every way in which the registry changes files, one step each, so that tests can stop the world after any of them.
type disk interface {
	Mkdir(path string) error
	Create(path string) (file, error) // exclusively
	Link(from, to string) error       // fails where to exists
	Rename(from, to string) error
	RemoveAll(path string) error
	SyncDir(path string) error
}

type file interface {
	io.Writer
	Sync() error
	Close() error
}

// fileSystem is the real disk.
type fileSystem struct{}

func (fileSystem) Mkdir(path string) error      { return os.Mkdir(path, 0o777) }
func (fileSystem) Link(from, to string) error   { return os.Link(from, to) }
func (fileSystem) Rename(from, to string) error { return os.Rename(from, to) }
func (fileSystem) RemoveAll(path string) error  { return os.RemoveAll(path) }

func (fileSystem) Create(path string) (file, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (fileSystem) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// temporary begins the name of everything that is not there yet. Readers never look at such a name.
const temporary = ".tmp-"

func temporaryIn(dir string) string { return filepath.Join(dir, temporary+rand.Text()) }

// makeDirs creates a directory below that of the registry, and what is missing above it, and makes each name durable, also
// where the directory was there: whoever made it may have died before.
func (r *Registry) makeDirs(names ...string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(r.dir), 0o777); err != nil {
		return "", err
	}
	path := r.dir
	for i := 0; ; i++ {
		r.mu.Lock()
		made := r.made[path]
		r.mu.Unlock()
		if !made {
			if err := r.disk.Mkdir(path); err != nil && !errors.Is(err, fs.ErrExist) {
				return "", err
			}
			if err := r.disk.SyncDir(filepath.Dir(path)); err != nil {
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

// write puts data into a new file and on the disk. The name is not durable yet.
func (r *Registry) write(path string, data []byte) error {
	f, err := r.disk.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// create publishes data under a name that must be free: an error that wraps fs.ErrExist says that it is not.
func (r *Registry) create(path string, data []byte) error {
	return r.publish(path, data, r.disk.Link)
}

// replace publishes data under a name, instead of what was there.
func (r *Registry) replace(path string, data []byte) error {
	return r.publish(path, data, r.disk.Rename)
}

func (r *Registry) publish(path string, data []byte, move func(from, to string) error) error {
	dir := filepath.Dir(path)
	temp := temporaryIn(dir)
	defer func() { _ = r.disk.RemoveAll(temp) }() // best effort: sweep finds it otherwise
	if err := r.write(temp, data); err != nil {
		return err
	}
	if err := move(temp, path); err != nil {
		return err
	}
	return r.disk.SyncDir(dir)
}
