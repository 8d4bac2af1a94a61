// Package process starts other processes that end with this one: where the system can do that (Linux), the kernel kills them when
// this process has died without having ended them. On other systems they live on then.
package process

import (
	"os/exec"
	"runtime"
)

// Start starts a command and waits for it beside; ended gets what Wait says. The command's outputs must be files or writers, and
// not pipes that Wait closes (StdoutPipe).
func Start(cmd *exec.Cmd) (ended <-chan error, err error) {
	started, done := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the kernel looks at the thread that starts a child, which must live as long
		defer runtime.UnlockOSThread()
		endWithThisThread(cmd)
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	return done, <-started
}
