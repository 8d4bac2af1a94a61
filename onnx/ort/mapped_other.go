//go:build !linux

package ort

// UseHugePages does nothing where the system has no such advice.
func UseHugePages() (bytes int64, err error) { return 0, nil }

// ReleaseMapped does nothing where the system does not list a process's mappings.
func ReleaseMapped(string) (bytes int64, err error) { return 0, nil }
