//go:build unix && !linux

package runner

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// detach puts the child into a process group of its own, all of which is killed with it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// runNiced runs the child at a niceness, and something beside it.
func runNiced(cmd *exec.Cmd, nice int, beside func(*os.Process) (stop func())) error {
	var failed error
	err := run(cmd, func(child *os.Process) func() {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, child.Pid, nice); err != nil {
			failed = errors.Join(fmt.Errorf("set niceness %d: %w", nice, err), cmd.Cancel())
		}
		return beside(child)
	})
	return errors.Join(failed, err)
}
