//go:build !linux

package replaytest

import "syscall"

// dieWithUs does nothing here: a server outlives tests that die without having cleaned up.
func dieWithUs() *syscall.SysProcAttr { return nil }
