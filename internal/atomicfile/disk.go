package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// Disk is every way in which Files changes what is stored, one step each, so that tests can stop the machine after any of them.
type Disk interface {
	Mkdir(path string, perm fs.FileMode) error
	Create(path string, perm fs.FileMode) (File, error) // fails where path exists
	Link(from, to string) error                         // fails where to exists
	Rename(from, to string) error
	RemoveAll(path string) error
	Sync(path string) error // the content of a file, or the names in a directory
}

// File is a file that is being written.
type File interface {
	io.WriteCloser
	Sync() error
}

// System is the disk of the operating system. Modes are subject to the umask.
type System struct{}

// Mkdir implements Disk.
func (System) Mkdir(path string, perm fs.FileMode) error { return os.Mkdir(path, perm) }

// Create implements Disk.
func (System) Create(path string, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Link implements Disk.
func (System) Link(from, to string) error { return os.Link(from, to) }

// Rename implements Disk.
func (System) Rename(from, to string) error { return os.Rename(from, to) }

// RemoveAll implements Disk.
func (System) RemoveAll(path string) error { return os.RemoveAll(path) }

// Sync implements Disk.
func (System) Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
