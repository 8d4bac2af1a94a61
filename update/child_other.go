//go:build unix && !linux

package update

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// detach puts the child into a process group of its own, all of which is killed with it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// runNiced runs the child at a niceness.
func runNiced(cmd *exec.Cmd, nice int) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, nice); err != nil {
		return errors.Join(fmt.Errorf("set niceness %d: %w", nice, err), cmd.Cancel(), cmd.Wait())
	}
	return cmd.Wait()
}
