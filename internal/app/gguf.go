package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"nightshift/internal/atomicfile"
	"nightshift/models/gguf"
)

// isGGUF says whether a model is named by a file of that kind.
func isGGUF(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && strings.EqualFold(filepath.Ext(path), ".gguf")
}

// ggufDir is the directory in the cache that a GGUF file was exported to, named by the file's digest; it is made the first time.
func ggufDir(path, cache string) (string, error) {
	digest, err := fileDigest(path, filepath.Join(cache, "gguf", "digests"))
	if err != nil {
		return "", fmt.Errorf("open model %s: %w", path, err)
	}
	dir := filepath.Join(cache, "gguf", digest)
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
		return dir, nil
	}
	f, err := gguf.Open(path)
	if err != nil {
		return "", fmt.Errorf("open model: %w", err)
	}
	defer f.Close()
	slog.Info("exporting a GGUF file, once", "file", path, "to", dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("open model %s: %w", path, err)
	}
	err = atomicfile.Dir(dir, 0o755, func(dir string) error { return gguf.Export(f, dir) })
	if err != nil {
		return "", fmt.Errorf("open model %s: %w", path, err)
	}
	return dir, nil
}

// fileDigest is the SHA-256 of a file as hexadecimal digits. A record in a folder, by the file's path, size and time of change, saves
// reading it again.
func fileDigest(path, records string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	key, err := json.Marshal([]any{path, info.Size(), info.ModTime().UnixNano()})
	if err != nil {
		return "", err
	}
	record := filepath.Join(records, hex.EncodeToString(sum256(key)))
	if digest, err := os.ReadFile(record); err == nil && len(digest) == 2*sha256.Size {
		return string(digest), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	digest := hex.EncodeToString(h.Sum(nil))
	if err := os.MkdirAll(records, 0o755); err != nil {
		return "", err
	}
	return digest, atomicfile.Write(record, []byte(digest), fs.FileMode(0o644))
}

func sum256(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}
