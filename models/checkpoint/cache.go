package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/atomicfile"
	"nightshift/models/arch"
)

// convert returns found as float32 in one file of the cache, writing it if no run before has.
func convert(shape arch.Shape, found map[string]source, digest, cacheDir string) (map[string]source, error) {
	if cacheDir == "" {
		return nil, fmt.Errorf("the weights are not float32 in one folder and must be converted once: name a cache folder")
	}
	dir := filepath.Join(cacheDir, "checkpoints", strings.TrimPrefix(digest, "sha256:"))
	if cached, err := openCached(shape, dir, digest, cacheDir); err == nil {
		return cached, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		if err := os.RemoveAll(dir); err != nil { // damaged: by hand, by a full disk of the past
			return nil, fmt.Errorf("remove damaged cache: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("convert weights: %w", err)
	}
	err := atomicfile.Create(filepath.Join(dir, single), 0o644, func(w io.Writer) error { return writeWhole(w, shape, found) })
	if err != nil {
		return nil, fmt.Errorf("convert weights: %w", err)
	}
	cached, err := openCached(shape, dir, digest, cacheDir)
	if err != nil {
		return nil, fmt.Errorf("read back converted weights: %w", err)
	}
	return cached, nil
}

// openCached locates the tensors of a converted file and checks that it has the digest it is filed under.
func openCached(shape arch.Shape, dir, digest, cacheDir string) (map[string]source, error) {
	found := map[string]source{}
	if err := addFile(found, shape, dir, single, nil); err != nil {
		return nil, err
	}
	if err := match(shape, found, whole); err != nil {
		return nil, err
	}
	got, err := verify(shape, pieces(shape, found), cacheDir)
	if err != nil {
		return nil, err
	}
	if got != digest {
		return nil, fmt.Errorf("%s holds %s, not %s", filepath.Join(dir, single), got, digest)
	}
	return found, nil
}
