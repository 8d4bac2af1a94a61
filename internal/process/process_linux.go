package process

import (
	"os/exec"
	"syscall"
)

// endWithThisThread has the kernel kill the child when the thread that starts it has ended.
func endWithThisThread(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
