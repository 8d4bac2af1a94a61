package demo

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nightshift/internal/atomicfile"
)

//go:embed checkpoint
var files embed.FS

// FS holds the files of the model that ships.
func FS() fs.FS {
	sub, err := fs.Sub(files, "checkpoint")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

// Dir unpacks the model that ships into a folder of cacheDir that is named by its content, once, and returns it.
func Dir(cacheDir string) (string, error) {
	names, err := fs.Glob(FS(), "*")
	if err != nil {
		return "", fmt.Errorf("unpack the model that ships: %w", err)
	}
	sum := sha256.New()
	for _, name := range names {
		data, err := fs.ReadFile(FS(), name)
		if err != nil {
			return "", fmt.Errorf("unpack the model that ships: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data)
	}
	dir := filepath.Join(cacheDir, "demo", hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("unpack the model that ships: %w", err)
	}
	err = atomicfile.Dir(dir, 0o755, func(temp string) error { return os.CopyFS(temp, FS()) })
	if err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		return "", fmt.Errorf("unpack the model that ships: %w", err)
	}
	return dir, nil
}
