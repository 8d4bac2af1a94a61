// Package results keeps the records of a long measurement in a file, one a line, so that a measurement that was interrupted goes on
// where it was.
//
// Invariants. A record is on disk before Add returns. A key has one record: the last one that was added. A last line that was not
// written to its end is taken out when the file is opened.
//
// It is no database: everything is in memory, and one process at a time writes.
package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// Keyed is what a file of records can hold: the key names a record and all that its figures depend on.
type Keyed interface{ RecordKey() string }

// File is an open file of records.
type File[R Keyed] struct {
	mu      sync.Mutex
	file    *os.File
	lock    *flock.Flock
	records map[string]R
}

// Open opens the file of records, and makes it and its directory where they do not exist.
func Open[R Keyed](path string) (*File[R], error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open records: %w", err)
	}
	b := &File[R]{lock: flock.New(path, flock.SetPermissions(0o644)), records: map[string]R{}}
	if ok, err := b.lock.TryLock(); err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("open records: another process writes %s", path), err)
	}
	if err := b.read(path); err != nil {
		return nil, errors.Join(err, b.lock.Close())
	}
	return b, nil
}

// read reads the file and leaves it open at the end of its last whole line.
func (b *File[R]) read(path string) error {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open records: %w", err)
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	for n, line := range bytes.Split(bytes.TrimSuffix(data[:whole], []byte("\n")), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r R
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("open records: line %d of %s: %w; move the file away to begin anew", n+1, path, err)
		}
		b.records[r.RecordKey()] = r
	}
	if b.file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return fmt.Errorf("open records: %w", err)
	}
	if err = b.file.Truncate(int64(whole)); err == nil {
		_, err = b.file.Seek(int64(whole), io.SeekStart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open records: %w", err), b.file.Close())
	}
	return nil
}

// Find returns the record with a key.
func (b *File[R]) Find(key string) (R, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.records[key]
	return r, ok
}

// Add writes a record to disk.
func (b *File[R]) Add(r R) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := b.file.Sync(); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	b.records[r.RecordKey()] = r
	return nil
}

// Close closes the file and lets other processes have it.
func (b *File[R]) Close() error { return errors.Join(b.file.Close(), b.lock.Close()) }
