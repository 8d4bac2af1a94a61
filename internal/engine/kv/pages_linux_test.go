package kv

import (
	"syscall"
	"testing"
	"unsafe"
)

// residentPages counts the pages of memory that exist.
func residentPages(t testing.TB, s []float32) (n int) {
	t.Helper()
	page := uintptr(syscall.Getpagesize())
	length := uintptr(4 * len(s))
	there := make([]byte, (length+page-1)/page)
	if _, _, code := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(s))), length, uintptr(unsafe.Pointer(unsafe.SliceData(there)))); code != 0 {
		t.Fatalf("mincore: %v", code)
	}
	for _, b := range there {
		n += int(b & 1)
	}
	return n
}
