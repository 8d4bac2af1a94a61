package replaytest

import "syscall"

// dieWithUs has the kernel kill a server when the tests die without having cleaned up.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
