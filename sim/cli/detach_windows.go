package cli

import (
	"os/exec"
	"syscall"
)

// detach lets a process live on when this one and its console end.
func detach(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
