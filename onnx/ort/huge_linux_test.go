package ort

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestUseHugePages keeps the contents of memory that is resident, and takes none for memory that is not.
func TestUseHugePages(t *testing.T) {
	const size = 32 << 20
	full, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(full) //nolint:errcheck // a test's memory
	for i := range full {
		full[i] = byte(i * 7)
	}
	sparse := AlignedFloats(64 << 20)
	defer FreeFloats(sparse) //nolint:errcheck // a test's memory
	sparse[0] = 1
	n, err := UseHugePages()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes in huge pages", n)
	if n > 3*size {
		t.Errorf("it went over %d bytes: memory that is not resident too", n)
	}
	for i := range full {
		if full[i] != byte(i*7) {
			t.Fatalf("byte %d is %d, want %d", i, full[i], byte(i*7))
		}
	}
}
