// Package atomicfile makes files and directories appear whole or not at all.
//
// What is new is made under a temporary name in the same directory, synced, moved to its name in one step, and the directory is
// synced. A reader never sees half of it, a crash never leaves half under the final name, and what was written is on disk when the
// call returns; Replace alone does not wait for the disk.
//
// Directories are not made on the way: a file whose directory is missing is an error that wraps fs.ErrNotExist. Modes are subject
// to the umask. A crash may leave a temporary name behind, which begins with a dot; Sweep removes it.
//
// It is no store: who may write what, and which of two writers is right, is decided by the caller.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files writes to a disk.
type Files struct{ Disk }

// system are the files of the operating system.
var system = Files{System{}}

// Write writes data to path, in place of what is there.
func Write(path string, data []byte, perm fs.FileMode) error { return system.Write(path, data, perm) }

// Create is Write of what a func writes.
func Create(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return system.Create(path, perm, write)
}

// Move moves a file, from anywhere on the same file system, in place of what is at path.
func Move(from, path string) error { return system.Move(from, path) }

// Dir makes the directory path with what fill puts into it.
func Dir(path string, perm fs.FileMode, fill func(dir string) error) error {
	return system.Dir(path, perm, fill)
}

// Replace is Write for what may be lost: it does not wait for the disk. After a power failure the file is the new one, the old one,
// or damaged.
func Replace(path string, data []byte, perm fs.FileMode) error {
	temp := temporary(path)
	defer os.Remove(temp) // gone when it was renamed
	if err := os.WriteFile(temp, data, perm); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Write writes data to path, in place of what is there.
func (f Files) Write(path string, data []byte, perm fs.FileMode) error {
	return f.publish(path, perm, all(data), f.Rename)
}

// Create is Write of what a func writes.
func (f Files) Create(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return f.publish(path, perm, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}, f.Rename)
}

// WriteExclusive writes data to path, where nothing must be: an error that wraps fs.ErrExist says that something is. Of several that
// try at the same time one succeeds.
func (f Files) WriteExclusive(path string, data []byte, perm fs.FileMode) error {
	return f.publish(path, perm, all(data), f.Link)
}

// Move moves a file, from anywhere on the same file system, in place of what is at path.
func (f Files) Move(from, path string) error {
	if err := f.Sync(from); err != nil {
		return fmt.Errorf("move %s: %w", from, err)
	}
	if err := f.Rename(from, path); err != nil {
		return fmt.Errorf("move %s: %w", from, err)
	}
	return f.synced(path)
}

// Dir makes the directory path with what fill puts into it: fill gets the temporary directory, and its error is returned as it is.
// Where path is a directory that is not empty, the error wraps fs.ErrExist, and it stays as it is.
func (f Files) Dir(path string, perm fs.FileMode, fill func(dir string) error) error {
	temp := temporary(path)
	defer func() { _ = f.RemoveAll(temp) }() // gone when it was renamed; Sweep finds what is left otherwise
	if err := f.Mkdir(temp, perm); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := fill(temp); err != nil {
		return err
	}
	if err := f.syncTree(temp); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := f.Rename(temp, path); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	return f.synced(path)
}

// Add writes a new file into a directory that is being filled. By itself it is not atomic.
func (f Files) Add(path string, data []byte, perm fs.FileMode) error {
	return f.add(path, perm, all(data))
}

// syncTree syncs all files and directories of a tree.
func (f Files) syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return f.Sync(path)
	})
}

// publish writes a file under a temporary name and moves it to its own.
func (f Files) publish(path string, perm fs.FileMode, write func(io.Writer) error, move func(from, to string) error) error {
	temp := temporary(path)
	defer func() { _ = f.RemoveAll(temp) }() // gone when it was renamed; Sweep finds what is left otherwise
	if err := f.add(temp, perm, write); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := move(temp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.synced(path)
}

// add writes a new file and puts its content on disk; the name is not durable yet.
func (f Files) add(path string, perm fs.FileMode, write func(io.Writer) error) error {
	file, err := f.Disk.Create(path, perm)
	if err != nil {
		return err
	}
	if err = write(file); err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// synced makes the name of a file durable.
func (f Files) synced(path string) error {
	if err := f.Sync(filepath.Dir(path)); err != nil {
		return fmt.Errorf("sync the directory of %s: %w", path, err)
	}
	return nil
}

func all(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// prefix begins every temporary name.
const prefix = ".tmp-"

// temporary is a new name beside path.
func temporary(path string) string {
	dir, name := filepath.Split(path)
	return filepath.Join(dir, prefix+name+"-"+rand.Text())
}

// Sweep removes what interrupted writers of a name in dir have left and nobody has changed for an age; of all names where name is "".
// Best effort: what is left is never read.
func Sweep(dir, name string, age time.Duration) {
	begin := prefix
	if name != "" {
		begin += name + "-"
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), begin) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) >= age {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}
