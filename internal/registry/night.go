package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// nightFileSize bounds what ReadNight reads, in bytes.
const nightFileSize = 4 << 30

func checkNight(id string) error {
	if !nightName.MatchString(id) {
		return refused(ErrName, "%q is no id of a night: want 1 to 128 of letters, digits, _ . and -, beginning with a letter or digit", id)
	}
	return nil
}

// NightDir returns the directory of a night, for the process that works in it.
func (r *Registry) NightDir(id string) (string, error) {
	if err := checkNight(id); err != nil {
		return "", fmt.Errorf("find night: %w", err)
	}
	return filepath.Join(r.dir, "nights", id), nil
}

// CreateNight makes the directory of a new night. A night of that id that is there already is ErrExists: of two that start
// the same night, one does.
func (r *Registry) CreateNight(id string) error {
	dir, err := r.NightDir(id)
	if err != nil {
		return fmt.Errorf("create night: %w", err)
	}
	if _, err := r.makeDirs("nights"); err != nil {
		return fmt.Errorf("create night %s: %w", id, err)
	}
	if err := r.files.Mkdir(dir, dirMode); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create night %s: %w", id, ErrExists)
	} else if err != nil {
		return fmt.Errorf("create night %s: %w", id, err)
	}
	if err := r.files.Sync(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("create night %s: %w", id, err)
	}
	return nil
}

// WriteNightFile writes a file of a night at once: a reader sees the old content or the new one. A name may have one directory, as in
// candidate/adapter_config.json.
func (r *Registry) WriteNightFile(id, name string, data []byte) error {
	path, err := r.nightFile(id, name)
	if err != nil {
		return fmt.Errorf("write night file: %w", err)
	}
	if dir, _, nested := strings.Cut(name, "/"); nested {
		if err := r.files.Mkdir(filepath.Join(filepath.Dir(filepath.Dir(path)), dir), dirMode); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("write %s of night %s: %w", name, id, err)
		}
	}
	if err := r.files.Write(path, data, fileMode); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write %s of night %s: create the night first: %w", name, id, ErrNotFound)
	} else if err != nil {
		return fmt.Errorf("write %s of night %s: %w", name, id, err)
	}
	return nil
}

// ReadNight returns a file of a night.
func (r *Registry) ReadNight(id, name string) ([]byte, error) {
	path, err := r.nightFile(id, name)
	if err != nil {
		return nil, fmt.Errorf("read night file: %w", err)
	}
	data, err := readFile(path, nightFileSize)
	if errors.Is(err, ErrNotFound) {
		return nil, r.noNightFile(id, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of night %s: %w", name, id, err)
	}
	return data, nil
}

// RemoveNightFiles removes files and directories of a night; what is not there is no error.
func (r *Registry) RemoveNightFiles(id string, names ...string) error {
	for _, name := range names {
		path, err := r.nightFile(id, name)
		if err != nil {
			return fmt.Errorf("remove night file: %w", err)
		}
		if err := r.files.RemoveAll(path); err != nil {
			return fmt.Errorf("remove %s of night %s: %w", name, id, err)
		}
	}
	return nil
}

// noNightFile says whether the night is missing or the file of it.
func (r *Registry) noNightFile(id, name string) error {
	if _, err := os.Lstat(filepath.Join(r.dir, "nights", id)); err == nil {
		return refused(ErrNotFound, "night %s has no %s", id, name)
	}
	return refused(ErrNotFound, "there is no night %s", id)
}

// NightFiles returns the names of the files of a night, sorted.
func (r *Registry) NightFiles(id string) ([]string, error) {
	dir, err := r.NightDir(id)
	if err != nil {
		return nil, fmt.Errorf("list night files: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refused(ErrNotFound, "there is no night %s", id)
	}
	if err != nil {
		return nil, fmt.Errorf("list files of night %s: %w", id, err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// ListNights returns the ids of all nights, sorted.
func (r *Registry) ListNights() ([]string, error) {
	entries, err := r.list("nights")
	if err != nil {
		return nil, fmt.Errorf("list nights: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && nightName.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (r *Registry) nightFile(id, name string) (string, error) {
	dir, err := r.NightDir(id)
	if err != nil {
		return "", err
	}
	parts := strings.Split(name, "/")
	if len(parts) > 2 || slices.ContainsFunc(parts, func(part string) bool { return !nightName.MatchString(part) }) {
		return "", fmt.Errorf("file %q of night %s: want 1 to 128 of letters, digits, _ . and -, and one directory at most: %w", name, id, ErrName)
	}
	return filepath.Join(dir, filepath.FromSlash(name)), nil
}
