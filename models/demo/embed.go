package demo

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	contents := map[string][]byte{}
	for _, name := range names {
		data, err := fs.ReadFile(FS(), name)
		if err != nil {
			return "", fmt.Errorf("unpack the model that ships: %w", err)
		}
		contents[name] = data
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
	temp, err := os.MkdirTemp(filepath.Dir(dir), "unpack-")
	if err != nil {
		return "", fmt.Errorf("unpack the model that ships: %w", err)
	}
	defer os.RemoveAll(temp) //nolint:errcheck // gone when it was renamed
	for name, data := range contents {
		if err := os.WriteFile(filepath.Join(temp, name), data, 0o644); err != nil {
			return "", fmt.Errorf("unpack the model that ships: %w", err)
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil { //nolint:gosec // nothing in it is secret
		return "", fmt.Errorf("unpack the model that ships: %w", err)
	}
	if err := os.Rename(temp, dir); err != nil {
		if _, there := os.Stat(dir); there == nil { // another process was faster
			return dir, nil
		}
		return "", fmt.Errorf("unpack the model that ships: %w", err)
	}
	return dir, nil
}
