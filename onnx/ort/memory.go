//go:build unix

package ort

import (
	"fmt"
	"syscall"
	"unsafe"
)

// AlignedFloats returns n zeros, aligned to at least 64 bytes, in memory of their own that the garbage collector neither
// scans nor counts. It takes memory from the system page by page as it is touched: meant for large, long-lived buffers.
// Give it back with [FreeFloats]. Like make, it panics when n is negative or there is no address space left.
func AlignedFloats(n int) []float32 {
	if n < 0 {
		panic("ort: AlignedFloats of a negative length")
	}
	if n == 0 {
		return []float32{}
	}
	pages, err := syscall.Mmap(-1, 0, n*4, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("ort: no memory for %d floats: %v", n, err))
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(pages))), n)
}

// ReleaseFloats gives the memory of numbers from [AlignedFloats] back to the system, but for parts of pages at both ends, and keeps
// their place: they may be zero afterwards, and take memory again when they are touched.
func ReleaseFloats(s []float32) error {
	page := uintptr(syscall.Getpagesize())
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	skip := int(-begin & (page - 1))
	size := (len(s)*4 - skip) &^ int(page-1)
	if size <= 0 {
		return nil
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*4)[skip : skip+size]
	if err := syscall.Madvise(bytes, syscall.MADV_DONTNEED); err != nil {
		return fmt.Errorf("release %d floats: %w", len(s), err)
	}
	return nil
}

// FreeFloats gives memory from [AlignedFloats] back: the slice as it was returned, exactly once, after every tensor over
// it is closed and unbound. Nothing may use it afterwards. A slice that did not come from there is refused.
func FreeFloats(s []float32) error {
	if cap(s) == 0 {
		return nil
	}
	pages := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), cap(s)*4)
	if err := syscall.Munmap(pages); err != nil {
		return fmt.Errorf("free %d floats: not as AlignedFloats returned them, or freed before: %w", len(s), err)
	}
	return nil
}
