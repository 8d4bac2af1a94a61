package registry

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrChanged says that a file is not, or may not be, the one that was checked.
var ErrChanged = errors.New("the file is not the one that was checked")

// Stamp recognises a version's weights that were checked before, without hashing them again. Whoever edits or replaces the
// file gives it another inode, size, time of modification or time of change, which the file system alone sets; and what goes
// bad on the disk or on the way from it has another CRC-32C. It is no signature: it is worth something for as long as the
// process that has checked the sha256 lives.
type Stamp struct {
	info  fs.FileInfo
	crc   uint32
	bound bool
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Stamp takes the stamp of a version's weights. Take it before Load, and bind it to the bytes that Load returns.
func (r *Registry) Stamp(digest string) (Stamp, error) {
	dir, err := r.versionDir(digest)
	if err != nil {
		return Stamp{}, fmt.Errorf("stamp version: %w", err)
	}
	info, err := os.Stat(filepath.Join(dir, WeightsFile))
	if err != nil {
		return Stamp{}, fmt.Errorf("stamp version %s: %w", digest, err)
	}
	return Stamp{info: info}, nil
}

// Bind completes the stamp with the bytes that were checked after it was taken.
func (s Stamp) Bind(weights []byte) Stamp {
	s.crc, s.bound = crc32.Checksum(weights, castagnoli), true
	return s
}

// Reload returns the weights of a version that Load has checked, in buffer where they fit. An error wraps ErrChanged when they
// are not those; then Load says what is wrong.
func (r *Registry) Reload(digest string, s Stamp, buffer []byte) ([]byte, error) {
	dir, err := r.versionDir(digest)
	if err != nil {
		return nil, fmt.Errorf("reload version: %w", err)
	}
	if !s.bound {
		return nil, fmt.Errorf("reload version %s: its stamp is bound to no weights: %w", digest, ErrChanged)
	}
	f, err := os.Open(filepath.Join(dir, WeightsFile))
	if err != nil {
		return nil, fmt.Errorf("reload version %s: %w: %w", digest, err, ErrChanged)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reload version %s: %w: %w", digest, err, ErrChanged)
	}
	if !os.SameFile(info, s.info) || info.Size() != s.info.Size() || !info.ModTime().Equal(s.info.ModTime()) || changeTime(info) != changeTime(s.info) {
		return nil, fmt.Errorf("reload version %s: %w", digest, ErrChanged)
	}
	if int64(cap(buffer)) < info.Size() {
		buffer = make([]byte, info.Size())
	}
	buffer = buffer[:info.Size()]
	if _, err := io.ReadFull(f, buffer); err != nil {
		return nil, fmt.Errorf("reload version %s: %w: %w", digest, err, ErrChanged)
	}
	if crc32.Checksum(buffer, castagnoli) != s.crc {
		return nil, fmt.Errorf("reload version %s: its bytes differ: %w", digest, ErrChanged)
	}
	return buffer, nil
}
