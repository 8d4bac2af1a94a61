package ort

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReleaseMapped maps a file, touches all of it and releases it: the pages go, the contents stay.
func TestReleaseMapped(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	want := bytes.Repeat([]byte("weights "), size/8)
	path := filepath.Join(dir, "model with a space.safetensors")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	pages, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(pages) //nolint:errcheck // a test's memory
	before := resident(t, path)
	n, err := ReleaseMapped(dir)
	if err != nil || n != size {
		t.Fatalf("released %d bytes of %d, %v", n, size, err)
	}
	if after := resident(t, path); before < size || after != 0 {
		t.Errorf("%d bytes were resident, and %d are", before, after)
	}
	if !bytes.Equal(pages, want) {
		t.Error("the file reads differently")
	}
	written, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(written) //nolint:errcheck // a test's memory
	written[5]++
	if n, err := ReleaseMapped(dir); n != size || err != nil || written[5] != want[5]+1 {
		t.Errorf("a mapping that was written: released %d bytes, %v; the byte is %q", n, err, written[5])
	}
	if n, err := ReleaseMapped(filepath.Join(dir, "elsewhere")); n != 0 || err != nil {
		t.Errorf("another folder: released %d, %v", n, err)
	}
}

// resident is how many bytes of a mapped file are in memory, from /proc/self/smaps.
func resident(t *testing.T, path string) (size int) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(smaps, []byte(path))
	if !found {
		t.Fatalf("%s is not mapped", path)
	}
	_, rest, _ = bytes.Cut(rest, []byte("Rss:"))
	for _, c := range bytes.TrimLeft(rest, " ") {
		if c < '0' || c > '9' {
			break
		}
		size = size*10 + int(c-'0')
	}
	return size << 10
}
