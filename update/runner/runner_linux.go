package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// detach puts the child into a process group of its own, all of which is killed with it, and has the kernel kill it with
// its parent.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// runNiced runs the child at a niceness, and something beside it. On Linux niceness belongs to a thread and is inherited by what the thread starts,
// so the thread that starts the child is niced first; it is never given back, and ends with its goroutine. Pdeathsig looks
// at that thread as well, which lives as long as the child. It must run in a goroutine of its own.
func runNiced(cmd *exec.Cmd, nice int, beside func(*os.Process) (stop func())) error {
	runtime.LockOSThread()
	if nice > 0 {
		err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), nice)
		if err != nil && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM) { // refused where this process gives way even more
			return fmt.Errorf("set niceness %d: %w", nice, err)
		}
	}
	return run(cmd, beside)
}
